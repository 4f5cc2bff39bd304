"""Tunnels: ports and sockets of sessions that are reachable through a link."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.states import TunnelStatus
from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, EnumText, Seconds, Text, id_column, reference

TUNNELS = sa.Table(
    "tunnels",
    METADATA,
    id_column(),
    reference("session_id", "sessions.id"),
    reference("owner_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column("target", Text, nullable=False),
    sa.Column("openai", sa.Boolean, nullable=False),
    sa.Column("status", EnumText(TunnelStatus), nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("stopped_at", Seconds),
    sa.Column("bytes_in", sa.BigInteger, nullable=False),
    sa.Column("bytes_out", sa.BigInteger, nullable=False),
    sa.Index("uq_tunnels_owner_id_name", "owner_id", "name", unique=True),
    sa.Index("ix_tunnels_session_id", "session_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelRecord:
    """One tunnel. `name` is unique among its owner's; bytes are counted since it was made."""

    id: str
    session_id: str
    owner_id: str
    name: str
    target: str
    created_at: float
    openai: bool = False
    status: TunnelStatus = TunnelStatus.CONNECTING
    stopped_at: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0


class Tunnels(Repository[TunnelRecord]):
    """The tunnels of all users."""

    table = TUNNELS
    record = TunnelRecord
    noun = "tunnel"

    async def list(
        self, owner_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[TunnelRecord]:
        """An owner's tunnels, newest first."""
        return await self._page(TUNNELS.c.owner_id == owner_id, after=after, limit=limit)

    async def all(self) -> tuple[TunnelRecord, ...]:
        """Everybody's tunnels, oldest first: what the registry is loaded from."""
        return await self._all()

    async def of_session(self, session_id: str) -> tuple[TunnelRecord, ...]:
        """A session's tunnels, oldest first."""
        return await self._all(TUNNELS.c.session_id == session_id)

    async def names_of(self, owner_id: str) -> set[str]:
        """The names of an owner's tunnels."""
        return await self._only_names(TUNNELS.c.owner_id == owner_id)

    async def find_by_name(self, owner_id: str, name: str) -> TunnelRecord | None:
        """The owner's tunnel of that name, or None."""
        return await self._one(TUNNELS.c.owner_id == owner_id, TUNNELS.c.name == name)
