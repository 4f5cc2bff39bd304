"""Runs: generations, each owned by the hub and watched by browsers."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.core.states import MessageStatus
from underpass.store.repository import Repository
from underpass.store.tables import (
    METADATA,
    EnumText,
    Id,
    JsonValue,
    Seconds,
    Text,
    id_column,
    partial_index,
    reference,
)

RUNS = sa.Table(
    "runs",
    METADATA,
    id_column(),
    reference("chat_id", "chats.id"),
    reference("message_id", "messages.id"),
    reference("owner_id", "users.id"),
    sa.Column("model", Text, nullable=False),
    sa.Column("status", EnumText(MessageStatus), nullable=False),
    sa.Column("request_id", Id, nullable=False),
    sa.Column("stored_seq", sa.BigInteger, nullable=False),
    sa.Column("stored_upstream_offset", sa.BigInteger, nullable=False),
    sa.Column("started_at", Seconds, nullable=False),
    sa.Column("heartbeat_at", Seconds, nullable=False),
    sa.Column("ended_at", Seconds),
    sa.Column("error", JsonValue),
    sa.Column("asked", JsonValue),
    sa.Index("ix_runs_chat_id", "chat_id"),
    sa.Index("ix_runs_message_id", "message_id"),
    partial_index("ix_runs_unfinished", "id", where="ended_at IS NULL"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One generation. `stored_seq` is its last stored event; `stored_upstream_offset` is up to
    which byte of the server's answer those events hold, so that a restarted hub can ask for
    the rest. `asked` is the body that a waiting run is to send, so that a restarted hub can."""

    id: str
    chat_id: str
    message_id: str
    owner_id: str
    model: str
    request_id: str
    started_at: float
    heartbeat_at: float
    status: MessageStatus = MessageStatus.WAITING
    stored_seq: int = 0
    stored_upstream_offset: int = 0
    ended_at: float | None = None
    error: dict[str, Any] | None = None
    asked: dict[str, Any] | None = None


class Runs(Repository[RunRecord]):
    """The runs of all chats."""

    table = RUNS
    record = RunRecord
    noun = "run"

    async def unfinished(self) -> tuple[RunRecord, ...]:
        """Runs that have not ended, oldest first: what a restarted hub takes up again."""
        return await self._all(RUNS.c.ended_at.is_(None))
