"""Continue on a real llama-server: the answer goes on from the very character where it ended."""

from typing import Any

from tests.e2e.conftest import World
from tests.rig.api import Api
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
    """Half, and then the rest, is the same text as the whole at once; in one message."""
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
    assert longer["content"] == whole["content"]
