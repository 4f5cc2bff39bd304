"""Limits in the store."""

from underpass.store import LimitsRecord, Store


async def test_put_and_find(store: Store) -> None:
    """The last word counts; without a number there is none."""
    await store.limits.put(LimitsRecord(id="usr_1", requests_per_minute=5))
    await store.limits.put(LimitsRecord(id="usr_1", tokens_per_day=7))
    await store.limits.put(LimitsRecord(id="grp_1", tokens_per_day=9))
    found = await store.limits.of(["usr_1", "grp_1", "usr_2"])
    assert {one.id: (one.requests_per_minute, one.tokens_per_day) for one in found.values()} == {
        "usr_1": (None, 7),
        "grp_1": (None, 9),
    }
    for _ in range(2):
        await store.limits.put(LimitsRecord(id="usr_1"))
    assert await store.limits.of(["usr_1"]) == {}
