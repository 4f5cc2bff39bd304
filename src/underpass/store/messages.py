"""Messages: what was said in chats, each under the one it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.core.states import MessageStatus
from underpass.store.chats import CHATS, ChatRecord
from underpass.store.files import link_files
from underpass.store.repository import Repository, to_row, to_rows
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

MESSAGES = sa.Table(
    "messages",
    METADATA,
    id_column(),
    reference("chat_id", "chats.id"),
    sa.Column("parent_id", Id, sa.ForeignKey("messages.id", ondelete="CASCADE")),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("content", Text, nullable=False),
    sa.Column("reasoning", Text, nullable=False),
    sa.Column("status", EnumText(MessageStatus), nullable=False),
    sa.Column("run_id", Id),
    sa.Column("model", Text),
    # No foreign keys: a message outlives the run and the provider that it came from.
    sa.Column("provider_id", Id),
    sa.Column("provider", JsonValue),
    sa.Column("tool_calls", JsonValue),
    sa.Column("attachments", JsonValue),
    sa.Column("waiting", JsonValue),
    sa.Column("error", JsonValue),
    sa.Column("usage", JsonValue),
    sa.Column("timings", JsonValue),
    sa.Column("finish_reason", sa.String(64)),
    sa.Column("continued_chars", sa.Integer, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("deleted_at", Seconds),
    sa.Index("ix_messages_chat_id", "chat_id"),
    sa.Index("ix_messages_parent_id", "parent_id"),
    partial_index("ix_messages_deleted_at", "deleted_at", where="deleted_at IS NOT NULL"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """One message. `role` is system, user, assistant or tool; without `parent_id` it is a first one.

    `provider` is how the provider looked when it answered (id, name, session_name, host): the
    session may be gone, or run elsewhere, when somebody reads it. `attachments` are files as the
    API shows them, by `id`; `waiting` is what an answer waits for, while it does.
    `continued_chars`: how much of the content stood there before its run, which continued it.
    """

    id: str
    chat_id: str
    role: str
    created_at: float
    parent_id: str | None = None
    content: str = ""
    reasoning: str = ""
    status: MessageStatus = MessageStatus.COMPLETE
    run_id: str | None = None
    model: str | None = None
    provider_id: str | None = None
    provider: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    attachments: list[dict[str, Any]] | None = None
    waiting: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    timings: dict[str, Any] | None = None
    finish_reason: str | None = None
    continued_chars: int = 0
    deleted_at: float | None = None


class Messages(Repository[MessageRecord]):
    """The messages of all chats."""

    table = MESSAGES
    record = MessageRecord
    noun = "message"

    async def of_chat(self, chat_id: str) -> tuple[MessageRecord, ...]:
        """A chat's messages, all branches, oldest first; without those that were deleted."""
        return await self._all(MESSAGES.c.chat_id == chat_id, MESSAGES.c.deleted_at.is_(None))

    async def add_all(self, records: tuple[MessageRecord, ...]) -> None:
        """Store several new messages in one transaction, parents first. Raises Conflict."""
        async with self._database.write() as connection:
            await connection.execute(MESSAGES.insert(), to_rows(records))
            await link_files(connection, records)

    async def add_chats(self, chats: Sequence[tuple[ChatRecord, Sequence[MessageRecord]]]) -> None:
        """Store whole chats, each with its messages (parents first), in one transaction."""
        async with self._database.write() as connection:
            for chat, messages in chats:
                await connection.execute(CHATS.insert().values(to_row(chat)))
                if messages:
                    await connection.execute(MESSAGES.insert(), to_rows(messages))
                    await link_files(connection, messages)

    async def set_deleted(
        self, chat_id: str, ids: Sequence[str], *, at: float | None, head_id: str | None
    ) -> None:
        """Marks messages of a chat as deleted at a time (None: has them back), and sets its head."""
        async with self._database.write() as connection:
            await connection.execute(
                MESSAGES.update()
                .where(MESSAGES.c.chat_id == chat_id, MESSAGES.c.id == sa.bindparam("message"))
                .values(deleted_at=at),
                [{"message": message_id} for message_id in ids],
            )
            await connection.execute(
                CHATS.update().where(CHATS.c.id == chat_id).values(head_id=head_id)
            )

    async def deleted_of_chat(self, chat_id: str) -> tuple[MessageRecord, ...]:
        """A chat's messages that were deleted and can be had back, oldest first."""
        return await self._all(MESSAGES.c.chat_id == chat_id, MESSAGES.c.deleted_at.is_not(None))

    async def remove_deleted(self, before: float) -> int:
        """Delete for good what was deleted before a time; how many there were."""
        return await self._delete(MESSAGES.c.deleted_at <= before)
