"""`underpass clusters`: a machine joins as a real process and runs a real session."""

import json
import signal
import sys
from pathlib import Path

from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from tests.rig.processes import Process
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord

UNDERPASS = [sys.executable, "-m", "underpass"]


async def test_a_machine_joins_runs_a_session_and_leaves(
    shell: Terminal, hub: RunningHub, alice: UserRecord, tmp_path: Path
) -> None:
    """The whole way: join, start there, answer, stop, leave, forget."""
    signed_in = {"UNDERPASS_HUB": hub.url, "UNDERPASS_KEY": await hub.key(alice)}
    places = {"XDG_DATA_HOME": str(tmp_path / "share"), "XDG_CONFIG_HOME": str(tmp_path / "etc")}
    command = [*UNDERPASS, "clusters", "join", "--name", "lab", "--kind", "local"]
    with Process(command, tmp_path / "join.log", signed_in | places) as machine:
        await eventually_async(lambda: "running" in machine.output(), 20, machine.tail())
        listed = await shell.run("clusters", "ls")
        assert "online" in listed.out
        words = ("sessions", "start", "--template", "demo", "--cluster", "lab", "--name", "far")
        started = await shell.run(*words, "--wait")
        assert started.code == 0, started
        shown = json.loads((await shell.run("sessions", "show", "far", "--json")).out)
        assert shown["cluster"]["name"] == "lab"
        assert (tmp_path / "share" / "underpass" / "clusters").is_dir()
        await shell.run("sessions", "stop", "far")

        async def has_ended() -> bool:
            found = json.loads((await shell.run("sessions", "show", "far", "--json")).out)
            return bool(found["end_reason"] == "user")

        await eventually_async(has_ended, 20)
        machine.signal(signal.SIGINT)
        assert machine.wait(10) == 0
        assert machine.output().splitlines()[-1].startswith("Left.")
    assert "offline" in (await shell.run("clusters", "ls")).out
    assert "lab" in (await shell.run("clusters", "show", "lab")).out
    assert (await shell.run("clusters", "rm", "lab")).err == "lab: removed\n"
    assert "No clusters." in (await shell.run("clusters", "ls")).err


async def test_the_hub_s_own_is_not_for_everyone(shell: Terminal) -> None:
    """A plain user sees none, and is told what to do."""
    assert "underpass clusters join" in (await shell.run("clusters", "ls")).err
    said = await shell.run("clusters", "show", "local")
    assert (said.code, said.err) == (1, "underpass: There is no cluster 'local'.\n")
