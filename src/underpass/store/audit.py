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
        action: str | None = None,
        subject: str | None = None,
        address: str | None = None,
        since: float | None = None,
        until: float | None = None,
        after: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[AuditRecord]:
        """The trail, newest first, of those acts that fit all that is given.

        `actor_id`: only what that user did. `action` is a whole word (`key.create`) or the
        beginning of several (`key.`). `since` and `until` are unix seconds.
        """
        conditions: list[sa.ColumnElement[bool]] = [
            AUDIT.c[name] == value
            for name, value in (
                ("actor_id", actor_id),
                ("subject", subject),
                ("address", address),
            )
            if value is not None
        ]
        if action is not None:
            is_part = action.endswith(".")
            conditions.append(
                AUDIT.c.action.startswith(action, autoescape=True)
                if is_part
                else AUDIT.c.action == action
            )
        if since is not None:
            conditions.append(AUDIT.c.at >= since)
        if until is not None:
            conditions.append(AUDIT.c.at < until)
        return await self._page(*conditions, after=after, limit=limit)
