"""The text of a job."""

import json
import subprocess
import sys
from pathlib import Path

from tests.clusters.conftest import order
from tests.rig.waiting import eventually
from underpass.agent.spec import AgentSpec
from underpass.clusters.script import (
    MANY,
    Surroundings,
    agent_words,
    child_environment,
    launch_file,
    shown_command,
)

AROUND = Surroundings(hub_url="http://127.0.0.1:1", job_dir="/jobs/ses_1.1", python="/bin/py")


def test_the_agent_reads_what_is_written() -> None:
    """The launch file of a cluster is the one that `agent.spec` knows, field by field."""
    made = order(
        ("{python}", "-m", "x", "{socket}", "{key_file}"),
        env={"KEY": "{key}", "P": "{port}"},
        target="{socket}",
        tunnel="box",
        cwd="/w",
        openai=False,
        has_key=True,
    )
    document = launch_file(made, AROUND, "sk-1")
    spec = AgentSpec.from_document(json.dumps(document), source="test")
    assert spec.command == ("/bin/py", "-m", "x", "{socket}", "/jobs/ses_1.1/server-key")
    assert spec.env == {"KEY": "sk-1", "P": "{port}"}
    assert (spec.target, spec.tunnel, spec.cwd, spec.openai) == ("{socket}", "box", "/w", False)
    assert (spec.upstream_key, spec.hub) == ("sk-1", "http://127.0.0.1:1")
    assert spec.token_file == "/jobs/ses_1.1/token"


def test_a_key_never_stands_on_a_command_line() -> None:
    """`{key}` is filled in for the environment only; words keep it as text."""
    made = order(("serve", "--key", "{key}"), has_key=True)
    document = launch_file(made, AROUND, "sk-1")
    assert document["command"] == ["serve", "--key", "{key}"]
    assert not any("ups_" in word or "sk-" in word for word in agent_words(AROUND))


def test_the_hub_s_own_settings_are_not_passed_on() -> None:
    """A job inherits the user's environment without `UNDERPASS_…`, and with its tag."""
    found = child_environment(
        {"PATH": "/bin", "UNDERPASS_DATABASE_URL": "postgres://secret"}, "t.1"
    )
    assert found["PATH"] == "/bin"
    assert found["UNDERPASS_JOB"] == "t.1"
    assert "UNDERPASS_DATABASE_URL" not in found


def test_a_shown_command_can_be_pasted() -> None:
    """Words with blanks and quotes are quoted."""
    assert shown_command(["a", "b c", "it's", ""]) == "a 'b c' 'it'\"'\"'s' ''"


def test_orders_show_no_secret() -> None:
    """The repr of an order has neither its token nor its environment."""
    assert "ups_secret" not in repr(order(env={"HF_TOKEN": "hf_secret"}))
    assert "hf_secret" not in repr(order(env={"HF_TOKEN": "hf_secret"}))


HOSTILE = (
    "a b",
    "it's",
    '"q"',
    "$(touch pwned)",
    "`id`",
    "x\ny",
    "{rank}{port}",
    "-n",
    "",
    "é",
    "*",
    "\\",
)


def test_words_stay_words_on_many_machines(tmp_path: Path) -> None:
    """Whatever they hold; only `{rank}` and `{master}` are filled in, and each machine has its own."""
    # Each part ends when it sees the other's file: the end of one is the end of all.
    show = (
        "import json, os, sys, time\n"
        "mine, theirs, *words = sys.argv[1:]\n"
        "open(mine + '.new', 'w').write(json.dumps(words)); os.rename(mine + '.new', mine)\n"
        "while not os.path.exists(theirs): time.sleep(0.01)"
    )
    srun = tmp_path / "srun"
    srun.write_text(
        '#!/bin/bash\nwhile [ "$1" != /bin/bash ]; do shift; done\nSLURM_PROCID=0 "$@"\n'
    )
    srun.chmod(0o755)
    words = [sys.executable, "-c", show]
    places = [str(tmp_path / "first"), str(tmp_path / "other")]
    first = [*words, *places, "{rank}", "{master}", *HOSTILE]
    other = [*words, *places[::-1], "{rank}", "{master}", *HOSTILE, "--headless"]
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "MASTER_ADDR": "10.0.0.9"}
    command = ["/bin/bash", "-c", MANY, "underpass-many", "2", str(len(first)), *first, *other]
    subprocess.run(command, env=environ, cwd=tmp_path, timeout=30, capture_output=True)
    for part, rank, more in (("first", "0", []), ("other", "1", ["--headless"])):
        filled = [word.replace("{rank}", rank) for word in HOSTILE]
        got = json.loads((tmp_path / part).read_text())
        assert got == [rank, "10.0.0.9", *filled, *more]
    assert not (tmp_path / "pwned").exists()


def test_the_end_of_a_part_ends_what_it_left_behind(tmp_path: Path) -> None:
    """A server's workers outlive it and hold the GPU; a scheduler without cgroups misses them."""
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/bash\nuntil [ -e worker ]; do sleep 0.02; done\n")
    srun.chmod(0o755)
    part = ["sh", "-c", "sleep 600 & echo $! >worker.new && mv worker.new worker; sleep 600"]
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "MASTER_ADDR": "10.0.0.9"}
    command = ["/bin/bash", "-c", MANY, "underpass-many", "2", str(len(part)), *part, "true"]
    process = subprocess.Popen(command, env=environ, cwd=tmp_path, start_new_session=True)
    worker = eventually(lambda: int((tmp_path / "worker").read_text()), 10, "the worker")
    process.wait(10)
    eventually(lambda: not _lives(worker), 10, "the worker is gone")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
