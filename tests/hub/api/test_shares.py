"""`/api/shares`: a transcript for users who are named, and no way from it to a tunnel."""

import pytest

from tests.hub.conftest import Browser, RunningHub
from underpass.hub.api.chat_shapes import TranscriptOut
from underpass.store import ChatRecord, MessageRecord, UserRecord


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser; she has a chat."""
    chat = ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0, title="T")
    messages = [
        MessageRecord(id="msg_1", chat_id="cht_1", role="user", content="one", created_at=1.0),
        MessageRecord(
            id="msg_2",
            chat_id="cht_1",
            role="assistant",
            content="two",
            created_at=2.0,
            parent_id="msg_1",
            provider={"id": "prv_1", "name": "gpu", "session_name": "s", "host": "node7"},
            provider_id="prv_1",
            run_id="run_1",
        ),
    ]
    await hub.services.store.messages.add_chats([(chat, messages)])
    return await hub.browser("alice")


async def test_a_shares_life(hub: RunningHub, page: Browser) -> None:
    """Named users read it; others, and the same ones after its end, meet a 404."""
    await hub.user("bob")
    await hub.user("eve", is_admin=True)
    bob, eve = await hub.browser("bob"), await hub.browser("eve")
    shared = await page.call("PUT", "/api/chats/cht_1/share", {"users": ["bob"]})
    assert shared.status == 200
    share = shared.json()
    assert share["url"] == f"{hub.url}/shared/{share['id']}"
    assert (share["users"], share["owner"], share["leaf_id"]) == (["bob"], "alice", "msg_2")
    assert (await page.get("/api/chats/cht_1/share")).json() == share
    assert (await page.get("/api/chats/cht_1")).json()["is_shared"]
    path = f"/api/shares/{share['id']}"
    read = (await bob.get(path)).json()
    TranscriptOut.model_validate(read)
    assert [message["content"] for message in read["messages"]] == ["one", "two"]
    assert not {"prv_1", "node7", "run_1"} & set(str(read).replace("'", " ").split())
    (listed,) = (await bob.get("/api/shares")).json()["items"]
    assert (listed["id"], listed["owner"]) == (share["id"], "alice")
    for stranger, address in (
        (eve, path),
        (bob, "/api/shares/shr_none"),
        (bob, "/api/chats/cht_1"),
    ):
        answer = await stranger.get(address)
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await eve.get("/api/shares")).json()["items"] == []
    assert (await page.delete("/api/chats/cht_1/share")).status == 204
    assert (await bob.get(path)).status == 404
    assert (await page.get("/api/chats/cht_1/share")).status == 404


async def test_what_bad_input_gets(page: Browser) -> None:
    """Nobody, somebody who is not there, a message that is not there."""
    for body, statuses in (
        ({"users": []}, (400, 422)),
        ({"users": ["nobody"]}, (400,)),
        ({"users": ["alice"]}, (400,)),
        ({"users": "bob"}, (400, 422)),
        ({"users": ["\x00"]}, (400,)),
        ({"users": ["bob"] * 1001}, (400, 422)),
    ):
        answer = await page.call("PUT", "/api/chats/cht_1/share", body)
        assert answer.status in statuses, body
