"""Continue with real processes: from the very character, and through the end of a hub."""

from typing import Any

from tests.e2e.conftest import MakeStack, World
from tests.e2e.test_chat_runs import numbers, reply, watched
from tests.rig.api import Api
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually

# The same words each time, on whichever slot.
SETTINGS = {"temperature": 0, "seed": 1, "cache_prompt": False}


def answer(api: Api, chat: str) -> dict[str, Any]:
    """The answer of a chat, once it has ended."""

    def ended() -> dict[str, Any] | None:
        message: dict[str, Any] = api.get(f"/api/chats/{chat}").json()["messages"][-1]
        return message if message["status"] not in ("streaming", "waiting") else None

    found = eventually(ended, 30)
    assert found is not None
    return found


def ask(api: Api, tokens: int) -> tuple[str, dict[str, Any]]:
    """A chat, and its answer of so many tokens."""
    settings = {**SETTINGS, "max_tokens": tokens}
    body = {"model": "llama/tiny", "settings": settings}
    chat = str(api.post("/api/chats", body).json()["id"])
    sent = api.post(f"/api/chats/{chat}/messages", {"content": "Tell me a story."})
    assert sent.status == 202, sent
    return chat, answer(api, chat)


def test_an_answer_at_its_length_limit_goes_on(world: World) -> None:
    """Half, and then the rest, is the same text as the whole at once; in one message.

    As far as both go: of the half, taken for text, the server makes other and fewer tokens than it
    had written, so that as many more tokens are not as many letters.
    """
    api = world.hub
    _, whole = ask(api, 40)
    chat, half = ask(api, 20)
    assert (half["finish_reason"], half["status"]) == ("length", "complete")
    assert whole["content"].startswith(half["content"])
    sent = api.post(f"/api/chats/{chat}/messages/{half['id']}/continue", {})
    assert sent.status == 202, sent
    longer = answer(api, chat)
    assert longer["id"] == half["id"]
    assert longer["continued_chars"] == len(half["content"])
    assert longer["error"] is None
    rest = longer["content"][len(half["content"]) :]
    expected = whole["content"][len(half["content"]) :]
    assert len(rest) > 1
    assert rest.startswith(expected) or expected.startswith(rest)


def test_a_hub_that_is_killed_in_mid_continue(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """kill -9: after the restart the same run goes on in the same message; nothing is missing or
    doubled, neither of what stood there before nor of what came."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    api = stack.api(alice)
    settings = {"stub": {"chunks": 10_000, "rate": 20}}
    chat = api.post("/api/chats", {"model": "box/stub", "settings": settings}).json()["id"]
    run = api.post(f"/api/chats/{chat}/messages", {"content": "go"}).json()["run"]["id"]
    eventually(lambda: len(numbers(reply(api, chat)["content"])) > 5, 20)
    assert api.post(f"/api/runs/{run}/stop").json()["status"] == "stopped"
    before = reply(api, chat)
    settings = {"stub": {"chunks": 80, "rate": 20}}
    api.call("PATCH", f"/api/chats/{chat}", {"settings": settings})
    sent = api.post(f"/api/chats/{chat}/messages/{before['id']}/continue", {}).json()
    so_far = len(before["content"])
    eventually(lambda: len(numbers(reply(api, chat)["content"][so_far:])) > 20, 20)
    stack.hub.kill()
    stack.start_hub()
    rest = watched(api, sent["run"]["id"])
    message = reply(api, chat)
    assert message["status"] == "complete", message["error"]
    assert (message["id"], message["continued_chars"]) == (before["id"], so_far)
    assert message["content"] == before["content"] + rest
    assert numbers(rest) == list(range(80))
