"""Run events: a run's answer as it came, so that a watcher can join late or come back.

They are written and removed by `answers`, together with the run and the message.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.store.database import Database
from underpass.store.tables import METADATA, JsonValue, reference

RUN_EVENTS = sa.Table(
    "run_events",
    METADATA,
    reference("run_id", "runs.id", primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("data", JsonValue, nullable=False),
)


@dataclass(frozen=True, slots=True)
class RunEventRecord:
    """One event. `seq` counts from 1 in its run and is the SSE id; `kind` is the SSE event."""

    run_id: str
    seq: int
    kind: str
    data: dict[str, Any]


class RunEvents:
    """The events of all runs. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(
        self, run_id: str, seq: int = 0, limit: int = 1000
    ) -> tuple[RunEventRecord, ...]:
        """Up to `limit` events that follow `seq`, in order."""
        table = RUN_EVENTS
        statement = table.select().where(table.c.run_id == run_id, table.c.seq > seq)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(table.c.seq).limit(limit))).all()
        return tuple(RunEventRecord(*row) for row in rows)
