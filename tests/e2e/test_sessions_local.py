"""Sessions on `local`: the hub starts a model server, its provider appears, and every end has its reason."""

import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

import psutil

from tests.e2e.conftest import MakeStack
from tests.rig.stack import Person, Stack
from tests.rig.waiting import eventually

STUB = f"{sys.executable} -m tests.fakes.stub_server --port {{port}}"


def _environment(stack: Stack, person: Person) -> dict[str, str]:
    return {"UNDERPASS_HUB": stack.url, "UNDERPASS_KEY": person.key}


def _session(stack: Stack, person: Person, name: str) -> dict[str, Any]:
    found = [s for s in stack.api(person).items("/api/sessions") if s["name"] == name]
    assert len(found) == 1, found
    one: dict[str, Any] = stack.api(person).get(f"/api/sessions/{found[0]['id']}").json()
    return one


def _start_stub(stack: Stack, person: Person, name: str) -> None:
    answer = stack.api(person).post(
        "/api/sessions",
        {
            "template": "custom",
            "name": name,
            "params": {"command": STUB, "cwd": str(stack_root())},
            "openai": True,
        },
    )
    assert answer.status == 202, answer


def stack_root() -> str:
    """Where the stub's module can be found by a session."""
    from tests.rig.stub import ROOT

    return str(ROOT)


def _wait_ended(stack: Stack, person: Person, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        session = _session(stack, person, name)
        return session if session["status"] in ("stopped", "failed") else None

    found = eventually(ended, 30, f"session {name} has ended")
    assert found is not None
    return found


def test_a_custom_command_becomes_a_provider(make_stack: MakeStack) -> None:
    """Start, use, stop with reason `user`, restart under the same ids, remove: nothing is left."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    _start_stub(stack, alice, "work")
    first = stack.wait_provider(alice, "work", "running", 40)
    answer = stack.api(alice).post("/v1/chat/completions", {"model": "work/stub", "messages": []})
    assert answer.status == 200
    session = _session(stack, alice, "work")
    assert (session["status"], session["attached"]) == ("running", False)
    log = f"/api/sessions/{session['id']}/logs"
    eventually(lambda: stack.api(alice).items(log), 5, "its first log lines")
    assert stack.api(alice).post(f"/api/sessions/{session['id']}/stop").status == 202
    ended = _wait_ended(stack, alice, "work")
    assert (ended["status"], ended["end_reason"]) == ("stopped", "user")
    assert ended["end_message"]
    stack.wait_provider(alice, "work", "stopped")
    assert stack.api(alice).post(f"/api/sessions/{session['id']}/restart").status == 202
    again = stack.wait_provider(alice, "work", "running", 40)
    assert (again["id"], again["models"]) == (first["id"], first["models"])
    assert stack.api(alice).post(f"/api/sessions/{session['id']}/stop").status == 202
    _wait_ended(stack, alice, "work")
    assert stack.api(alice).call("DELETE", f"/api/sessions/{session['id']}").status == 204
    assert stack.api(alice).items("/api/sessions") == []
    family = psutil.Process(stack.hub.pid).children
    eventually(lambda: not family(recursive=True), 10, "no process of a session is left")


def test_a_server_that_exits_is_told_with_its_last_words(make_stack: MakeStack) -> None:
    """`failed` with `server_exited`, a plain sentence, and the log that shows why."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    command = f"{sys.executable} -c \"import sys; print('no GPU here'); sys.exit(3)\" {{port}}"
    made = stack.api(alice).post(
        "/api/sessions", {"template": "custom", "name": "bad", "params": {"command": command}}
    )
    assert made.status == 202
    ended = _wait_ended(stack, alice, "bad")
    assert (ended["status"], ended["end_reason"]) == ("failed", "server_exited")
    assert ended["end_message"]
    log = stack.api(alice).get(f"/api/sessions/{ended['id']}/logs").body.decode()
    assert "no GPU here" in log


def test_a_server_that_found_no_room_on_the_gpu_says_so(make_stack: MakeStack) -> None:
    """Its exit code is like any other's: its log tells, and the advice is about memory."""
    stack = make_stack()
    root = stack.add_person("root", is_admin=True)
    words = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB."
    program = f"import sys; print({words!r}, file=sys.stderr); sys.exit(1)"
    command = shlex.join([sys.executable, "-c", program, "{port}"])
    body = {"template": "custom", "name": "hungry", "params": {"command": command}}
    assert stack.api(root).post("/api/sessions", body).status == 202
    ended = _wait_ended(stack, root, "hungry")
    assert ended["end_reason"] == "out_of_memory"
    assert "ran out of GPU memory" in ended["end_message"]
    assert "more memory or GPUs, or for a smaller context" in ended["end_message"]


def test_a_hub_restart_keeps_its_sessions(make_stack: MakeStack) -> None:
    """The hub goes and comes back; the session runs on and its provider is there again."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    _start_stub(stack, alice, "work")
    before = stack.wait_provider(alice, "work", "running", 40)
    stack.hub.signal(15)
    stack.hub.wait(20)
    stack.start_hub()
    after = stack.wait_provider(alice, "work", "running", 40)
    assert after["id"] == before["id"]
    session = _session(stack, alice, "work")
    assert session["status"] == "running"
    stack.api(alice).post(f"/api/sessions/{session['id']}/stop")
    _wait_ended(stack, alice, "work")


def test_the_command_line_does_the_same(make_stack: MakeStack) -> None:
    """`sessions start --wait`, `ls`, `show`, `logs`, `stop` and `rm`, and `models ls`."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    cli: Callable[..., str] = lambda *words: stack.cli(*words, **_environment(stack, alice))  # noqa: E731
    command = f"sh -c 'cd {stack_root()} && exec {STUB}'"
    cli(
        "sessions",
        "start",
        "--template",
        "custom",
        "--name",
        "work",
        "--command",
        command,
        "--wait",
    )
    listed = json.loads(cli("sessions", "ls", "--json"))
    names = [s["name"] for s in (listed["items"] if isinstance(listed, dict) else listed)]
    assert names == ["work"]
    assert "running" in cli("sessions", "show", "work")
    assert "work/stub" in cli("models", "ls")
    assert "stub model server" in cli("sessions", "logs", "work")
    cli("sessions", "stop", "work")
    _wait_ended(stack, alice, "work")
    cli("sessions", "rm", "work")
    assert "work" not in cli("sessions", "ls")
