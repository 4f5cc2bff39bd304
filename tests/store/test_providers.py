"""Providers and their permissions in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.core.states import ProviderStatus
from underpass.store import (
    Permission,
    ProviderRecord,
    ProviderType,
    SessionRecord,
    Store,
    SubjectKind,
    TunnelRecord,
)


async def _provider(store: Store) -> ProviderRecord:
    await store.tunnels.add(
        TunnelRecord(
            id="tun_1",
            session_id="ses_1",
            owner_id="usr_1",
            name="box",
            target="8000",
            created_at=1.0,
        )
    )
    return await store.providers.add(
        ProviderRecord(
            id="prv_1",
            type=ProviderType.OPENAI_TUNNEL,
            owner_id="usr_1",
            name="box",
            updated_at=1.0,
            tunnel_id="tun_1",
            status=ProviderStatus.LOADING,
            models=[{"id": "llama", "max_model_len": None}],
            server={"kind": "vllm", "version": None},
        )
    )


async def test_a_provider_goes_with_its_tunnel(store: Store, session: SessionRecord) -> None:
    """It is found by tunnel and name, and deleted with the tunnel."""
    provider = await _provider(store)
    assert await store.providers.of_tunnel("tun_1") == provider
    assert await store.providers.find_by_name(session.owner_id, "box") == provider
    assert await store.providers.names_of(session.owner_id) == {"box"}
    assert await store.providers.names_of("usr_other") == set()
    assert await store.providers.all() == (provider,)
    await store.tunnels.remove("tun_1")
    assert await store.providers.all() == ()


async def test_permissions_are_replaced_as_a_whole(store: Store, session: SessionRecord) -> None:
    """Each once, sorted, and only for providers that exist."""
    provider = await _provider(store)
    everyone, bob = Permission(SubjectKind.EVERYONE), Permission(SubjectKind.USER, "usr_2")
    await store.providers.set_permissions(provider.id, (bob, everyone, bob))
    assert set(await store.providers.permissions(provider.id)) == {everyone, bob}
    assert set((await store.providers.all_permissions())[provider.id]) == {everyone, bob}
    await store.providers.set_permissions(provider.id, ())
    assert await store.providers.permissions(provider.id) == ()
    with pytest.raises(Conflict):
        await store.providers.set_permissions("prv_9", (everyone,))
    assert session.id == "ses_1"
