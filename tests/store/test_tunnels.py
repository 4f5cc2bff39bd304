"""Tunnels in the store."""

import pytest

from underpass.core.errors import Conflict
from underpass.core.states import TunnelStatus
from underpass.store import SessionRecord, Store, TunnelRecord, UserRecord


def _tunnel(number: int, name: str) -> TunnelRecord:
    return TunnelRecord(
        id=f"tun_{number}",
        session_id="ses_1",
        owner_id="usr_1",
        name=name,
        target="127.0.0.1:8000",
        created_at=1.0,
        openai=True,
    )


async def test_tunnels_are_found_by_session_owner_and_name(
    store: Store, session: SessionRecord, alice: UserRecord
) -> None:
    """And large byte counts fit."""
    tunnel = await store.tunnels.add(_tunnel(1, "box"))
    assert await store.tunnels.of_session(session.id) == (tunnel,)
    assert await store.tunnels.find_by_name(alice.id, "box") == tunnel
    assert await store.tunnels.names_of(alice.id) == {"box"}
    assert await store.tunnels.names_of("usr_other") == set()
    assert (await store.tunnels.list("usr_2")).items == ()
    changed = await store.tunnels.update(
        tunnel.id, bytes_out=2**52, status=TunnelStatus.RUNNING, stopped_at=None
    )
    assert await store.tunnels.all() == (changed,)


async def test_a_name_is_taken_once_per_owner(store: Store, session: SessionRecord) -> None:
    """The provider carries the tunnel's name, so it has to be one."""
    await store.tunnels.add(_tunnel(1, "box"))
    with pytest.raises(Conflict):
        await store.tunnels.add(_tunnel(2, "box"))
    assert session.id == "ses_1"
