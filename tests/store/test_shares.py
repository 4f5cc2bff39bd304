"""Shares in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import ChatRecord, MessageRecord, ShareRecord, Store, UserRecord


@pytest.fixture
async def bob(store: Store, alice: UserRecord) -> UserRecord:
    """Another user, and a chat of alice's with two messages."""
    chat = ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0)
    messages = [
        MessageRecord(id=f"msg_{n}", chat_id="cht_1", role="user", created_at=1.0) for n in (1, 2)
    ]
    await store.messages.add_chats([(chat, messages)])
    return await store.users.add(
        UserRecord(id="usr_2", name="bob", display_name="Bob", created_at=1.0)
    )


def share(share_id: str = "shr_1", **more: object) -> ShareRecord:
    """A share of the chat."""
    fields = {"id": share_id, "chat_id": "cht_1", "owner_id": "usr_1", "title": "T"}
    transcript = [{"id": "msg_1", "content": "a"}, {"id": "msg_2", "content": "b\x00"}]
    return ShareRecord(
        **{**fields, "leaf_id": "msg_2", "messages": transcript, "created_at": 1.0, **more}  # type: ignore[arg-type]
    )


async def test_one_share_for_each_chat(store: Store, bob: UserRecord) -> None:
    """A new one takes the place of the old one and of those it named."""
    await store.users.add(UserRecord(id="usr_3", name="carl", display_name="C", created_at=1.0))
    await store.shares.put(share(), [bob.id, "usr_3"])
    assert await store.shares.user_names("shr_1") == ("bob", "carl")
    await store.shares.put(share(title="New"), ["usr_3"])
    found = await store.shares.of_chat("cht_1")
    assert found == share(title="New")
    assert await store.shares.user_names("shr_1") == ("carl",)
    assert await store.shares.readable("shr_1", bob.id) is None
    assert await store.shares.shared(["cht_1", "cht_2"]) == {"cht_1"}


async def test_who_may_read_it(store: Store, bob: UserRecord) -> None:
    """The owner and those named, while the chat and the message are there."""
    await store.shares.put(share(), [bob.id])
    assert await store.shares.readable("shr_1", bob.id) == share()
    assert await store.shares.readable("shr_1", "usr_1") == share()
    assert await store.shares.readable("shr_1", "usr_9") is None
    assert await store.shares.readable("\x00", bob.id) is None
    await store.messages.set_deleted("cht_1", ["msg_2"], at=2.0, head_id=None)
    found = await store.shares.readable("shr_1", bob.id)
    assert found is not None
    assert [message["id"] for message in found.messages] == ["msg_1"]
    await store.chats.update("cht_1", deleted_at=2.0)
    assert await store.shares.readable("shr_1", bob.id) is None
    assert (await store.shares.with_user(bob.id)).items == ()
    await store.chats.remove("cht_1")
    assert await store.shares.find("shr_1") is None


async def test_what_is_shared_with_somebody(store: Store, bob: UserRecord) -> None:
    """Newest first, in parts, without the transcripts."""
    for number in range(2, 5):
        chat = ChatRecord(id=f"cht_{number}", owner_id="usr_1", created_at=1.0, updated_at=1.0)
        await store.chats.add(chat)
        await store.shares.put(share(f"shr_{number}", chat_id=chat.id), [bob.id])
    seen, after = [], None
    while True:
        page = await store.shares.with_user(bob.id, after=after, limit=2)
        seen += [one.id for one in page.items]
        assert all(one.messages == [] for one in page.items)
        after = page.next
        if after is None:
            break
    assert seen == ["shr_4", "shr_3", "shr_2"]
    assert (await store.shares.with_user("usr_1")).items == ()


async def test_a_user_who_went_away_meanwhile(store: Store, bob: UserRecord) -> None:
    """Nothing is shared, and the share that was stays."""
    await store.shares.put(share(), [bob.id])
    with pytest.raises(Conflict):
        await store.shares.put(share(title="New"), [bob.id, "usr_9"])
    assert await store.shares.of_chat("cht_1") == share()
    await store.users.remove(bob.id)
    assert await store.shares.user_names("shr_1") == ()
