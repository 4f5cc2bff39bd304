"""Users and their passwords."""

import pytest
from argon2 import PasswordHasher

from tests.hub.auth.conftest import PASSWORD
from underpass.core.errors import Conflict, InvalidRequest, NotAuthenticated
from underpass.hub.auth import Auth
from underpass.store import Store, UserRecord


async def test_names_are_one_word_whatever_their_case(auth: Auth, alice: UserRecord) -> None:
    """A name stands in model ids, so it has to be one."""
    assert (await auth.accounts.create(" Bob ", password=None)).name == "bob"
    with pytest.raises(Conflict):
        await auth.accounts.create("ALICE", password=None)
    for bad in ("a:b", "a/b", "", "with blank", "ä"):
        with pytest.raises(InvalidRequest):
            await auth.accounts.create(bad, password=None)
    assert (await auth.accounts.check_password("Alice ", PASSWORD, "")).id == alice.id


async def test_who_has_no_password_signs_in_by_none(auth: Auth) -> None:
    """An account for links and keys only."""
    await auth.accounts.create("robot", password=None)
    for guess in ("", "nobody has this password"):
        with pytest.raises(NotAuthenticated):
            await auth.accounts.check_password("robot", guess, "")


async def test_an_old_hash_is_renewed(auth: Auth, alice: UserRecord, store: Store) -> None:
    """With the next right password, unseen."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await store.users.update(alice.id, password_hash=weak)
    await auth.accounts.check_password("alice", PASSWORD, "")
    renewed = (await store.users.get(alice.id)).password_hash
    assert renewed is not None
    assert "m=32768" in renewed
    await auth.accounts.check_password("alice", PASSWORD, "")
