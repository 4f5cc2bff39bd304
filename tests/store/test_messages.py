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
    assert await store.messages.unfinished() == (answer,)


async def test_half_a_turn_is_never_stored(store: Store, alice: UserRecord) -> None:
    """One bad message keeps the other out too."""
    chat = await _chat(store, alice.id)
    good = MessageRecord(id="msg_1", chat_id=chat.id, role="user", created_at=1.0)
    bad = MessageRecord(id="msg_2", chat_id="cht_9", role="assistant", created_at=1.0)
    with pytest.raises(Conflict):
        await store.messages.add_all((good, bad))
    assert await store.messages.of_chat(chat.id) == ()
