"""Messages in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord, Store, UserRecord


async def _chat(store: Store, owner_id: str) -> ChatRecord:
    return await store.chats.add(
        ChatRecord(id="cht_1", owner_id=owner_id, created_at=1.0, updated_at=1.0)
    )


async def test_a_turn_is_stored_at_once(store: Store, alice: UserRecord) -> None:
    """Question and answer go in together, with everything about them."""
    chat = await _chat(store, alice.id)
    question = MessageRecord(
        id="msg_1", chat_id=chat.id, role="user", created_at=1.0, content="Hi\x00"
    )
    answer = MessageRecord(
        id="msg_2",
        chat_id=chat.id,
        parent_id="msg_1",
        role="assistant",
        created_at=1.0,
        status=MessageStatus.STREAMING,
        tool_calls=[{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        usage={"total_tokens": 3},
    )
    await store.messages.add_all((question, answer))
    found = await store.messages.of_chat(chat.id)
    assert found[0].content == "Hi\ufffd"
    assert found[1] == answer


async def test_half_a_turn_is_never_stored(store: Store, alice: UserRecord) -> None:
    """One bad message keeps the other out too."""
    chat = await _chat(store, alice.id)
    good = MessageRecord(id="msg_1", chat_id=chat.id, role="user", created_at=1.0)
    bad = MessageRecord(id="msg_2", chat_id="cht_9", role="assistant", created_at=1.0)
    with pytest.raises(Conflict):
        await store.messages.add_all((good, bad))
    assert await store.messages.of_chat(chat.id) == ()


async def test_deleted_messages_can_be_had_back(store: Store, alice: UserRecord) -> None:
    """They are out of the way at once, and gone for good after a while, with what is under them."""
    chat = await _chat(store, alice.id)
    upper = MessageRecord(id="msg_1", chat_id=chat.id, role="user", created_at=1.0)
    lower = MessageRecord(
        id="msg_2", chat_id=chat.id, role="assistant", created_at=1.0, parent_id="msg_1"
    )
    await store.messages.add_all((upper, lower))
    await store.messages.set_deleted(chat.id, ["msg_2"], at=5.0, head_id="msg_1")
    assert await store.messages.of_chat(chat.id) == (upper,)
    (gone,) = await store.messages.deleted_of_chat(chat.id)
    assert (gone.id, gone.deleted_at) == ("msg_2", 5.0)
    assert (await store.chats.get(chat.id)).head_id == "msg_1"
    await store.messages.set_deleted(chat.id, ["msg_2"], at=None, head_id="msg_2")
    assert await store.messages.of_chat(chat.id) == (upper, lower)
    await store.messages.set_deleted("cht_other", ["msg_2"], at=5.0, head_id=None)
    assert len(await store.messages.of_chat(chat.id)) == 2
    await store.messages.set_deleted(chat.id, ["msg_1", "msg_2"], at=6.0, head_id=None)
    assert await store.messages.remove_deleted(5.9) == 0
    await store.messages.remove_deleted(6.0)
    assert await store.messages.find("msg_2") is None


async def test_whole_chats_go_in_together(store: Store, alice: UserRecord) -> None:
    """Chat and messages, or neither."""
    chats = [
        ChatRecord(id=f"cht_{n}", owner_id=alice.id, created_at=1.0, updated_at=1.0) for n in (8, 9)
    ]
    message = MessageRecord(id="msg_1", chat_id="cht_8", role="user", created_at=1.0)
    stray = MessageRecord(id="msg_2", chat_id="cht_none", role="user", created_at=1.0)
    with pytest.raises(Conflict):
        await store.messages.add_chats([(chats[0], [message]), (chats[1], [stray])])
    assert (await store.chats.list(alice.id)).items == ()
    await store.messages.add_chats([(chats[0], [message]), (chats[1], [])])
    assert await store.messages.of_chat("cht_8") == (message,)
