"""Whom an issuer means."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import IdentityRecord, Store, UserRecord


def identity(number: int, user: UserRecord, issuer: str = "https://id") -> IdentityRecord:
    return IdentityRecord(
        id=f"idn_{number}",
        user_id=user.id,
        issuer=issuer,
        subject="s1",
        created_at=1.0,
        last_used_at=1.0,
    )


async def test_a_subject_is_one_user_at_one_issuer(store: Store, alice: UserRecord) -> None:
    """Another issuer's subject of the same name is somebody else."""
    await store.identities.add(identity(1, alice))
    with pytest.raises(Conflict):
        await store.identities.add(identity(2, alice))
    assert await store.identities.of_subject("https://other", "s1") is None
    await store.identities.add(identity(3, alice, "https://other"))
    assert [one.issuer for one in await store.identities.of_user(alice.id)] == [
        *("https://id", "https://other")
    ]


async def test_it_goes_with_its_user(store: Store, alice: UserRecord) -> None:
    """So that a user who is made anew under the name is not that person."""
    await store.identities.add(identity(1, alice))
    await store.users.remove(alice.id)
    assert await store.identities.of_subject("https://id", "s1") is None
