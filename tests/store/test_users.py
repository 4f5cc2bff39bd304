"""Users in the store."""

import pytest

from underpass.core.errors import Conflict, NotFound
from underpass.store import Store, UserRecord


def user(number: int, **more: object) -> UserRecord:
    fields = {"id": f"usr_{number}", "name": f"user{number}", "display_name": f"User {number}"}
    return UserRecord(**{**fields, "created_at": float(number), **more})  # type: ignore[arg-type]


async def test_a_user_comes_back_as_it_went_in(store: Store) -> None:
    """Every field survives the round trip."""
    record = user(1, password_hash="$argon2id$x", is_admin=True, display_name="Zoë 🚇")
    await store.users.add(record)
    assert await store.users.get("usr_1") == record
    assert await store.users.by_name(" USER1 ") == record


async def test_a_name_is_taken_once(store: Store) -> None:
    """Two users cannot share a name."""
    await store.users.add(user(1))
    with pytest.raises(Conflict):
        await store.users.add(user(2, name="user1"))
    assert await store.users.find("usr_2") is None


async def test_who_is_not_there_is_not_found(store: Store) -> None:
    """Unknown ids and names raise NotFound, whatever is in them."""
    for wrong in ("usr_9", "", "a\x00b", "\ud800", "x" * 500):
        with pytest.raises(NotFound):
            await store.users.get(wrong)
    with pytest.raises(NotFound):
        await store.users.by_name("nobody")
    with pytest.raises(NotFound):
        await store.users.update("usr_9", is_admin=True)
    with pytest.raises(NotFound):
        await store.users.remove("usr_9")


async def test_pages_follow_each_other(store: Store) -> None:
    """A list is newest first, and its cursor leads through all of it once."""
    for number in range(1, 6):
        await store.users.add(user(number))
    seen, after = [], None
    while True:
        page = await store.users.list(after=after, limit=2)
        seen += [one.id for one in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ["usr_5", "usr_4", "usr_3", "usr_2", "usr_1"]


async def test_admins_are_counted_while_they_can_sign_in(store: Store) -> None:
    """A disabled admin is no admin who could help."""
    assert await store.users.is_empty()
    await store.users.add(user(1, is_admin=True))
    await store.users.add(user(2, is_admin=True, is_disabled=True))
    await store.users.add(user(3))
    assert await store.users.count_admins() == 1
    assert not await store.users.is_empty()
