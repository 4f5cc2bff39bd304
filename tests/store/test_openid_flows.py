"""Sign-ins that have begun."""

import pytest

from underpass.core.errors import NotFound
from underpass.store import OpenIdFlowRecord, Store


async def test_a_flow_is_used_once_and_in_time(store: Store) -> None:
    """Also one that is too old is gone after the try."""
    for name in ("a", "b"):
        flow = OpenIdFlowRecord(id=name, issuer="campus", next="/", expires_at=10.0)
        await store.openid_flows.add(flow)
    assert await store.openid_flows.count() == 2
    assert (await store.openid_flows.take("a", 9.0)).next == "/"
    for name in ("a", "b", "b", "never"):
        with pytest.raises(NotFound):
            await store.openid_flows.take(name, 10.0)
    assert await store.openid_flows.count() == 0


async def test_old_ones_are_forgotten(store: Store) -> None:
    """Whoever begins and never comes back leaves nothing."""
    await store.openid_flows.add(
        OpenIdFlowRecord(id="a", issuer="campus", next="/", expires_at=10.0)
    )
    assert await store.openid_flows.remove_expired(9.0) == 0
    assert await store.openid_flows.remove_expired(10.0) == 1
