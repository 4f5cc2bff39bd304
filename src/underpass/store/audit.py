"""The audit trail: who did what that others may have to answer for."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Id, JsonValue, Seconds, Text, id_column

AUDIT = sa.Table(
    "audit",
    METADATA,
    id_column(),
    sa.Column("at", Seconds, nullable=False),
    # No foreign key: the trail outlives who is in it.
    sa.Column("actor_id", Id),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", Text, nullable=False),
    sa.Column("address", Text, nullable=False),
    sa.Column("detail", JsonValue, nullable=False),
    sa.Index("ix_audit_actor_id", "actor_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One act. Without `actor_id` nobody was signed in. `action` is a stable word (`key.create`)."""

    id: str
    at: float
    action: str
    actor_id: str | None = None
    subject: str = ""
    address: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Audit(Repository[AuditRecord]):
    """The trail of the whole hub. It is only added to."""

    table = AUDIT
    record = AuditRecord
    noun = "audit entry"

    async def list(
        self,
        *,
        actor_id: str | None = None,
        after: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[AuditRecord]:
        """The trail, newest first; `actor_id`: only what that user did."""
        conditions = [] if actor_id is None else [AUDIT.c.actor_id == actor_id]
        return await self._page(*conditions, after=after, limit=limit)
