"""Browser sessions in the store."""

from underpass.store import BrowserSessionRecord, Store, UserRecord


async def _sign_in(store: Store, number: int, *, expires_at: float = 100.0) -> None:
    await store.browser_sessions.add(
        BrowserSessionRecord(
            id=f"hash{number}",
            user_id="usr_1",
            created_at=float(number),
            last_seen_at=float(number),
            expires_at=expires_at,
        )
    )


async def test_signing_out_everywhere_can_spare_one(store: Store, alice: UserRecord) -> None:
    """A new password ends every other browser."""
    for number in (1, 2, 3):
        await _sign_in(store, number)
    assert await store.browser_sessions.remove_of_user(alice.id, but="hash2") == 2
    assert [one.id for one in await store.browser_sessions.of_user(alice.id)] == ["hash2"]
    assert await store.browser_sessions.remove_of_user(alice.id) == 1


async def test_what_is_over_is_forgotten(store: Store, alice: UserRecord) -> None:
    """Only expired ones go."""
    await _sign_in(store, 1, expires_at=10.0)
    await _sign_in(store, 2, expires_at=20.0)
    assert await store.browser_sessions.remove_expired(10.0) == 1
    assert [one.id for one in await store.browser_sessions.of_user(alice.id)] == ["hash2"]


async def test_last_seen_is_written_in_one_go(store: Store, alice: UserRecord) -> None:
    """Several at once, and one that is gone meanwhile is no error."""
    await _sign_in(store, 1)
    await store.browser_sessions.note_seen({"hash1": 50.0, "gone": 50.0})
    await store.browser_sessions.note_seen({})
    assert (await store.browser_sessions.get("hash1")).last_seen_at == 50.0
    assert alice.id == (await store.browser_sessions.get("hash1")).user_id
