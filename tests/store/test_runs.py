"""Runs in the store."""

from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord, RunRecord, Store, UserRecord


async def make_run(store: Store, owner_id: str) -> RunRecord:
    """A run with its chat and message."""
    await store.chats.add(ChatRecord(id="cht_1", owner_id=owner_id, created_at=1.0, updated_at=1.0))
    await store.messages.add(
        MessageRecord(id="msg_1", chat_id="cht_1", role="assistant", created_at=1.0)
    )
    return await store.runs.add(
        RunRecord(
            id="run_1",
            chat_id="cht_1",
            message_id="msg_1",
            owner_id=owner_id,
            model="box/llama",
            request_id="req_1",
            started_at=1.0,
            heartbeat_at=1.0,
        )
    )


async def test_a_restarted_hub_finds_what_has_not_ended(store: Store, alice: UserRecord) -> None:
    """Runs without an end are listed until they have one."""
    run = await make_run(store, alice.id)
    assert await store.runs.unfinished() == (run,)
    await store.runs.update(run.id, ended_at=2.0, status=MessageStatus.COMPLETE)
    assert await store.runs.unfinished() == ()
