"""What bad input gets from `underpass tunnel`: one line that says what to do, and no traceback."""

import getpass
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeStack, World
from tests.rig.needs import missing
from tests.rig.processes import Process, free_port
from tests.rig.stack import Person
from tests.rig.stub import StubProcess


def _check_calm(agent: Process) -> None:
    assert "Traceback" not in agent.output()
    assert "up_" not in agent.output()


@pytest.mark.parametrize("target", ["nonsense", "99999", "10.0.0.1", "http://", "unix:", "8000x"])
def test_bad_target(world: World, target: str) -> None:
    """A target that is none is wrong usage, told before anything is dialled."""
    done = world.stack.try_cli("tunnel", target, "--openai")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr + done.stdout
    assert target in done.stderr + done.stdout


def test_unreachable_hub(world: World) -> None:
    """A hub that is not there is named; the agent keeps trying and says so."""
    port = free_port()
    agent = world.stack.start_tunnel(
        world.alice, str(world.stub.port), "nowhere", hub_url=f"http://127.0.0.1:{port}"
    )
    agent.wait_for_output(str(port))
    _check_calm(agent)
    agent.stop()


def test_wrong_key(world: World) -> None:
    """A wrong key ends the agent with one line: trying again would not help."""
    nobody = Person("nobody", "", "up_" + "x" * 43)
    agent = world.stack.start_tunnel(nobody, str(world.stub.port), "refused")
    assert agent.wait() == 1
    assert "key" in agent.output().lower()
    assert "Traceback" not in agent.output()
    assert nobody.key not in agent.output()


def test_revoked_key_or_ended_session_stops_the_agent(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """Stopping the session from the hub ends the agent, which says why."""
    stack = make_stack()
    alice = stack.add_person("alice")
    agent = stack.open_tunnel(alice, str(stub_process.port), "box")
    session = stack.api(alice).items("/api/sessions")[0]
    stopped = stack.api(alice).post(f"/api/sessions/{session['id']}/stop")
    assert stopped.status in (200, 202)
    agent.wait(20)
    _check_calm(agent)
    stack.wait_provider(alice, "box", "stopped")


def test_name_already_used(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """A name that a running tunnel has is refused with a clear choice; the first one goes on."""
    stack = make_stack()
    alice = stack.add_person("alice")
    first = stack.open_tunnel(alice, str(stub_process.port), "box")
    second = stack.start_tunnel(alice, str(stub_process.port), "box")
    assert second.wait(20) == 1
    assert "--name" in second.output()
    _check_calm(second)
    assert first.is_alive
    stack.wait_provider(alice, "box", "running")


def test_stopped_name_is_revived(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """The same command again revives the provider under its name, id and model ids."""
    stack = make_stack()
    alice = stack.add_person("alice")
    first = stack.open_tunnel(alice, str(stub_process.port), "box")
    before = stack.provider(alice, "box")
    first.stop()
    stack.wait_provider(alice, "box", "stopped")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    after = stack.provider(alice, "box")
    assert before is not None
    assert after is not None
    assert (after["id"], after["models"]) == (before["id"], before["models"])
    assert len(stack.api(alice).items("/api/providers")) == 1


def test_port_of_another_user(make_stack: MakeStack, tmp_path: Path) -> None:
    """A listener that belongs to another user of the machine is refused, and named."""
    if os.geteuid() != 0:
        missing("the right to listen as another user", "run the tests as root")
    stack = make_stack()
    alice = stack.add_person("alice")
    port, nobody = free_port(), pwd.getpwnam("nobody")
    code = (
        "import os, socket, time;"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid});"
        f"s = socket.create_server(('127.0.0.1', {port})); print('listens', flush=True);"
        "time.sleep(600)"
    )
    with Process([sys.executable, "-c", code], tmp_path / "nobody.log") as listener:
        listener.wait_for_output("listens")
        agent = stack.start_tunnel(alice, str(port), "box")
        agent.wait_for_output("nobody")
        assert str(port) in agent.output()
        _check_calm(agent)
        agent.stop()
    assert getpass.getuser() != "nobody"


def test_wrong_usage_exits_2(world: World) -> None:
    """An unknown option is wrong usage: exit code 2 and one line."""
    done = world.stack.try_cli("tunnel", "8000", "--no-such-option")
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr + done.stdout


def test_wrapped_command_that_fails_ends_the_agent(world: World) -> None:
    """With COMMAND the agent stops when the server stops, with its exit code."""
    stack, alice = world.stack, world.alice
    failing = ["--", sys.executable, "-c", "import sys; print('no GPU'); sys.exit(7)"]
    agent = stack.start_tunnel(alice, str(free_port()), "wrapped", *failing)
    assert agent.wait(20) == 7
    assert "no GPU" in agent.output()
    _check_calm(agent)


def test_every_command_has_help_with_examples() -> None:
    """`--help` works without a hub, and shows how the command is used."""
    underpass = str(Path(sys.executable).with_name("underpass"))
    for command in ("hub", "tunnel", "sessions", "keys", "chat", "connect", "doctor", "demo"):
        done = subprocess.run(
            [underpass, command, "--help"], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        assert f"underpass {command}" in done.stdout
