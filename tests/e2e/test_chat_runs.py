"""Runs belong to the hub: a killed hub, an ended session, Stop and Ctrl-C, with real processes."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from typing import Any

from tests.e2e.conftest import MakeStack, World
from tests.rig.api import Api
from tests.rig.processes import clean_environment
from tests.rig.stack import UNDERPASS
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually

NUMBER = re.compile(r"(\d{9}) ")
FREED_WITHIN_S = 0.25


def ask(api: Api, model: str, **stub: Any) -> tuple[str, str]:
    """(chat, run) ids of a question that the stub answers as it is told."""
    chat = api.post("/api/chats", {"model": model}).json()["id"]
    sent = api.post(f"/api/chats/{chat}/messages", {"content": "go", "settings": {"stub": stub}})
    assert sent.status == 202, sent
    return chat, sent.json()["run"]["id"]


def reply(api: Api, chat: str) -> dict[str, Any]:
    """The last message of a chat."""
    found: dict[str, Any] = api.get(f"/api/chats/{chat}").json()["messages"][-1]
    return found


def numbers(text: str) -> list[int]:
    """The numbers of the chunks that a text is made of."""
    return [int(one) for one in NUMBER.findall(text)]


def watched(api: Api, run: str, after: int = 0) -> str:
    """The text that a watcher gets after a position, to the end of the run."""
    body = api.get(f"/api/runs/{run}/events?after={after}", timeout_s=60).body.decode()
    data = [json.loads(line[6:]) for line in body.split("\n") if line.startswith("data: ")]
    assert "message" in data[-1], data[-1]
    return "".join(one.get("text", "") for one in data)


def test_a_killed_hub_goes_on_with_the_answer(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """kill -9 in mid-answer: after the restart the same run goes on; nothing missing or doubled."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    chat, run = ask(api, "box/stub", chunks=120, rate=20)
    eventually(lambda: len(numbers(reply(api, chat)["content"])) > 30, 20)
    seen = reply(api, chat)["content"]
    stack.hub.kill()
    stack.start_hub()
    rest = watched(api, run, len(seen))
    message = reply(api, chat)
    assert message["status"] == "complete", message["error"]
    assert numbers(message["content"]) == list(range(120))
    assert seen + rest == message["content"]


def test_a_killed_hub_whose_agent_went_too(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """The text that was stored is kept, and the message says what happened."""
    stack = make_stack()
    alice = stack.add_person("alice")
    agent = stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    chat, run = ask(api, "box/stub", chunks=10_000, rate=20)
    eventually(lambda: len(numbers(reply(api, chat)["content"])) > 30, 20)
    stack.hub.kill()
    agent.kill()
    stack.start_hub()
    stack.open_tunnel(alice, str(stub_process.port), "box", "--replace")
    eventually(lambda: reply(api, chat)["status"] == "interrupted", 60)
    message = reply(api, chat)
    assert message["error"]["code"] == "hub_restarted"
    found = numbers(message["content"])
    assert len(found) > 10
    assert found == list(range(len(found)))
    assert api.get(f"/api/runs/{run}").json()["status"] == "interrupted"


def test_an_agent_that_ends_in_mid_answer(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """Interrupted, with the text, and with the reason in words."""
    stack = make_stack()
    alice = stack.add_person("alice")
    agent = stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    chat, _ = ask(api, "box/stub", chunks=10_000, rate=20)
    eventually(lambda: len(numbers(reply(api, chat)["content"])) > 10, 20)
    agent.stop()
    eventually(lambda: reply(api, chat)["status"] in ("interrupted", "failed"), 30)
    message = reply(api, chat)
    assert message["status"] == "interrupted", message
    assert message["error"]["message"]
    assert numbers(message["content"])[:10] == list(range(10))


def test_stop_frees_the_model_server(world: World) -> None:
    """The server sees its client go within 250 ms of Stop."""
    api = world.hub
    chat, run = ask(api, "stub/stub", chunks=10_000, rate=50, tag="chat-stop")
    eventually(lambda: len(numbers(reply(api, chat)["content"])) > 5, 20)
    moment = time.monotonic()
    stopped = api.post(f"/api/runs/{run}/stop")
    assert stopped.json()["status"] == "stopped"
    seen = world.stub.wait_seen("chat-stop", "disconnected")
    assert seen["ended_at"] - moment < FREED_WITHIN_S
    assert reply(api, chat)["status"] == "stopped"


def test_ctrl_c_in_the_terminal_is_stop(world: World) -> None:
    """`underpass chat` on a terminal: Ctrl-C stops the answer and not the conversation."""
    screen, terminal = pty.openpty()
    environment = clean_environment(
        world.stack.environment(UNDERPASS_HUB=world.stack.url, UNDERPASS_KEY=world.alice.key)
    )
    command = [*UNDERPASS, "chat", "stub/stub", "--set", 'stub={"chunks": 10000, "rate": 20}']
    chatting = subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    os.set_blocking(screen, False)
    shown = ""

    def shows(words: str) -> bool:
        nonlocal shown
        try:
            shown += os.read(screen, 65536).decode(errors="replace")
        except BlockingIOError:
            pass
        return words in shown

    try:
        eventually(lambda: shows("> "), 20, "the prompt")
        os.write(screen, b"hello\n")
        eventually(lambda: shows("000000010 "), 20, "the answer")
        os.kill(chatting.pid, signal.SIGINT)
        eventually(lambda: shows("[stopped]"), 10, "the stop")
        shown = shown.partition("[stopped]")[2]
        # A key pressed before the next prompt reads the terminal is not that prompt's end of file.
        eventually(lambda: shows("> "), 10, "the next prompt")
        os.write(screen, b"\x04")
        eventually(lambda: shows("Go on with: underpass chat --chat cht_"), 10, "the end")
        assert chatting.wait(10) == 0
    finally:
        chatting.kill()
        chatting.wait()
        os.close(screen)
