"""A session's timeline: what happened to it, one line each."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.database import Database
from underpass.store.tables import METADATA, Seconds, Text, reference

SESSION_EVENTS = sa.Table(
    "session_events",
    METADATA,
    reference("session_id", "sessions.id", primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Seconds, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("text", Text, nullable=False),
)

MAX_EVENTS = 500
"""How many of a session's events are kept: one that flaps must not fill the disk."""


@dataclass(frozen=True, slots=True)
class SessionEventRecord:
    """One thing that happened. `kind` is a stable word, `text` a sentence."""

    session_id: str
    seq: int
    at: float
    kind: str
    text: str


class SessionEvents:
    """The timelines of all sessions. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session_id: str, *, at: float, kind: str, text: str) -> SessionEventRecord:
        """Write one event; the oldest beyond MAX_EVENTS go."""
        table = SESSION_EVENTS
        mine = table.c.session_id == session_id
        async with self._database.write() as connection:
            last = (
                await connection.execute(sa.select(sa.func.max(table.c.seq)).where(mine))
            ).scalar()
            event = SessionEventRecord(session_id, (last or 0) + 1, at, kind, text)
            await connection.execute(
                table.insert().values(
                    session_id=session_id, seq=event.seq, at=at, kind=kind, text=text
                )
            )
            await connection.execute(
                table.delete().where(mine, table.c.seq <= event.seq - MAX_EVENTS)
            )
        return event

    async def list(self, session_id: str) -> tuple[SessionEventRecord, ...]:
        """A session's events, oldest first."""
        table = SESSION_EVENTS
        statement = table.select().where(table.c.session_id == session_id).order_by(table.c.seq)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return tuple(SessionEventRecord(*row) for row in rows)
