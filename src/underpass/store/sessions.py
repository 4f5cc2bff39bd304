"""Sessions: compute that users asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import (
    METADATA,
    EnumText,
    Id,
    JsonValue,
    Seconds,
    Text,
    id_column,
    reference,
)

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    id_column(),
    reference("owner_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column("status", EnumText(SessionStatus), nullable=False),
    sa.Column("status_reason", Text, nullable=False),
    sa.Column("end_reason", EnumText(EndReason)),
    sa.Column("end_message", Text),
    sa.Column("is_attached", sa.Boolean, nullable=False),
    reference("cluster_id", "clusters.id", is_optional=True),
    sa.Column("template", Text),
    sa.Column("spec", JsonValue, nullable=False),
    sa.Column("job_id", Text),
    sa.Column("job_raw_state", Text),
    sa.Column("host", Text),
    sa.Column("agent_version", Text),
    sa.Column("scheduler", JsonValue),
    sa.Column("token_hash", Id, unique=True),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("started_at", Seconds),
    sa.Column("running_at", Seconds),
    sa.Column("ended_at", Seconds),
    sa.Column("wall_time_ends_at", Seconds),
    sa.Column("removed_at", Seconds),
)
# A removed session keeps its row for its history and gives its name back.
sa.Index(
    "uq_sessions_owner_id_name",
    SESSIONS.c.owner_id,
    SESSIONS.c.name,
    unique=True,
    sqlite_where=SESSIONS.c.removed_at.is_(None),
    postgresql_where=SESSIONS.c.removed_at.is_(None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One session. `spec` is what it takes to start it again; `name` is unique among its owner's."""

    id: str
    owner_id: str
    name: str
    created_at: float
    status: SessionStatus = SessionStatus.QUEUED
    status_reason: str = ""
    end_reason: EndReason | None = None
    end_message: str | None = None
    is_attached: bool = False
    cluster_id: str | None = None
    template: str | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    job_id: str | None = None
    job_raw_state: str | None = None
    host: str | None = None
    agent_version: str | None = None
    scheduler: dict[str, Any] | None = None
    token_hash: str | None = None
    started_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None
    wall_time_ends_at: float | None = None
    removed_at: float | None = None


class Sessions(Repository[SessionRecord]):
    """The sessions of all users."""

    table = SESSIONS
    record = SessionRecord
    noun = "session"

    async def list(
        self, owner_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[SessionRecord]:
        """An owner's sessions that are not removed, newest first."""
        kept = SESSIONS.c.removed_at.is_(None)
        return await self._page(SESSIONS.c.owner_id == owner_id, kept, after=after, limit=limit)

    async def all(self, *, is_live: bool | None = None) -> tuple[SessionRecord, ...]:
        """Everybody's sessions that are not removed, oldest first; `is_live`: only un-ended ones."""
        conditions = [SESSIONS.c.removed_at.is_(None)]
        if is_live is not None:
            ended = SESSIONS.c.status.in_(sorted(SESSION_ENDS))
            conditions.append(~ended if is_live else ended)
        return await self._all(*conditions)

    async def everybodys(
        self, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[SessionRecord]:
        """All users' sessions that are not removed, newest first."""
        return await self._page(SESSIONS.c.removed_at.is_(None), after=after, limit=limit)

    async def find_by_name(self, owner_id: str, name: str) -> SessionRecord | None:
        """The owner's session of that name that is not removed, or None."""
        kept = SESSIONS.c.removed_at.is_(None)
        return await self._one(SESSIONS.c.owner_id == owner_id, SESSIONS.c.name == name, kept)

    async def names_of(self, owner_id: str) -> set[str]:
        """The names of an owner's sessions that are not removed."""
        kept = SESSIONS.c.removed_at.is_(None)
        return await self._only_names(SESSIONS.c.owner_id == owner_id, kept)

    async def rename(self, names: Mapping[str, str]) -> None:
        """Give sessions (by id) other names, one after the other and in one transaction: a name that
        moves from one to another is never missing. Raises Conflict where one is taken."""
        async with self._database.write() as connection:
            for session_id, name in names.items():
                where = SESSIONS.c.id == session_id
                await connection.execute(SESSIONS.update().where(where).values(name=name))

    async def by_token_hash(self, hashed: str) -> SessionRecord | None:
        """The session whose token has this hash, or None."""
        return await self._one(SESSIONS.c.token_hash == hashed)
