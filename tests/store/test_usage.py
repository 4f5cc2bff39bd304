"""Usage in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import Store, UsageRecord, UserRecord


async def test_counts_of_a_day_add_up(store: Store, alice: UserRecord) -> None:
    """Adding twice gives the sum; days and providers stay apart."""
    one = UsageRecord(
        day="2026-11-23", user_id=alice.id, provider_id="prv_1", requests=2, bytes_out=10
    )
    other = UsageRecord(day="2026-11-24", user_id=alice.id, provider_id="prv_1", failures=1)
    await store.usage.add_all([one, other])
    await store.usage.add_all([one])
    found = await store.usage.list(since_day="2026-11-23", until_day="2026-11-24")
    assert [(day.day, day.requests, day.failures, day.bytes_out) for day in found] == [
        ("2026-11-23", 4, 0, 20),
        ("2026-11-24", 0, 1, 0),
    ]
    assert len(await store.usage.list(since_day="2026-11-24", until_day="2026-12-01")) == 1
    assert await store.usage.list(since_day="2026-01-01", until_day="2027-01-01", user_id="x") == ()


async def test_nobodys_usage_is_refused(store: Store) -> None:
    """A user who was deleted meanwhile gets no sums."""
    with pytest.raises(Conflict):
        await store.usage.add_all([UsageRecord(day="2026-11-23", user_id="u", provider_id="p")])
