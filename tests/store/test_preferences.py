"""Preferences in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import Store, UserRecord


async def test_what_is_chosen_stays(store: Store, alice: UserRecord) -> None:
    """A change leaves the others as they are; who has chosen nothing has an empty document."""
    assert await store.preferences.of_user(alice.id) == {}
    assert await store.preferences.change(alice.id, {"theme": "dark"}) == {"theme": "dark"}
    both = {"theme": "dark", "favourites": ["gpu/m"]}
    assert await store.preferences.change(alice.id, {"favourites": ["gpu/m"]}) == both
    assert await store.preferences.of_user(alice.id) == both
    assert await store.preferences.of_user("usr_none") == {}


async def test_they_go_with_their_user(store: Store, alice: UserRecord) -> None:
    """And nobody has them who is not there."""
    await store.preferences.change(alice.id, {"theme": "dark"})
    await store.users.remove(alice.id)
    assert await store.preferences.of_user(alice.id) == {}
    with pytest.raises(Conflict):
        await store.preferences.change(alice.id, {"theme": "dark"})
