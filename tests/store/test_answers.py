"""What one turn of a chat writes into several tables."""

from dataclasses import replace

import pytest

from tests.store.test_runs import make_run
from underpass.core.errors import Conflict
from underpass.core.states import MessageStatus
from underpass.store import (
    ChatRecord,
    MessageRecord,
    RunBatch,
    RunEventRecord,
    RunRecord,
    Store,
    UserRecord,
)


async def test_a_turn_begins_wholly_or_not_at_all(store: Store, alice: UserRecord) -> None:
    """Messages, run and chat change together; one that clashes keeps all of them out."""
    await store.chats.add(ChatRecord(id="cht_1", owner_id=alice.id, created_at=1.0, updated_at=1.0))
    message = MessageRecord(id="msg_1", chat_id="cht_1", role="assistant", created_at=1.0)
    fields = {"chat_id": "cht_1", "owner_id": alice.id, "model": "m", "request_id": "r"}
    times = {"started_at": 1.0, "heartbeat_at": 1.0}
    run = RunRecord(id="run_1", message_id="msg_1", **fields, **times)  # type: ignore[arg-type]
    await store.answers.begin([message], run, {"title": "New"})
    assert (await store.chats.get("cht_1")).title == "New"
    with pytest.raises(Conflict):
        await store.answers.begin([message], run, {"title": "Other"})
    assert (await store.chats.get("cht_1")).title == "New"


async def test_a_run_that_is_gone_spoils_no_other(store: Store, alice: UserRecord) -> None:
    """The batch of many runs is stored for those that still exist."""
    run = await make_run(store, alice.id)
    event = RunEventRecord(run.id, 1, "delta", {"text": "a"})
    gone = RunEventRecord("run_9", 1, "delta", {"text": "b"})
    stored = await store.answers.append(
        [RunBatch(run.id, (event,), 0, 1, 10), RunBatch("run_9", (gone,), 0, 1, 10)], at=5.0
    )
    assert stored == {run.id}
    now = await store.runs.get(run.id)
    assert (now.stored_seq, now.stored_upstream_offset, now.heartbeat_at) == (1, 10, 5.0)


async def test_the_end_keeps_the_answer_and_drops_the_events(
    store: Store, alice: UserRecord
) -> None:
    """The message holds everything that the events led to."""
    run = await make_run(store, alice.id)
    event = RunEventRecord(run.id, 1, "delta", {"text": "a"})
    await store.answers.append([RunBatch(run.id, (event,), 0, 1, 10)], at=5.0)
    done = MessageStatus.COMPLETE
    await store.answers.end(
        run.id, "msg_1", {"content": "a", "status": done}, {"status": done, "ended_at": 6.0}
    )
    assert (await store.messages.get("msg_1")).content == "a"
    assert await store.run_events.after(run.id) == ()
    assert await store.runs.unfinished() == ()


async def test_one_run_goes_on_with_an_answer(store: Store, alice: UserRecord) -> None:
    """A second one that read the message before the first began is turned away, whole."""
    first = await make_run(store, alice.id)
    message = await store.messages.update("msg_1", run_id=first.id, content="half")
    for number in (2, 3):
        run = replace(first, id=f"run_{number}")
        resume = store.answers.resume(
            message, {"run_id": run.id, "continued_chars": 4}, run, {"head_id": run.id}
        )
        if number == 2:
            await resume
        else:
            with pytest.raises(Conflict):
                await resume
    now = await store.messages.get("msg_1")
    assert (now.run_id, now.continued_chars, now.content) == ("run_2", 4, "half")
    assert (await store.chats.get(first.chat_id)).head_id == "run_2"
    assert await store.runs.find("run_3") is None
