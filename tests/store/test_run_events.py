"""Run events in the store."""

from tests.store.test_runs import make_run
from underpass.store import RunBatch, RunEventRecord, Store, UserRecord


async def test_a_watcher_can_join_anywhere(store: Store, alice: UserRecord) -> None:
    """What follows a position comes in order, as much as was asked for."""
    run = await make_run(store, alice.id)
    events = tuple(
        RunEventRecord(run.id, seq, "delta", {"text": f"{seq}\x00"}) for seq in range(1, 6)
    )
    await store.answers.append([RunBatch(run.id, events, 0, 5, 900)], at=2.0)
    assert await store.run_events.after(run.id) == events
    assert await store.run_events.after(run.id, 3) == events[3:]
    assert await store.run_events.after(run.id, 0, 2) == events[:2]
    assert await store.run_events.after("run_9") == ()
