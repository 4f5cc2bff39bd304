"""Groups in the store."""

import pytest

from underpass.core.errors import Conflict, NotFound
from underpass.store import GroupRecord, Store, UserRecord


async def test_members_are_replaced_as_a_whole(store: Store, alice: UserRecord) -> None:
    """Who is in a group is one list; both directions see it."""
    await store.groups.add(GroupRecord(id="grp_1", name="physics", created_at=1.0))
    await store.groups.set_members("grp_1", (alice.id, alice.id))
    assert await store.groups.members("grp_1") == (alice.id,)
    assert await store.groups.of_user(alice.id) == ("grp_1",)
    await store.groups.set_members("grp_1", ())
    assert await store.groups.of_user(alice.id) == ()


async def test_a_member_has_to_exist(store: Store, alice: UserRecord) -> None:
    """An unknown user changes nothing."""
    await store.groups.add(GroupRecord(id="grp_1", name="physics", created_at=1.0))
    await store.groups.set_members("grp_1", (alice.id,))
    with pytest.raises(Conflict):
        await store.groups.set_members("grp_1", ("usr_9",))
    assert await store.groups.members("grp_1") == (alice.id,)


async def test_groups_are_found_by_name(store: Store) -> None:
    """Names are unique and exact."""
    group = await store.groups.add(GroupRecord(id="grp_1", name="physics", created_at=1.0))
    assert await store.groups.by_name("physics") == group
    with pytest.raises(NotFound):
        await store.groups.by_name("Physics")
    assert (await store.groups.list()).items == (group,)


async def test_an_issuers_word_and_a_hand_do_not_take_from_each_other(
    store: Store, alice: UserRecord
) -> None:
    """Each replaces its own; both are members."""
    for name in ("a", "b"):
        await store.groups.add(GroupRecord(id=f"grp_{name}", name=name, created_at=1.0))
    assert await store.groups.set_claimed(alice.id, "https://id", ("grp_a", "grp_b"))
    assert not await store.groups.set_claimed(alice.id, "https://id", ("grp_b", "grp_a"))
    assert await store.groups.set_claimed(alice.id, "https://other", ("grp_a",))
    await store.groups.set_members("grp_b", (alice.id,))
    assert await store.groups.of_user(alice.id) == ("grp_a", "grp_b")
    await store.groups.set_members("grp_b", ())
    assert await store.groups.members("grp_b") == (alice.id,)
    assert await store.groups.set_claimed(alice.id, "https://id", ())
    assert await store.groups.of_user(alice.id) == ("grp_a",)
    assert (await store.groups.claimed("grp_a"), await store.groups.by_hand("grp_a")) == (
        (alice.id,),
        (),
    )
