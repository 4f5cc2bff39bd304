"""Answers: what one turn of a chat writes into several tables, each time in one transaction.

Begin (question, empty answer, run), append (what many runs said meanwhile), end (the whole answer
into its message; the events that led to it are dropped, as the message holds them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from underpass.core.errors import Conflict
from underpass.store.chats import CHATS
from underpass.store.database import Database
from underpass.store.files import link_files
from underpass.store.messages import MESSAGES, MessageRecord
from underpass.store.repository import to_row, to_rows
from underpass.store.run_events import RUN_EVENTS, RunEventRecord
from underpass.store.runs import RUNS, RunRecord


@dataclass(frozen=True, slots=True)
class RunBatch:
    """What one run said since the last batch; without events it is a heartbeat."""

    run_id: str
    events: tuple[RunEventRecord, ...]
    after_seq: int
    stored_seq: int
    upstream_offset: int


class Answers:
    """The transactions of runs. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, messages: Sequence[MessageRecord], run: RunRecord, chat_changes: Mapping[str, Any]
    ) -> None:
        """Stores the new messages (parents first), the run and what changes in the chat."""
        async with self._database.write() as connection:
            await connection.execute(MESSAGES.insert(), to_rows(messages))
            await link_files(connection, messages)
            await connection.execute(RUNS.insert().values(to_row(run)))
            if chat_changes:
                await connection.execute(
                    CHATS.update().where(CHATS.c.id == run.chat_id).values(dict(chat_changes))
                )

    async def resume(
        self,
        message: MessageRecord,
        message_changes: Mapping[str, Any],
        run: RunRecord,
        chat_changes: Mapping[str, Any],
    ) -> None:
        """Stores a run that goes on with a message that has its beginning already.

        Raises Conflict where another run has taken up the message since it was read.
        """
        is_as_read = MESSAGES.c.run_id.is_not_distinct_from(message.run_id)
        async with self._database.write() as connection:
            changed = await connection.execute(
                MESSAGES.update()
                .where(MESSAGES.c.id == message.id, is_as_read)
                .values(dict(message_changes))
            )
            if changed.rowcount == 0:
                raise Conflict("Somebody else goes on with this answer already.")
            await connection.execute(RUNS.insert().values(to_row(run)))
            await connection.execute(
                CHATS.update().where(CHATS.c.id == run.chat_id).values(dict(chat_changes))
            )

    async def append(self, batches: Sequence[RunBatch], *, at: float) -> set[str]:
        """Stores the batches of many runs; the ids of the runs that have not ended.

        A run whose chat was removed meanwhile must not spoil the batch of the others. A batch may
        come again, when nobody knows whether its commit went through.
        """
        ids = [batch.run_id for batch in batches]
        async with self._database.write() as connection:
            found = await connection.execute(
                sa.select(RUNS.c.id).where(RUNS.c.id.in_(ids), RUNS.c.ended_at.is_(None))
            )
            known = {str(row.id) for row in found}
            alive = [batch for batch in batches if batch.run_id in known]
            if alive:
                await connection.execute(
                    RUNS.update()
                    .where(RUNS.c.id == sa.bindparam("run"))
                    .values(
                        stored_seq=sa.bindparam("seq"),
                        stored_upstream_offset=sa.bindparam("offset"),
                        heartbeat_at=at,
                    ),
                    [
                        {"run": one.run_id, "seq": one.stored_seq, "offset": one.upstream_offset}
                        for one in alive
                    ],
                )
                await connection.execute(
                    RUN_EVENTS.delete().where(
                        RUN_EVENTS.c.run_id == sa.bindparam("run"),
                        RUN_EVENTS.c.seq > sa.bindparam("after"),
                    ),
                    [{"run": one.run_id, "after": one.after_seq} for one in alive],
                )
            events = [event for batch in alive for event in batch.events]
            if events:
                await connection.execute(RUN_EVENTS.insert(), to_rows(events))
        return known

    async def note(
        self,
        run_id: str,
        message_id: str,
        message_changes: Mapping[str, Any],
        run_changes: Mapping[str, Any],
    ) -> None:
        """Stores that an answer waits, or has begun; what it says is appended by batches."""
        async with self._database.write() as connection:
            await _change(connection, run_id, message_id, message_changes, run_changes)

    async def end(
        self,
        run_id: str,
        message_id: str,
        message_changes: Mapping[str, Any],
        run_changes: Mapping[str, Any],
    ) -> None:
        """Stores the finished answer; a chat that was removed meanwhile is no error."""
        async with self._database.write() as connection:
            await _change(connection, run_id, message_id, message_changes, run_changes)
            await connection.execute(RUN_EVENTS.delete().where(RUN_EVENTS.c.run_id == run_id))


async def _change(
    connection: AsyncConnection,
    run_id: str,
    message_id: str,
    message_changes: Mapping[str, Any],
    run_changes: Mapping[str, Any],
) -> None:
    await connection.execute(
        MESSAGES.update().where(MESSAGES.c.id == message_id).values(dict(message_changes))
    )
    await connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(dict(run_changes)))
