"""Where a chat is kept: in the store, or, if it is temporary, in this process's memory alone.

Both shelves have the same verbs, so that whatever can be done with a chat is written once. What
is temporary never meets the store, the disk or the log, and goes after an hour without use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, NotFound, TooLarge, TooMany
from underpass.core.states import UNFINISHED
from underpass.store import ChatRecord, MessageRecord, RunRecord, Store

TEMPORARY_S = 3600.0
"""How long a temporary chat lives without use."""
MAX_TEMPORARY = 32
"""Temporary chats of one user."""
MAX_TEMPORARY_CHARS = 16 * 1024 * 1024
"""Text in one temporary chat."""
MAX_ALL_TEMPORARY_CHARS = 256 * 1024 * 1024
"""Text in all temporary chats of this process: they live in its memory."""


class Shelf(Protocol):
    """What can be done with the rows of a chat. Raises StorageError where there is a disk."""

    async def add(self, chat: ChatRecord, messages: Sequence[MessageRecord] = ()) -> None:
        """Keeps a new chat with its messages, parents first."""

    async def update(self, chat_id: str, **changes: Any) -> ChatRecord:
        """Changes some fields of a chat. Raises NotFound."""
        ...

    async def messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """All messages of a chat that are not deleted."""
        ...

    async def deleted_messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """Those that were deleted and can be had back."""
        ...

    async def set_deleted(
        self, chat_id: str, ids: Sequence[str], *, at: float | None, head_id: str | None
    ) -> None:
        """Marks messages as deleted (None: has them back), and sets the chat's head."""

    async def begin(
        self, messages: Sequence[MessageRecord], run: RunRecord, chat_changes: Mapping[str, Any]
    ) -> None:
        """Keeps new messages and the run that answers them."""

    async def resume(
        self,
        message: MessageRecord,
        message_changes: Mapping[str, Any],
        run: RunRecord,
        chat_changes: Mapping[str, Any],
    ) -> None:
        """Keeps a run that goes on with a message. Raises Conflict where another run has taken
        it up since it was read."""


class StoredShelf:
    """Chats in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, chat: ChatRecord, messages: Sequence[MessageRecord] = ()) -> None:
        """Stores a new chat with its messages in one transaction."""
        await self._store.messages.add_chats([(chat, messages)])

    async def update(self, chat_id: str, **changes: Any) -> ChatRecord:
        """Changes some fields of a chat. Raises NotFound."""
        return await self._store.chats.update(chat_id, **changes)

    async def messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """All messages that are not deleted."""
        return await self._store.messages.of_chat(chat_id)

    async def deleted_messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """Those that were deleted."""
        return await self._store.messages.deleted_of_chat(chat_id)

    async def set_deleted(
        self, chat_id: str, ids: Sequence[str], *, at: float | None, head_id: str | None
    ) -> None:
        """Marks messages as deleted, or has them back."""
        await self._store.messages.set_deleted(chat_id, ids, at=at, head_id=head_id)

    async def begin(
        self, messages: Sequence[MessageRecord], run: RunRecord, chat_changes: Mapping[str, Any]
    ) -> None:
        """Stores new messages and their run in one transaction."""
        await self._store.answers.begin(messages, run, chat_changes)

    async def resume(
        self,
        message: MessageRecord,
        message_changes: Mapping[str, Any],
        run: RunRecord,
        chat_changes: Mapping[str, Any],
    ) -> None:
        """Stores a run that goes on with a message. Raises Conflict."""
        await self._store.answers.resume(message, message_changes, run, chat_changes)


@dataclass
class _Kept:
    chat: ChatRecord
    used_at: float
    messages: dict[str, MessageRecord] = field(default_factory=dict)
    runs: dict[str, RunRecord] = field(default_factory=dict)

    @property
    def chars(self) -> int:
        """Of what was asked and answered in it."""
        return _chars(self.messages.values())


def _chars(messages: Iterable[MessageRecord]) -> int:
    return sum(len(one.content) + len(one.reasoning) for one in messages)


class Memory:
    """Temporary chats. It is a shelf, and what their runs write their ends to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def __repr__(self) -> str:
        return f"Memory(chats={len(self._kept)})"

    @property
    def answers(self) -> Memory:
        """Where a run writes, as with the store."""
        return self

    def find(self, chat_id: str) -> ChatRecord | None:
        """The chat, or None; being looked at is being used."""
        kept = self._kept.get(chat_id)
        return None if kept is None else self._touched(kept).chat

    def holds(self, chat_id: str) -> bool:
        """Whether this chat is a temporary one."""
        return chat_id in self._kept

    def find_run(self, run_id: str) -> tuple[RunRecord, MessageRecord] | None:
        """A run of a temporary chat, and its message."""
        for kept in self._kept.values():
            run = kept.runs.get(run_id)
            if run is not None and run.message_id in kept.messages:
                return run, kept.messages[run.message_id]
        return None

    def remove(self, chat_id: str) -> None:
        """Forgets a chat."""
        self._kept.pop(chat_id, None)

    def tidy(self) -> None:
        """Forgets what was not used for an hour and is not being written."""
        now = self._clock.monotonic()
        for kept in list(self._kept.values()):
            is_busy = any(one.status in UNFINISHED for one in kept.messages.values())
            if now - kept.used_at > TEMPORARY_S and not is_busy:
                self.remove(kept.chat.id)

    # --- the shelf ---------------------------------------------------------------------------

    async def add(self, chat: ChatRecord, messages: Sequence[MessageRecord] = ()) -> None:
        """Keeps a new chat; raises TooMany."""
        owned = sum(kept.chat.owner_id == chat.owner_id for kept in self._kept.values())
        if owned >= MAX_TEMPORARY:
            raise TooMany(
                f"You have {owned} temporary chats open.", hint="Delete one, or use a normal chat."
            )
        kept = _Kept(chat, self._clock.monotonic())
        kept.messages = {message.id: message for message in messages}
        self._kept[chat.id] = kept

    async def update(self, chat_id: str, **changes: Any) -> ChatRecord:
        """Changes some fields. Raises NotFound."""
        kept = self._get(chat_id)
        kept.chat = replace(kept.chat, **changes)
        return kept.chat

    async def messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """All messages that are not deleted."""
        messages = self._get(chat_id).messages.values()
        return [message for message in messages if message.deleted_at is None]

    async def deleted_messages(self, chat_id: str) -> Sequence[MessageRecord]:
        """Those that were deleted."""
        messages = self._get(chat_id).messages.values()
        return [message for message in messages if message.deleted_at is not None]

    async def set_deleted(
        self, chat_id: str, ids: Sequence[str], *, at: float | None, head_id: str | None
    ) -> None:
        """Marks messages as deleted, or has them back."""
        kept = self._get(chat_id)
        for message_id in ids:
            kept.messages[message_id] = replace(kept.messages[message_id], deleted_at=at)
        kept.chat = replace(kept.chat, head_id=head_id)

    async def begin(
        self, messages: Sequence[MessageRecord], run: RunRecord, chat_changes: Mapping[str, Any]
    ) -> None:
        """Keeps new messages and their run. Raises NotFound, TooLarge."""
        kept = self._get(run.chat_id)
        more = _chars(messages)
        if sum(one.chars for one in self._kept.values()) + more > MAX_ALL_TEMPORARY_CHARS:
            raise TooMany(
                "The hub's memory for temporary chats is full just now.",
                hint="Use a normal chat, or send it again later.",
                retry_after_s=60,
            )
        if kept.chars + more > MAX_TEMPORARY_CHARS:
            raise TooLarge(
                f"A temporary chat holds at most {MAX_TEMPORARY_CHARS:,} characters.",
                hint="Go on in a new chat.",
            )
        kept.messages.update({message.id: message for message in messages})
        kept.runs[run.id] = run
        kept.chat = replace(kept.chat, **chat_changes)

    async def resume(
        self,
        message: MessageRecord,
        message_changes: Mapping[str, Any],
        run: RunRecord,
        chat_changes: Mapping[str, Any],
    ) -> None:
        """Keeps a run that goes on with a message. Raises NotFound, Conflict."""
        kept = self._get(run.chat_id)
        known = kept.messages[message.id]
        if known.run_id != message.run_id:
            raise Conflict("Somebody else goes on with this answer already.")
        kept.messages[message.id] = replace(known, **message_changes)
        kept.runs[run.id] = run
        kept.chat = replace(kept.chat, **chat_changes)

    # --- what runs write ---------------------------------------------------------------------

    async def note(
        self,
        run_id: str,
        message_id: str,
        message_changes: Mapping[str, Any],
        run_changes: Mapping[str, Any],
    ) -> None:
        """Keeps what became of a run and its message; a chat that is gone meanwhile is no error."""
        for kept in self._kept.values():
            if run_id in kept.runs and message_id in kept.messages:
                self._touched(kept)
                message = replace(kept.messages[message_id], **message_changes)
                kept.messages[message_id] = message
                kept.runs[run_id] = replace(kept.runs[run_id], **run_changes)

    end = note

    # --- helpers -----------------------------------------------------------------------------

    def _get(self, chat_id: str) -> _Kept:
        kept = self._kept.get(chat_id)
        if kept is None:
            raise NotFound(f"There is no chat '{chat_id[:80]}'.")
        return self._touched(kept)

    def _touched(self, kept: _Kept) -> _Kept:
        kept.used_at = self._clock.monotonic()
        return kept
