"""Session logs: the last lines that a session's server and agent wrote, bounded per session.

Each line carries `end_bytes`, the absolute size of the log up to and with it, so that both bounds
are one comparison and nothing has to be added up again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.database import Database
from underpass.store.tables import METADATA, Seconds, Text, clean_text, reference

SESSION_LOGS = sa.Table(
    "session_logs",
    METADATA,
    reference("session_id", "sessions.id", primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Seconds, nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("end_bytes", sa.BigInteger, nullable=False),
)

MAX_LINES = 5000
MAX_BYTES = 1 << 20
MAX_LINE_CHARS = 8192
_CUT = " … (cut)"


@dataclass(frozen=True, slots=True)
class SessionLogLine:
    """One line. `source` is stdout, stderr or agent; `seq` counts from 1 and is the cursor."""

    at: float
    source: str
    text: str
    seq: int = 0


class SessionLogs:
    """The logs of all sessions. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, session_id: str, lines: Sequence[SessionLogLine]) -> int:
        """Add lines in one transaction and drop what is over the bounds; the last `seq`."""
        table = SESSION_LOGS
        mine = table.c.session_id == session_id
        async with self._database.write() as connection:
            newest = sa.select(table.c.seq, table.c.end_bytes).where(mine)
            newest = newest.order_by(table.c.seq.desc()).limit(1)
            row = (await connection.execute(newest)).first()
            seq, end_bytes = (row.seq, row.end_bytes) if row else (0, 0)
            rows = []
            for line in lines[-MAX_LINES:]:
                text = _cut(clean_text(line.text))
                seq, end_bytes = seq + 1, end_bytes + len(text.encode()) + 1
                rows.append(
                    {
                        "session_id": session_id,
                        "seq": seq,
                        "at": line.at,
                        "source": line.source,
                        "text": text,
                        "end_bytes": end_bytes,
                    }
                )
            if rows:
                await connection.execute(table.insert(), rows)
                is_over = (table.c.seq <= seq - MAX_LINES) | (
                    table.c.end_bytes <= end_bytes - MAX_BYTES
                )
                await connection.execute(table.delete().where(mine, is_over))
        return seq

    async def tail(self, session_id: str, lines: int = 200) -> tuple[SessionLogLine, ...]:
        """The last `lines` lines, oldest first."""
        rows = await self._select(session_id, SESSION_LOGS.c.seq.desc(), max(1, lines))
        return tuple(reversed(rows))

    async def after(
        self, session_id: str, seq: int, limit: int = 1000
    ) -> tuple[SessionLogLine, ...]:
        """Up to `limit` lines that follow the line `seq`, oldest first."""
        newer = SESSION_LOGS.c.seq > seq
        return await self._select(session_id, SESSION_LOGS.c.seq, max(1, limit), newer)

    async def _select(
        self,
        session_id: str,
        order: sa.ColumnElement[int],
        limit: int,
        *conditions: sa.ColumnElement[bool],
    ) -> tuple[SessionLogLine, ...]:
        table = SESSION_LOGS
        statement = sa.select(table.c.at, table.c.source, table.c.text, table.c.seq)
        statement = statement.where(table.c.session_id == session_id, *conditions)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(order).limit(limit))).all()
        return tuple(SessionLogLine(*row) for row in rows)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE_CHARS else text[: MAX_LINE_CHARS - len(_CUT)] + _CUT
