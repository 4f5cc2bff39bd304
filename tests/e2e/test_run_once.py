"""`sessions start --here` on a login node of a real Slurm: nothing of ours stays there."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rig.processes import clean_environment
from tests.rig.slurm import SlurmRig
from tests.rig.stack import Stack
from tests.rig.stub import ROOT
from tests.rig.waiting import eventually

pytestmark = pytest.mark.timeout(180)
STUB = "tests.fakes.stub_server"


def test_submitted_from_the_login_node(slurm: SlurmRig, tmp_path: Path) -> None:
    """The job's agent reports, serves, and ends its job when its user stops it at the hub; a refusal has
    Slurm's words and leaves nothing half-made."""
    stack = Stack(tmp_path)
    try:
        alice = stack.add_person("alice")
        python, paths = slurm.python()
        own = {"UNDERPASS_HUB": stack.url, "UNDERPASS_KEY": alice.key}
        for place in ("DATA", "CONFIG", "CACHE"):
            own[f"XDG_{place}_HOME"] = str(slurm.home / "once" / place)

        def start(name: str, *more: str) -> subprocess.CompletedProcess[str]:
            command = f"{python} -m {STUB} --port {{port}}"
            words = [python, "-m", "underpass", "sessions", "start", "--here", "--json"]
            words += ["--name", name, "--command", command, "--cwd", str(ROOT), *more]
            return subprocess.run(
                slurm.as_user(words),
                capture_output=True,
                text=True,
                timeout=90,
                env=clean_environment(slurm.environment(own | paths)),
                cwd=slurm.home,
            )

        done = start("box", "--wait", "--time", "1:00:00", "--memory", "400M")
        assert done.returncode == 0, done.stderr
        session: dict[str, Any] = json.loads(done.stdout)
        assert (session["status"], session["cluster"]) == ("running", None)
        assert [row[0] for row in slurm.queue()] == [session["job_id"]]
        stack.wait_provider(alice, "box", "running")
        api = stack.api(alice)
        body = {"model": "box/stub", "messages": [], "max_tokens": 4}
        assert api.post("/v1/chat/completions", body).status == 200
        assert api.post(f"/api/sessions/{session['id']}/stop").status == 202
        eventually(lambda: slurm.queue() == [], 30, "the job has ended")
        ended = api.get(f"/api/sessions/{session['id']}").json()
        assert ended["end_reason"] == "user"
        refused = start("odd", "--partition", "nope")
        assert refused.returncode == 1
        assert "no partition named 'nope'" in refused.stderr
        (odd,) = [one for one in api.items("/api/sessions") if one["name"] == "odd"]
        eventually(
            lambda: api.get(f"/api/sessions/{odd['id']}").json()["end_reason"], 10, "its end"
        )
        assert api.get(f"/api/sessions/{odd['id']}").json()["end_reason"] == "rejected"
        assert slurm.queue() == []
    finally:
        stack.stop()
