"""Processes on this machine, with a stand-in for the agent (the real one: tests/sessions)."""

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.clusters.conftest import SESSION, TAG, make_local, order
from tests.rig.waiting import eventually, eventually_async
from underpass.clusters.base import JobPhase, JobRef, JobReport
from underpass.clusters.local import LocalCluster
from underpass.core.errors import LaunchRejected


async def report(local: LocalCluster) -> JobReport:
    found = await local.poll([TAG, "ses_unknown.1"])
    assert [one.tag for one in found] == [TAG]
    return found[0]


async def until_ended(local: LocalCluster) -> JobReport:
    async def ended() -> JobReport | None:
        found = await report(local)
        return found if found.phase is JobPhase.ENDED else None

    found: JobReport | None = await eventually_async(ended, 10)
    assert found is not None
    return found


def seen(tmp_path: Path) -> Any:
    """What the stand-in saw, once it ran."""
    file = tmp_path / "jobs" / TAG / "seen"
    eventually(file.exists, 10)
    return json.loads(file.read_text())


async def test_a_job_gets_its_token_in_a_private_file(local: LocalCluster, tmp_path: Path) -> None:
    """Folder 0700, files 0600, nothing secret on a command line, a session of its own."""
    job_id = await local.submit(order(has_key=True, env={"A": "{key}"}))
    told = seen(tmp_path)
    assert told["token"] == "ups_secret\n"
    assert told["spec"]["upstream_key"] == told["spec"]["env"]["A"]
    assert told["spec"]["upstream_key"].startswith("sk-")
    folder = tmp_path / "jobs" / TAG
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("token", "spec.json", "server-key", "agent.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    process = psutil.Process(int(job_id))
    for one in (process, *process.children(recursive=True)):
        assert not any("ups_" in word or "sk-" in word for word in one.cmdline())
    assert told["sid"] == int(job_id) != os.getsid(0)
    assert told["env"]["UNDERPASS_JOB"] == TAG


async def test_the_same_tag_is_one_job(local: LocalCluster) -> None:
    """A submit that is repeated finds the job that is there."""
    first = await local.submit(order())
    assert await local.submit(order()) == first
    assert (await report(local)).phase is JobPhase.RUNNING


async def test_a_restarted_hub_finds_its_job_and_its_exit_code(
    local: LocalCluster, tmp_path: Path, agent: str
) -> None:
    """Nothing about a job is kept in the hub's memory."""
    await local.submit(order(("sh", "-c", "read x < fifo; exit 7"), cwd=str(tmp_path)))
    again = make_local(tmp_path, agent)
    assert (await report(again)).phase is JobPhase.RUNNING
    seen(tmp_path)
    fifo = tmp_path / "fifo"
    # The command waits for the file that is not there yet and fails: that is an end as well.
    assert not fifo.exists()
    ended = await until_ended(again)
    assert ended.exit_code not in (None, 0)
    assert ended.raw_state == f"exited ({ended.exit_code})"


async def test_secrets_go_with_the_job(local: LocalCluster, tmp_path: Path) -> None:
    """Once a job has ended its token, key and launch file are removed; its log stays."""
    await local.submit(order(("true",), has_key=True))
    await until_ended(local)
    left = {path.name for path in (tmp_path / "jobs" / TAG).iterdir()}
    assert not left & {"token", "server-key", "spec.json"}
    assert await local.logs(JobRef(TAG), 10) == [f"agent of {SESSION}"]


async def test_cancel_asks_and_kill_makes_sure(local: LocalCluster, tmp_path: Path) -> None:
    """A command that ignores TERM, in a session of its own, is gone after `kill`."""
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    job_id = await local.submit(order(stubborn))
    seen(tmp_path)
    family = [psutil.Process(int(job_id)), *psutil.Process(int(job_id)).children(recursive=True)]
    await local.cancel(JobRef(TAG))
    assert (await report(local)).phase is JobPhase.RUNNING
    await local.cancel(JobRef(TAG, job_id), kill=True)
    assert (await until_ended(local)).raw_state == "killed"
    eventually(lambda: not any(_is_alive(p) for p in family), 5)
    await local.cancel(JobRef(TAG), kill=True)


async def test_cancel_lets_the_agent_finish(local: LocalCluster, tmp_path: Path) -> None:
    """TERM reaches the agent, and its exit code is written although its group got TERM."""
    await local.submit(order())
    seen(tmp_path)
    await local.cancel(JobRef(TAG))
    assert (await until_ended(local)).exit_code == 0


async def test_a_killed_agent_s_server_is_found_and_ended(
    local: LocalCluster, tmp_path: Path
) -> None:
    """What an agent leaves behind in another session carries the tag, and `kill` ends it."""
    job_id = await local.submit(order())
    seen(tmp_path)
    leader = psutil.Process(int(job_id))
    (agent,) = leader.children()
    (server,) = eventually(lambda: agent.children(), 5)
    agent.send_signal(signal.SIGKILL)
    ended = await until_ended(local)
    assert ended.exit_code == 137
    assert _is_alive(server)
    await local.cancel(JobRef(TAG), kill=True)
    eventually(lambda: not _is_alive(server), 5)


async def test_a_reused_process_id_is_not_the_job(local: LocalCluster, tmp_path: Path) -> None:
    """A number that now belongs to somebody else is neither believed nor signalled."""
    folder = tmp_path / "jobs" / TAG
    folder.mkdir(parents=True)
    (folder / "pid").write_text(str(os.getpid()))
    assert (await report(local)).phase is JobPhase.ENDED
    await local.cancel(JobRef(TAG))
    await local.cancel(JobRef(TAG), kill=True)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"files": ("/no/such/model.gguf",)}, "/no/such/model.gguf is not there"),
        ({"cwd": "/no/such/folder"}, "/no/such/folder is not there"),
        ({"command": ("no-such-program-x",)}, "no-such-program-x is not installed"),
        ({"command": ("/no/such/program",)}, "/no/such/program is not installed"),
        ({"tag": "../evil"}, "cannot name a job"),
    ],
)
async def test_what_cannot_start_is_refused_before_anything_is_made(
    local: LocalCluster, tmp_path: Path, bad: dict[str, Any], words: str
) -> None:
    """The sentence names what is missing, and no folder is left."""
    with pytest.raises(LaunchRejected, match=words):
        await local.submit(order(**{"command": ("true",)} | bad))
    assert not list((tmp_path / "jobs").glob("*"))


async def test_a_later_launch_replaces_the_folder_of_an_ended_one(
    local: LocalCluster, tmp_path: Path
) -> None:
    """Folders do not pile up: a restart removes that of the launch before."""
    await local.submit(order(("true",)))
    await until_ended(local)
    await local.submit(order(("true",), tag=f"{SESSION}.2"))
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [f"{SESSION}.2"]


async def test_capabilities_say_which_programs_are_there(local: LocalCluster) -> None:
    """The machine, its user and where programs are."""
    offer = await local.capabilities(["sh", "no-such-program-x"])
    assert offer.kind == "local"
    assert offer.host
    assert offer.user
    assert (offer.programs["sh"] or "").endswith("/sh")
    assert offer.programs["no-such-program-x"] is None


async def test_an_unknown_job_has_no_logs(local: LocalCluster) -> None:
    """Not an error: nothing was written."""
    assert await local.logs(JobRef("ses_none.1"), 10) == []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_several_machines_are_not_for_one(local: LocalCluster) -> None:
    """Refused before anything starts."""
    with pytest.raises(LaunchRejected, match="one machine"):
        await local.submit(order(others=("x",)))
