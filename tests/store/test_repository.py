"""What all repositories share."""

import pytest

from underpass.core.states import SessionStatus
from underpass.store import SessionRecord, Store, UserRecord


async def test_a_guarded_update_changes_only_what_it_saw(
    store: Store, session: SessionRecord
) -> None:
    """A worker that looked earlier cannot undo what happened since."""
    running = await store.sessions.update_when(
        session.id, {"status": [SessionStatus.QUEUED]}, status=SessionStatus.RUNNING
    )
    assert running is not None
    assert running.status is SessionStatus.RUNNING
    late = await store.sessions.update_when(
        session.id, {"status": SessionStatus.QUEUED}, status=SessionStatus.FAILED
    )
    assert late is None
    assert (await store.sessions.get(session.id)).status is SessionStatus.RUNNING


async def test_a_guard_can_ask_for_nothing(store: Store, session: SessionRecord) -> None:
    """None in a guard means an empty column."""
    assert await store.sessions.update_when(session.id, {"job_id": None}, job_id="17")
    assert await store.sessions.update_when(session.id, {"job_id": None}, job_id="18") is None


async def test_an_unknown_field_is_a_bug_of_the_caller(store: Store, alice: UserRecord) -> None:
    """A misspelt field raises at once and not as a broken statement."""
    with pytest.raises(TypeError, match="nmae"):
        await store.users.update(alice.id, nmae="x")


async def test_removing_a_user_removes_what_hangs_on_them(
    store: Store, alice: UserRecord, session: SessionRecord
) -> None:
    """No session outlives its owner."""
    await store.session_events.add(session.id, at=3.0, kind="queued", text="Queued.")
    await store.users.remove(alice.id)
    assert await store.sessions.find(session.id) is None
    assert await store.session_events.list(session.id) == ()


async def test_a_list_is_never_endless(store: Store, alice: UserRecord) -> None:
    """A limit of nothing is one, and a huge one is cut."""
    assert len((await store.users.list(limit=0)).items) == 1
    assert len((await store.users.list(limit=10**9)).items) == 1


async def test_many_are_changed_at_once(
    store: Store, alice: UserRecord, session: SessionRecord
) -> None:
    """Each to what is said of it; one that is gone is passed over, a misspelt field is a bug."""
    other = await store.sessions.add(
        SessionRecord(id="ses_other", owner_id=alice.id, name="other", created_at=1.0)
    )
    await store.sessions.update_all({})
    await store.sessions.update_all(
        {
            session.id: {"status": SessionStatus.RUNNING, "host": "gpu-1"},
            other.id: {"status": SessionStatus.STOPPED, "host": None},
            "ses_gone": {"status": SessionStatus.STOPPED, "host": None},
        }
    )
    first, second = [await store.sessions.get(one.id) for one in (session, other)]
    assert (first.status, first.host) == (SessionStatus.RUNNING, "gpu-1")
    assert (second.status, second.host, second.name) == (SessionStatus.STOPPED, None, "other")
    with pytest.raises(TypeError, match="nmae"):
        await store.sessions.update_all({session.id: {"nmae": "x"}})
