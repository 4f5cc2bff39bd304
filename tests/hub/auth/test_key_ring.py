"""Keys for programs."""

import pytest

from underpass.core.clock import FakeClock
from underpass.core.errors import InvalidRequest, NotFound
from underpass.hub.auth import Auth
from underpass.store import UserRecord


async def test_a_key_is_stored_without_its_secret(auth: Auth, alice: UserRecord) -> None:
    """256 random bits, of which the record shows what a person needs to recognise it."""
    key, secret = await auth.keys.create(alice.id, name=" laptop ", scopes=["read", "read"])
    assert secret.startswith("up_")
    assert len(secret) >= 46
    assert secret.startswith(key.prefix)
    assert secret not in repr(key)
    assert (key.name, key.scopes) == ("laptop", ("read",))


async def test_keys_that_make_no_sense_are_not_made(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """The error names the scopes that there are."""
    with pytest.raises(InvalidRequest) as caught:
        await auth.keys.create(alice.id, name="k", scopes=["root"])
    assert "gateway" in (caught.value.hint or "")
    with pytest.raises(InvalidRequest):
        await auth.keys.create(alice.id, name="k", scopes=["read"], expires_at=clock.now())


async def test_revoking_twice_keeps_the_first_time(
    auth: Auth, alice: UserRecord, clock: FakeClock
) -> None:
    """And a key is only found for its owner."""
    key, _ = await auth.keys.create(alice.id, name="k", scopes=["read"])
    first = (await auth.keys.revoke(key.id)).revoked_at
    clock.advance(5)
    assert (await auth.keys.revoke(key.id)).revoked_at == first
    with pytest.raises(NotFound):
        await auth.keys.of_user("usr_other", key.id)
    with pytest.raises(NotFound):
        await auth.keys.revoke("key_never")
