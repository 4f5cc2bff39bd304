"""Endpoints in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.store import EndpointRecord, ProviderRecord, ProviderType, Store, UserRecord


def records(number: int, owner: UserRecord) -> tuple[ProviderRecord, EndpointRecord]:
    name = f"prv_{number}"
    provider = ProviderRecord(
        id=name, type=ProviderType.OPENAI, owner_id=owner.id, name="lab", updated_at=1.0
    )
    endpoint = EndpointRecord(
        id=name,
        base_url="https://a.b/v1",
        created_at=1.0,
        sealed="k.x",
        header_names=("x-a",),
        model_allow=("m*",),
    )
    return provider, endpoint


async def test_both_or_neither(store: Store, alice: UserRecord) -> None:
    """A provider comes with its endpoint, and a name that is taken leaves nothing behind."""
    provider, endpoint = records(1, alice)
    await store.endpoints.add_with(provider, endpoint)
    with pytest.raises(Conflict):
        await store.endpoints.add_with(*records(2, alice))
    assert await store.endpoints.all() == (endpoint,)
    assert await store.providers.get("prv_1") == provider


async def test_it_goes_with_its_provider(store: Store, alice: UserRecord) -> None:
    """And both with their owner."""
    await store.endpoints.add_with(*records(1, alice))
    await store.users.remove(alice.id)
    assert await store.endpoints.all() == ()
