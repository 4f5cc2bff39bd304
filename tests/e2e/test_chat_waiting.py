"""A session that ends in mid-answer, and messages that wait for it: a real hub, agent and server."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeStack
from tests.e2e.test_chat_runs import ask, numbers, reply
from tests.e2e.test_sessions_local import _session, _start_stub
from tests.rig.api import Api
from tests.rig.waiting import eventually


def has(api: Api, chat: str, **wanted: Any) -> dict[str, Any] | None:
    """The chat's last message, once it has these fields."""
    found = reply(api, chat)
    return found if all(found[name] == value for name, value in wanted.items()) else None


@pytest.mark.timeout(240)
def test_a_session_ends_in_mid_answer_and_comes_back(make_stack: MakeStack) -> None:
    """The answer says why it ended; the next message waits, outlives the hub, and is answered by
    itself when the session runs again."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    _start_stub(stack, alice, "work")
    stack.wait_provider(alice, "work", "running", 40)
    api = stack.api(alice)
    chat, _ = ask(api, "work/stub", chunks=2000, rate=20)
    eventually(lambda: numbers(reply(api, chat)["content"]), 20, "the first words")
    session = _session(stack, alice, "work")
    assert api.post(f"/api/sessions/{session['id']}/stop").status == 202
    ended = eventually(lambda: has(api, chat, status="interrupted"), 30, "the answer's end")
    assert ended is not None
    assert numbers(ended["content"])
    assert "You stopped it." in ended["error"]["message"]

    stack.wait_provider(alice, "work", "stopped")
    sent = api.post(f"/api/chats/{chat}/messages", {"content": "and now?", "settings": {}})
    assert sent.status == 202, sent
    waiting = sent.json()["reply"]["waiting"]
    assert (waiting["code"], waiting["session_id"]) == ("session_ended", session["id"])
    assert waiting["can_restart"]
    assert "The session work has ended. You stopped it." in waiting["message"]

    stack.hub.kill()
    stack.start_hub()
    back = eventually(lambda: has(api, chat, status="waiting"), 10, "it waits still")
    assert back is not None
    assert back["run_id"] == sent.json()["run"]["id"]
    assert api.post(f"/api/sessions/{session['id']}/restart").status == 202

    def on_its_way() -> bool:
        found = reply(api, chat)["waiting"]
        return found is None or found["code"] in ("session_queued", "session_starting")

    eventually(on_its_way, 20, "other words while it starts")
    answered = eventually(lambda: has(api, chat, status="complete"), 40, "the answer")
    assert answered is not None
    assert answered["content"]
    assert answered["waiting"] is None
