"""A session that is renewed while it answers: real hub, agents and servers."""

import pytest

from tests.e2e.conftest import MakeStack
from tests.e2e.test_chat_runs import ask, numbers, reply
from tests.e2e.test_sessions_local import STUB, _session, _wait_ended, stack_root
from tests.rig.waiting import eventually


@pytest.mark.timeout(240)
def test_a_renewal_drops_no_stream(make_stack: MakeStack) -> None:
    """The answer under way is finished by the old job; new questions meet the new one, under the same
    name and ids; then the old job ends by itself."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    api = stack.api(alice)
    params = {"command": STUB, "cwd": stack_root(), "time": "2:00:00"}
    body = {"template": "custom", "name": "work", "params": params}
    assert api.post("/api/sessions", body).status == 202
    before = stack.wait_provider(alice, "work", "running", 40)
    first = _session(stack, alice, "work")
    chat, _ = ask(api, "work/stub", chunks=400, rate=20)
    eventually(lambda: numbers(reply(api, chat)["content"]), 20, "the first words")
    asked = api.post(f"/api/sessions/{first['id']}/renew")
    assert asked.status == 202, asked
    assert asked.json()["renews"] == first["id"]
    eventually(lambda: _session(stack, alice, "work")["id"] != first["id"], 60, "it took over")
    second = _session(stack, alice, "work")
    assert second["status"] == "running"
    after = stack.wait_provider(alice, "work", "running")
    assert (after["id"], after["models"]) == (before["id"], before["models"])
    assert after["session"]["id"] == second["id"]
    assert reply(api, chat)["status"] == "streaming"
    plain = {"model": "work/stub", "messages": [], "max_tokens": 4}
    assert api.post("/v1/chat/completions", plain).status == 200
    old = api.get(f"/api/sessions/{first['id']}").json()
    assert (old["status"], old["renewed_by"]) == ("running", second["id"])
    eventually(lambda: reply(api, chat)["status"] == "complete", 60, "the answer of the old job")
    assert numbers(reply(api, chat)["content"]) == list(range(400))

    def is_over() -> bool:
        return bool(api.get(f"/api/sessions/{first['id']}").json()["status"] == "stopped")

    eventually(is_over, 30, "the old job has ended")
    assert (
        "A new job has taken over." in api.get(f"/api/sessions/{first['id']}").json()["end_message"]
    )
    assert api.post("/v1/chat/completions", plain).status == 200
    assert api.post(f"/api/sessions/{second['id']}/stop").status == 202
    assert _wait_ended(stack, alice, "work")["end_reason"] == "user"
