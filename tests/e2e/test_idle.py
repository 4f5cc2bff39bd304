"""A session that stops when nobody uses it, and comes back for a message: a real hub, agent and server."""

from typing import Any

import pytest

from tests.e2e.conftest import MakeStack
from tests.e2e.test_chat_runs import ask, reply
from tests.e2e.test_sessions_local import STUB, _session, _wait_ended, stack_root
from tests.rig.waiting import eventually


@pytest.mark.timeout(240)
def test_unused_it_stops_and_a_message_wakes_it(make_stack: MakeStack) -> None:
    """An answer that takes longer than the time is finished; then it stops, and the next message says
    that it woke it and is answered."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    api = stack.api(alice)
    params = {"command": STUB, "cwd": stack_root(), "idle": "6s", "wake": True}
    body: dict[str, Any] = {"template": "custom", "name": "work", "params": params}
    assert api.post("/api/sessions", body).status == 202
    stack.wait_provider(alice, "work", "running", 40)
    chat, _ = ask(api, "work/stub", chunks=180, rate=20)
    eventually(lambda: reply(api, chat)["status"] == "complete", 40, "the long answer")
    assert _session(stack, alice, "work")["status"] == "running"
    ended = _wait_ended(stack, alice, "work")
    assert (ended["status"], ended["end_reason"]) == ("stopped", "idle")
    assert "The next message starts it again." in ended["end_message"]
    sent = api.post(f"/api/chats/{chat}/messages", {"content": "and now?", "settings": {}})
    assert sent.status == 202, sent
    words = "stopped because nobody used it; a message woke it"
    eventually(lambda: words in (reply(api, chat)["waiting"] or {}).get("message", ""), 20, words)
    eventually(lambda: reply(api, chat)["status"] == "complete", 60, "the answer")
    kinds = [event["kind"] for event in _session(stack, alice, "work")["timeline"]]
    assert kinds.count("submitted") == 2
    assert "idle_warning" in kinds
    session = _session(stack, alice, "work")
    assert api.post(f"/api/sessions/{session['id']}/stop").status == 202
    assert _wait_ended(stack, alice, "work")["end_reason"] == "user"
