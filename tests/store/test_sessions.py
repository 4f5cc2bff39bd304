"""Sessions in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.core.states import EndReason, SessionStatus
from underpass.store import SessionRecord, Store, UserRecord


async def test_everything_about_a_session_survives(store: Store, alice: UserRecord) -> None:
    """Statuses, reasons and nested values come back as what they were."""
    record = SessionRecord(
        id="ses_1",
        owner_id=alice.id,
        name="box",
        created_at=1.5,
        status=SessionStatus.FAILED,
        status_reason="The server ended.",
        end_reason=EndReason.OUT_OF_MEMORY,
        end_message="Ask for more memory.",
        is_attached=True,
        template="vllm",
        spec={"params": {"gpus": 1, "args": ["--x", None]}},
        scheduler={"kind": "slurm", "job_id": "17"},
        token_hash="h",
        ended_at=9.25,
    )
    await store.sessions.add(record)
    assert await store.sessions.get("ses_1") == record
    assert await store.sessions.by_token_hash("h") == record


async def test_a_removed_session_gives_its_name_back(
    store: Store, session: SessionRecord, alice: UserRecord
) -> None:
    """A name is taken once among the sessions that are there."""
    again = SessionRecord(id="ses_2", owner_id=alice.id, name=session.name, created_at=3.0)
    with pytest.raises(Conflict):
        await store.sessions.add(again)
    await store.sessions.update(session.id, removed_at=4.0)
    await store.sessions.add(again)
    assert await store.sessions.find_by_name(alice.id, "box") == again
    assert await store.sessions.names_of(alice.id) == {"box"}
    assert await store.sessions.names_of("usr_other") == set()
    assert (await store.sessions.list(alice.id)).items == (again,)


async def test_live_ones_are_told_from_ended_ones(store: Store, alice: UserRecord) -> None:
    """A starting hub looks at those that have not ended."""
    for number, status in enumerate(SessionStatus):
        await store.sessions.add(
            SessionRecord(
                id=f"ses_{number}",
                owner_id=alice.id,
                name=f"s{number}",
                created_at=1.0,
                status=status,
            )
        )
    live = {one.status for one in await store.sessions.all(is_live=True)}
    ended = {one.status for one in await store.sessions.all(is_live=False)}
    assert ended == {SessionStatus.STOPPED, SessionStatus.FAILED}
    assert live == set(SessionStatus) - ended
    assert len(await store.sessions.all()) == len(SessionStatus)


async def test_a_name_moves_from_one_to_another_at_once(
    store: Store, session: SessionRecord, alice: UserRecord
) -> None:
    """In one transaction: the name is there at every moment, and a clash changes nothing."""
    other = SessionRecord(id="ses_2", owner_id=alice.id, name="box-next", created_at=3.0)
    await store.sessions.add(other)
    await store.sessions.rename({session.id: "box-before", other.id: session.name})
    assert (await store.sessions.get(other.id)).name == session.name
    assert (await store.sessions.get(session.id)).name == "box-before"
    with pytest.raises(Conflict):
        await store.sessions.rename({session.id: "x", other.id: "x"})
    assert (await store.sessions.get(session.id)).name == "box-before"
