"""Clusters: places where sessions run."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Id, JsonValue, Seconds, Text, id_column

CLUSTERS = sa.Table(
    "clusters",
    METADATA,
    id_column(),
    sa.Column("owner_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("name", Text, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("host", Text),
    sa.Column("capabilities", JsonValue, nullable=False),
    sa.Column("token_hash", Id, unique=True),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Index("uq_clusters_owner_id_name", "owner_id", "name", unique=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecord:
    """One place. Without `owner_id` it is the hub's own; `token_hash` is of what a joined one uses."""

    id: str
    name: str
    kind: str
    created_at: float
    owner_id: str | None = None
    host: str | None = None
    capabilities: dict[str, Any] = field(default_factory=dict)
    token_hash: str | None = None


class Clusters(Repository[ClusterRecord]):
    """The clusters of all users, and the hub's own."""

    table = CLUSTERS
    record = ClusterRecord
    noun = "cluster"

    async def list_visible(
        self, owner_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[ClusterRecord]:
        """A user's own and the hub's, newest first."""
        visible = (CLUSTERS.c.owner_id == owner_id) | CLUSTERS.c.owner_id.is_(None)
        return await self._page(visible, after=after, limit=limit)

    async def all(self) -> tuple[ClusterRecord, ...]:
        """Every cluster, oldest first."""
        return await self._all()

    async def of_owner(self, owner_id: str) -> tuple[ClusterRecord, ...]:
        """Those that joined for a user, oldest first."""
        return await self._all(CLUSTERS.c.owner_id == owner_id)

    async def find_by_name(self, owner_id: str | None, name: str) -> ClusterRecord | None:
        """The cluster of that owner (None: the hub) and name, or None."""
        owner = CLUSTERS.c.owner_id.is_not_distinct_from(owner_id)
        return await self._one(owner, CLUSTERS.c.name == name)

    async def by_token_hash(self, hashed: str) -> ClusterRecord | None:
        """The joined cluster whose token has this hash, or None."""
        return await self._one(CLUSTERS.c.token_hash == hashed)
