"""From a request to its Principal, through the cache."""

import asyncio
import time
from typing import Any

import pytest

from tests.hub.auth.conftest import with_cookie, with_key
from underpass.core.clock import FakeClock
from underpass.core.errors import NotAuthenticated, StorageError
from underpass.hub.auth import Auth, Browser
from underpass.hub.auth import authenticator as module
from underpass.hub.auth.authenticator import CACHE_S, STALE_S
from underpass.store import Store, UserRecord


class Counted:
    """A repository's `by_hash`, counting, and failing on demand."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.is_broken = False
        inner = store.keys.by_hash

        async def by_hash(hashed: str) -> Any:
            self.asked += 1
            if self.is_broken:
                raise StorageError("Gone.")
            return await inner(hashed)

        monkeypatch.setattr(store.keys, "by_hash", by_hash)


@pytest.fixture
def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """How often the database was asked."""
    return Counted(store, monkeypatch)


async def new_key(auth: Auth, user: UserRecord, **more: Any) -> tuple[str, str]:
    key, secret = await auth.keys.create(user.id, name="k", scopes=["gateway"], **more)
    return key.id, secret


async def test_the_database_is_asked_once(auth: Auth, alice: UserRecord, counted: Counted) -> None:
    """Not per request, and not per request of a burst either."""
    _, secret = await new_key(auth, alice)
    callers = await asyncio.gather(*(auth.authenticate(with_key(secret)) for _ in range(50)))
    await auth.authenticate(with_key(secret))
    assert counted.asked == 1
    assert {caller.user_name for caller in callers} == {"alice"}
    assert callers[0].scopes == {"gateway"}


async def test_revoking_is_seen_at_once(auth: Auth, alice: UserRecord) -> None:
    """The cache is emptied in the same breath."""
    key_id, secret = await new_key(auth, alice)
    await auth.authenticate(with_key(secret))
    await auth.keys.revoke(key_id)
    with pytest.raises(NotAuthenticated) as caught:
        await auth.authenticate(with_key(secret))
    assert caught.value.code == "key_revoked"


async def test_another_process_is_seen_within_seconds(
    auth: Auth, alice: UserRecord, store: Store, clock: FakeClock
) -> None:
    """What `underpass admin` or another hub changed."""
    _, secret = await new_key(auth, alice)
    await auth.authenticate(with_key(secret))
    await store.users.update(alice.id, is_disabled=True)
    clock.advance(CACHE_S + 0.1)
    with pytest.raises(NotAuthenticated) as caught:
        await auth.authenticate(with_key(secret))
    assert caught.value.code == "user_disabled"


async def test_a_key_expires_on_time_from_the_cache_too(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """To the second, whatever was looked up before."""
    _, secret = await new_key(auth, alice, expires_at=clock.now() + 5)
    await auth.authenticate(with_key(secret))
    clock.advance(5)
    with pytest.raises(NotAuthenticated) as caught:
        await auth.authenticate(with_key(secret))
    assert caught.value.code == "key_expired"


async def test_a_database_that_is_away_stops_nobody_who_is_known(
    auth: Auth, alice: UserRecord, counted: Counted, clock: FakeClock
) -> None:
    """For a while; who is not known has to wait for it."""
    _, secret = await new_key(auth, alice)
    _, other = await new_key(auth, alice)
    await auth.authenticate(with_key(secret))
    counted.is_broken = True
    clock.advance(STALE_S - 1)
    assert (await auth.authenticate(with_key(secret))).user_name == "alice"
    with pytest.raises(StorageError):
        await auth.authenticate(with_key(other))
    clock.advance(2)
    with pytest.raises(StorageError):
        await auth.authenticate(with_key(secret))


async def test_wrong_keys_are_not_remembered(auth: Auth, alice: UserRecord) -> None:
    """A stranger cannot fill the memory."""
    for number in range(5):
        with pytest.raises(NotAuthenticated):
            await auth.authenticate(with_key(f"up_{number}"))
    assert "cached=0" in repr(auth.authenticator)
    assert not auth.authenticator._lookups


async def test_the_cache_is_bounded(
    auth: Auth, alice: UserRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was looked up longest ago goes."""
    monkeypatch.setattr(module, "MAX_CACHED", 2)
    for _ in range(4):
        await auth.authenticate(with_key((await new_key(auth, alice))[1]))
    assert "cached=2" in repr(auth.authenticator)


async def test_a_cookie_is_good_until_it_ends(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """It has all of its user's scopes but an admin's; a WebSocket takes none."""
    cookie = await auth.sign_ins.begin(alice.id, Browser())
    caller = await auth.authenticate(with_cookie(cookie))
    assert caller.key_id is None
    assert caller.scopes == {"gateway", "read", "sessions"}
    with pytest.raises(NotAuthenticated):
        await auth.authenticate(with_cookie(cookie, "websocket"))
    clock.advance(31 * 86_400)
    with pytest.raises(NotAuthenticated):
        await auth.authenticate(with_cookie(cookie))


async def test_a_key_beside_a_cookie_counts_alone(auth: Auth, alice: UserRecord) -> None:
    """A wrong key is not made good by a cookie."""
    cookie = await auth.sign_ins.begin(alice.id, Browser())
    scope = with_cookie(cookie)
    scope["headers"].append((b"authorization", b"Bearer up_wrong"))
    with pytest.raises(NotAuthenticated) as caught:
        await auth.authenticate(scope)
    assert caught.value.code == "key_invalid"


async def test_who_watches_is_woken(auth: Auth, alice: UserRecord) -> None:
    """When their credential ends, and not when somebody else's does."""
    key_id, secret = await new_key(auth, alice)
    other_id, _ = await new_key(auth, alice)
    credential = await auth.authenticator.credential(with_key(secret))
    with auth.authenticator.watch(credential) as doubt:
        await auth.keys.revoke(other_id)
        assert not doubt.is_set()
        await auth.keys.revoke(key_id)
        assert doubt.is_set()
    assert "watchers=0" in repr(auth.authenticator)


async def test_last_use_is_written_now_and_then(
    auth: Auth, alice: UserRecord, store: Store, clock: FakeClock
) -> None:
    """Not with each request; a disk that is full is no error."""
    key_id, secret = await new_key(auth, alice)
    cookie = await auth.sign_ins.begin(alice.id, Browser())
    await auth.authenticate(with_key(secret))
    clock.advance(5)
    await auth.authenticate(with_cookie(cookie))
    assert (await store.keys.get(key_id)).last_used_at is None
    await auth.tidy()
    assert (await store.keys.get(key_id)).last_used_at == clock.now() - 5
    (sign_in,) = await store.browser_sessions.of_user(alice.id)
    assert sign_in.last_seen_at == clock.now()


async def test_an_admin_has_the_scope_only_while_an_admin(auth: Auth, alice: UserRecord) -> None:
    """A key with the scope is worth no more than its user."""
    _, secret = await auth.keys.create(alice.id, name="k", scopes=["admin", "read"])
    assert (await auth.authenticate(with_key(secret))).scopes == {"read"}
    await auth.accounts.change(alice.id, is_admin=True)
    assert (await auth.authenticate(with_key(secret))).acts_as_admin


async def test_a_known_key_costs_next_to_nothing(auth: Auth, alice: UserRecord) -> None:
    """At most 50 µs of CPU for each request of the gateway, once it is known."""
    _, secret = await new_key(auth, alice)
    scope = with_key(secret)
    await auth.authenticate(scope)
    best_s = 1.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(500):
            await auth.authenticate(scope)
        best_s = min(best_s, (time.process_time() - began) / 500)
    assert best_s < 50e-6
