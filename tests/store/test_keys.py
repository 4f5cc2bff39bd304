"""Keys in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import KeyRecord, Store, UserRecord


def _key(number: int, **more: object) -> KeyRecord:
    fields = {"id": f"key_{number}", "user_id": "usr_1", "name": "laptop", "hash": f"h{number}"}
    rest = {"prefix": "up_abc", "scopes": ("gateway", "read"), "created_at": float(number)}
    return KeyRecord(**{**fields, **rest, **more})  # type: ignore[arg-type]


async def test_a_key_is_found_by_its_hash(store: Store, alice: UserRecord) -> None:
    """Lists of words come back as tuples, and "all models" differs from "no model"."""
    some = await store.keys.add(_key(1, model_allow=("box/llama",)))
    none = await store.keys.add(_key(2, model_allow=()))
    every = await store.keys.add(_key(3, model_allow=None, expires_at=9.0))
    assert await store.keys.by_hash("h1") == some
    assert await store.keys.by_hash("h2") == none
    assert await store.keys.by_hash("h3") == every
    assert await store.keys.by_hash("h4") is None
    assert [key.id for key in (await store.keys.list(alice.id)).items] == [
        *("key_3", "key_2", "key_1")
    ]
    assert (await store.keys.list("usr_2")).items == ()


async def test_a_hash_is_there_once(store: Store, alice: UserRecord) -> None:
    """Two keys can never share a secret."""
    await store.keys.add(_key(1, user_id=alice.id))
    with pytest.raises(Conflict):
        await store.keys.add(_key(2, hash="h1"))


async def test_last_use_is_written_in_one_go(store: Store, alice: UserRecord) -> None:
    """Several keys at once; a key that is gone is no error."""
    await store.keys.add(_key(1, user_id=alice.id))
    await store.keys.note_used({"key_1": 7.0, "key_9": 7.0})
    await store.keys.note_used({})
    assert (await store.keys.get("key_1")).last_used_at == 7.0
