"""Revocations by another process."""

from underpass.core.clock import FakeClock
from underpass.hub.auth.elsewhere import Elsewhere
from underpass.store import KeyRecord, Store, UserRecord


async def test_each_is_told_of_once(store: Store, clock: FakeClock, alice: UserRecord) -> None:
    """Also one whose clock is behind; one who is enabled and disabled again is told of again."""
    told: list[str] = []
    watch = Elsewhere(store, clock, on_key=told.append, on_user=told.append)
    for key_id in ("key_1", "key_2"):
        key = KeyRecord(
            id=key_id, user_id=alice.id, name="", hash=key_id, prefix="", scopes=(), created_at=1.0
        )
        await store.keys.add(key)
    await watch.look()
    assert told == []
    await store.keys.update("key_1", revoked_at=clock.now() - 5)
    for _ in range(2):
        clock.advance(1)
        await watch.look()
    assert told == ["key_1"]
    await store.users.update(alice.id, is_disabled=True)
    await watch.look()
    await store.users.update(alice.id, is_disabled=False)
    await watch.look()
    await store.users.update(alice.id, is_disabled=True)
    await watch.look()
    assert told == ["key_1", alice.id, alice.id]


async def test_who_is_gone_is_told_of(store: Store, clock: FakeClock, alice: UserRecord) -> None:
    """Removed by another process: only those who are believed here are asked about."""
    told: list[str] = []
    watch = Elsewhere(store, clock, on_key=told.append, on_user=told.append)
    await watch.look({alice.id})
    assert told == []
    await store.users.remove(alice.id)
    await watch.look()
    assert told == []
    await watch.look({alice.id, "usr_never"})
    assert set(told) == {alice.id, "usr_never"}
