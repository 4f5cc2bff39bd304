"""Browser sessions: the cookie sign-ins that are good right now."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.repository import Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column, reference

BROWSER_SESSIONS = sa.Table(
    "browser_sessions",
    METADATA,
    id_column(),
    reference("user_id", "users.id"),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("last_seen_at", Seconds, nullable=False),
    sa.Column("expires_at", Seconds, nullable=False),
    sa.Column("user_agent", Text, nullable=False),
    sa.Column("address", Text, nullable=False),
    sa.Index("ix_browser_sessions_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSessionRecord:
    """One sign-in. `id` is the hash of the cookie, which is stored nowhere."""

    id: str
    user_id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    user_agent: str = ""
    address: str = ""


class BrowserSessions(Repository[BrowserSessionRecord]):
    """The cookie sign-ins."""

    table = BROWSER_SESSIONS
    record = BrowserSessionRecord
    noun = "sign-in"

    async def of_user(self, user_id: str) -> tuple[BrowserSessionRecord, ...]:
        """A user's sign-ins, oldest first."""
        table = BROWSER_SESSIONS
        return await self._all(table.c.user_id == user_id, order_by=(table.c.created_at,))

    async def note_seen(self, seen_at: dict[str, float]) -> None:
        """Write down when sign-ins (by id) were last seen, all in one transaction."""
        if not seen_at:
            return
        statement = (
            BROWSER_SESSIONS.update()
            .where(BROWSER_SESSIONS.c.id == sa.bindparam("session_id"))
            .values(last_seen_at=sa.bindparam("at"))
        )
        rows = [{"session_id": key, "at": at} for key, at in seen_at.items()]
        async with self._database.write() as connection:
            await connection.execute(statement, rows)

    async def remove_of_user(self, user_id: str, *, but: str | None = None) -> int:
        """Sign a user out everywhere (except in the session `but`); how many there were."""
        conditions = [BROWSER_SESSIONS.c.user_id == user_id]
        if but is not None:
            conditions.append(BROWSER_SESSIONS.c.id != but)
        return await self._delete(*conditions)

    async def remove_expired(self, now: float) -> int:
        """Forget what is over; how many there were."""
        return await self._delete(BROWSER_SESSIONS.c.expires_at <= now)
