"""Presets in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import PresetRecord, Store, UserRecord


async def test_names_are_unique_for_each_owner(store: Store, alice: UserRecord) -> None:
    """Not among all; they go with their owner."""
    await store.users.add(UserRecord(id="usr_2", name="bob", display_name="B", created_at=1.0))
    first = PresetRecord(id="pre_1", owner_id=alice.id, name="Dry", created_at=1.0, model="g/m")
    await store.presets.add(first)
    await store.presets.add(PresetRecord(id="pre_2", owner_id="usr_2", name="Dry", created_at=1.0))
    with pytest.raises(Conflict):
        await store.presets.add(
            PresetRecord(id="pre_3", owner_id=alice.id, name="Dry", created_at=1.0)
        )
    assert (await store.presets.list(alice.id)).items == (first,)
    assert await store.presets.count(alice.id) == 1
    await store.users.remove("usr_2")
    assert await store.presets.find("pre_2") is None
