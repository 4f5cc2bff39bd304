"""Run events: a run's answer as it came, so that a watcher can join late or come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.database import Database
from underpass.store.repository import to_rows
from underpass.store.runs import RUNS
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

    async def append(
        self,
        run_id: str,
        events: Sequence[RunEventRecord],
        *,
        upstream_offset: int,
        at: float,
    ) -> None:
        """Store a batch and move the run's `stored_*` and `heartbeat_at` with it, all or nothing.

        `events` may be empty: a heartbeat. Raises NotFound (the run is gone), Conflict (a `seq`
        is there already).
        """
        changes: dict[str, Any] = {"stored_upstream_offset": upstream_offset, "heartbeat_at": at}
        if events:
            changes["stored_seq"] = events[-1].seq
        async with self._database.write() as connection:
            moved = await connection.execute(
                RUNS.update().where(RUNS.c.id == run_id).values(changes)
            )
            if moved.rowcount == 0:
                raise NotFound("There is no such run.")
            if events:
                await connection.execute(RUN_EVENTS.insert(), to_rows(events))

    async def after(
        self, run_id: str, seq: int = 0, limit: int = 1000
    ) -> tuple[RunEventRecord, ...]:
        """Up to `limit` events that follow `seq`, in order."""
        table = RUN_EVENTS
        statement = table.select().where(table.c.run_id == run_id, table.c.seq > seq)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement.order_by(table.c.seq).limit(limit))).all()
        return tuple(RunEventRecord(*row) for row in rows)

    async def remove(self, run_id: str) -> None:
        """Forget a run's events: its message holds the whole answer."""
        async with self._database.write() as connection:
            await connection.execute(RUN_EVENTS.delete().where(RUN_EVENTS.c.run_id == run_id))
