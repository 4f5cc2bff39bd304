"""Device codes in the store."""

import pytest

from underpass.core.errors import NotFound
from underpass.store import DeviceCodeRecord, DeviceCodeStatus, Store, UserRecord


def _code(number: int, **more: object) -> DeviceCodeRecord:
    fields = {"id": f"hash{number}", "user_code": f"BCDF-000{number}", "purpose": "session"}
    rest = {"host": "gpu-17", "user": "alice", "created_at": 1.0, "expires_at": 10.0 * number}
    return DeviceCodeRecord(**{**fields, **rest, **more})  # type: ignore[arg-type]


async def test_a_code_is_answered_once(store: Store, alice: UserRecord) -> None:
    """Of two answers the first counts."""
    code = await store.device_codes.add(_code(1))
    assert await store.device_codes.by_user_code("BCDF-0001") == code
    approved = await store.device_codes.update_when(
        code.id,
        {"status": DeviceCodeStatus.PENDING},
        status=DeviceCodeStatus.APPROVED,
        user_id=alice.id,
    )
    assert approved is not None
    assert approved.status is DeviceCodeStatus.APPROVED
    denied = await store.device_codes.update_when(
        code.id, {"status": DeviceCodeStatus.PENDING}, status=DeviceCodeStatus.DENIED
    )
    assert denied is None


async def test_codes_that_are_over_go(store: Store) -> None:
    """They are counted while they wait and forgotten afterwards."""
    await store.device_codes.add(_code(1))
    await store.device_codes.add(_code(2))
    assert await store.device_codes.count() == 2
    assert await store.device_codes.remove_expired(10.0) == 1
    with pytest.raises(NotFound):
        await store.device_codes.by_user_code("BCDF-0001")
