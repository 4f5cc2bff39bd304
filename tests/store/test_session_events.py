"""A session's timeline in the store."""

import pytest

from underpass.store import SessionRecord, Store


async def test_events_are_numbered_and_in_order(store: Store, session: SessionRecord) -> None:
    """The oldest comes first."""
    for text in ("Submitted.", "Queued.", "Running."):
        await store.session_events.add(session.id, at=1.0, kind="status", text=text)
    events = await store.session_events.list(session.id)
    assert [(event.seq, event.text) for event in events] == [
        (1, "Submitted."),
        (2, "Queued."),
        (3, "Running."),
    ]


async def test_a_flapping_session_does_not_fill_the_disk(
    store: Store, session: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest events go when there are too many."""
    monkeypatch.setattr("underpass.store.session_events.MAX_EVENTS", 3)
    for number in range(6):
        await store.session_events.add(session.id, at=float(number), kind="link", text="x")
    assert [event.seq for event in await store.session_events.list(session.id)] == [4, 5, 6]
