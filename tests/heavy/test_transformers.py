"""The template `transformers` with the real server, on a CPU: opt-in, as it takes a gigabyte to install.

make test-heavy
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rig.needs import opted_in
from tests.rig.stack import Stack
from tests.rig.waiting import eventually

MAKE_MODEL = Path(__file__).parents[1] / "gpu" / "make_model.py"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def programs() -> str:
    """The folder of the server's programs. `pytest` alone never comes here (norecursedirs)."""
    return opted_in("UNDERPASS_HEAVY", "make test-heavy (installs a gigabyte once)")


def test_a_folder_becomes_a_provider_that_answers(tmp_path: Path, programs: str) -> None:
    """On a machine that never downloaded a model: its model is listed, and it runs once it has answered."""
    model = tmp_path / "my model"
    made = [f"{programs}/python", str(MAKE_MODEL), str(model), "--small"]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    (tmp_path / "stack").mkdir()
    (tmp_path / "home").mkdir()
    stack = Stack(tmp_path / "stack")
    try:
        stack.hub.stop()
        path = f"{programs}:{os.environ['PATH']}"
        stack.hub_environment = {"PATH": path, "HOME": str(tmp_path / "home")}
        stack.start_hub()
        root = stack.add_person("root", is_admin=True)
        api = stack.api(root)
        params = {"model": str(model), "device": "cpu", "offline": True}
        body = {"template": "transformers", "name": "cpu", "params": params}
        session = api.post("/api/sessions", body)
        assert session.status == 202, session.body
        path = f"/api/sessions/{session.json()['id']}"

        def now() -> dict[str, Any] | None:
            found: dict[str, Any] = api.get(path).json()
            return None if found["status"] in ("queued", "starting") else found

        began = eventually(now, 120, "it runs or has failed")
        assert began is not None
        assert began["status"] == "running", api.get(f"{path}/logs?tail=40").body.decode()
        provider = stack.wait_provider(root, "cpu", "running", 60)
        assert [one["name"] for one in provider["models"]] == [str(model)]
        ask = {"model": f"cpu/{model}", "max_tokens": 8}
        ask |= {"messages": [{"role": "user", "content": "hi"}]}
        answer = api.post("/v1/chat/completions", ask)
        assert answer.status == 200, answer.body
        assert answer.json()["usage"]["completion_tokens"] == 8
        said = [one["text"] for one in api.get(path).json()["timeline"]]
        assert any(text.startswith("Running after") for text in said), said
        api.post(f"{path}/stop")
        eventually(lambda: api.get(path).json()["end_reason"] == "user", 30, "it stopped")
    finally:
        stack.stop()
