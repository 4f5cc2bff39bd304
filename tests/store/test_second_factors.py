"""Second factors in the store."""

import asyncio

from underpass.store import SecondFactorRecord, Store, UserRecord


async def test_steps_only_go_forward(store: Store, alice: UserRecord) -> None:
    """Of many that use one at once, one does."""
    await store.second_factors.put(SecondFactorRecord(id=alice.id, sealed="s", created_at=1.0))
    used = await asyncio.gather(*(store.second_factors.use_step(alice.id, 5) for _ in range(5)))
    assert sorted(used) == [False] * 4 + [True]
    assert not await store.second_factors.use_step(alice.id, 4)
    assert await store.second_factors.use_step(alice.id, 6)
    assert not await store.second_factors.use_step("usr_9", 6)


async def test_a_recovery_code_goes_once(store: Store, alice: UserRecord) -> None:
    """Two different ones at once both go, and neither brings the other back."""
    factor = SecondFactorRecord(id=alice.id, sealed="s", created_at=1.0, recovery=("a", "b", "c"))
    await store.second_factors.put(factor)
    used = await asyncio.gather(
        *(store.second_factors.use_recovery(alice.id, one) for one in ("a", "b", "a", "x"))
    )
    assert sorted(used) == [False, False, True, True]
    assert (await store.second_factors.get(alice.id)).recovery == ("c",)


async def test_it_goes_with_its_user(store: Store, alice: UserRecord) -> None:
    """And is replaced as a whole."""
    for sealed in ("one", "two"):
        await store.second_factors.put(
            SecondFactorRecord(id=alice.id, sealed=sealed, created_at=1.0)
        )
    assert [one.sealed for one in await store.second_factors.all()] == ["two"]
    await store.users.remove(alice.id)
    assert await store.second_factors.all() == ()
