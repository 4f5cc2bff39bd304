"""Who asks for which chat, and who is told what became of it: what all verbs on chats begin and
end with."""

from __future__ import annotations

from collections.abc import Sequence

from underpass.chat.runs import Runs
from underpass.chat.shapes import Json, chat_out, message_out
from underpass.chat.shelves import Memory, Shelf, StoredShelf
from underpass.core.clock import Clock
from underpass.core.errors import NotFound
from underpass.core.principal import Principal
from underpass.registry.feed import Feed
from underpass.store import ChatRecord, MessageRecord, Store


class Desk:
    """Finds callers' chats, on whichever shelf they are, and tells their pages of changes."""

    def __init__(self, store: Store, feed: Feed, memory: Memory, runs: Runs, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.runs = runs
        self.memory = memory
        self._feed = feed
        self._stored = StoredShelf(store)

    async def own(self, caller: Principal, chat_id: str, *, is_deleted: bool = False) -> ChatRecord:
        """The caller's chat; NotFound, in the same words, for a stranger's and for none."""
        chat = self.memory.find(chat_id) or await self.store.chats.find(chat_id)
        if (
            chat is None
            or chat.owner_id != caller.user_id
            or (chat.deleted_at is not None) is not is_deleted
        ):
            raise NotFound(f"There is no chat '{chat_id[:80]}'.")
        return chat

    def shelf(self, chat: ChatRecord) -> Shelf:
        """Where the chat is kept."""
        return self.memory if self.memory.holds(chat.id) else self._stored

    def new_shelf(self, *, is_temporary: bool) -> Shelf:
        """Where a new chat is to be kept."""
        return self.memory if is_temporary else self._stored

    async def messages(self, chat: ChatRecord) -> list[MessageRecord]:
        """All messages of a chat, oldest first, as they are now."""
        messages = self.runs.as_of_now(await self.shelf(chat).messages(chat.id))
        return sorted(messages, key=lambda message: (message.created_at, message.id))

    async def message(self, chat: ChatRecord, message_id: str) -> MessageRecord:
        """One message of a chat as it is now; raises NotFound."""
        return find_message(await self.messages(chat), message_id)

    async def show(self, chat: ChatRecord) -> Json:
        """The chat without its messages."""
        return (await self.show_all([chat]))[0]

    async def show_all(self, chats: Sequence[ChatRecord]) -> list[Json]:
        """The chats without their messages."""
        shared = await self.store.shares.shared([chat.id for chat in chats]) if chats else set()
        return [
            chat_out(chat, is_shared=chat.id in shared, is_temporary=self.memory.holds(chat.id))
            for chat in chats
        ]

    # --- the pages ---------------------------------------------------------------------------

    async def publish(self, chat: ChatRecord) -> Json:
        """Tells the owner's pages of a chat that changed; the chat as they see it."""
        out = await self.show(chat)
        if not self.memory.holds(chat.id):  # a temporary chat is in no list
            self._feed.publish(chat.owner_id, "chat", "upsert", out)
        return out

    def publish_gone(self, chat: ChatRecord) -> None:
        """Tells them of a chat that was deleted."""
        self._feed.publish(chat.owner_id, "chat", "delete", {"id": chat.id})

    def publish_messages(self, chat: ChatRecord, messages: Sequence[MessageRecord]) -> None:
        """Tells them of messages that are new, or back."""
        for message in messages:
            item = {"chat_id": chat.id, "message": message_out(message)}
            self._feed.publish(chat.owner_id, "message", "upsert", item)

    def publish_removed(self, chat: ChatRecord, ids: Sequence[str]) -> None:
        """Tells them of messages that were deleted."""
        item = {"chat_id": chat.id, "removed": list(ids)}
        self._feed.publish(chat.owner_id, "message", "delete", item)


def find_message(messages: Sequence[MessageRecord], message_id: str) -> MessageRecord:
    """The message of that id; raises NotFound."""
    for message in messages:
        if message.id == message_id:
            return message
    raise NotFound(f"There is no message '{message_id[:80]}' in this chat.")
