"""Chats: what the API calls. Everything here is asked by somebody, and only owners get answers.

A chat that belongs to another user is as unknown as one that never was, for admins too.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from underpass.chat.asking import DoorLike, ask_through
from underpass.chat.check import checked_content, checked_settings, checked_title
from underpass.chat.prompt import branch_of, request_body
from underpass.chat.runs import Runs
from underpass.chat.shapes import Json, chat_out, message_out, provider_out
from underpass.chat.titles import title_of
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import (
    AppError,
    Conflict,
    InvalidRequest,
    ModelLoading,
    NotFound,
    TooMany,
)
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import MessageStatus
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.registry.pick import Pick
from underpass.store import ChatRecord, MessageRecord, RunRecord, Store

UNDO_S = 600.0
"""How long a deleted chat can be had back."""
TIDY_S = 15.0
MAX_RUNS_PER_USER = 64
LOG = logging.getLogger(__name__)
_UNFINISHED = (MessageStatus.STREAMING, MessageStatus.WAITING)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What somebody sends."""

    content: str | None
    """None asks for another answer to the user's message `parent_id`."""
    model: str | None = None
    """None: the chat's."""
    parent_id: str | None = None
    has_parent: bool = False
    """Whether `parent_id` was said: None is then "a new beginning", else "after the newest"."""
    settings: Json | None = None


class Chats:
    """The chats, messages and runs of all users."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        feed: Feed,
        door: DoorLike,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._feed = feed
        self._clock = clock or SystemClock()
        self._task: asyncio.Task[None] | None = None
        self.runs = Runs(store, registry, feed, ask_through(door), clock=self._clock)

    async def load(self) -> None:
        """At start: takes up what a hub before us left, and begins to store."""
        await self.runs.load()
        self._task = asyncio.create_task(self._tidy_often(), name="chat-tidy")

    async def close(self) -> None:
        """At stop: lets go of the runs, with what they said in the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.runs.close()

    async def tidy(self) -> None:
        """Lets go of what is over: ended runs in memory, chats that were deleted a while ago."""
        await self.runs.tidy()
        await self._store.chats.remove_deleted(self._clock.now() - UNDO_S)

    # --- chats -------------------------------------------------------------------------------

    async def create(
        self,
        caller: Principal,
        *,
        title: str = "",
        model: str | None = None,
        settings: Json | None = None,
    ) -> Json:
        """A new, empty chat. Raises InvalidRequest, TooLarge."""
        now = self._clock.now()
        chat = ChatRecord(
            id=new_id("cht"),
            owner_id=caller.user_id,
            created_at=now,
            updated_at=now,
            title=checked_title(title),
            model=model,
            settings=checked_settings(settings),
        )
        await self._store.chats.add(chat)
        return {**self._published(chat), "messages": []}

    async def list_chats(
        self, caller: Principal, *, words: str = "", after: str | None = None, limit: int = 50
    ) -> Json:
        """The caller's chats, last used first; `words`: only titles that contain them."""
        page = await self._store.chats.list(
            caller.user_id, title_part=words.strip() or None, after=after, limit=limit
        )
        return {"items": [chat_out(chat) for chat in page.items], "next": page.next}

    async def get(self, caller: Principal, chat_id: str) -> Json:
        """A chat with its messages, those that are being written as they are now."""
        chat = await self._own(caller, chat_id)
        messages = await self._messages(chat)
        return {**chat_out(chat), "messages": [message_out(message) for message in messages]}

    async def update(self, caller: Principal, chat_id: str, changes: Json) -> Json:
        """Renames a chat, or sets its model or settings; the chat without messages."""
        await self._own(caller, chat_id)
        checked = dict(changes)
        if "title" in checked:
            checked["title"] = checked_title(checked["title"] or "")
        if "settings" in checked:
            checked["settings"] = checked_settings(checked["settings"])
        return self._published(await self._store.chats.update(chat_id, **checked))

    async def delete(self, caller: Principal, chat_id: str) -> None:
        """Deletes a chat and stops what runs in it; `restore` has it back for ten minutes."""
        chat = await self._own(caller, chat_id)
        await self._store.chats.update(chat.id, deleted_at=self._clock.now())
        self.runs.stop_chat(chat.id)
        self._feed.publish(chat.owner_id, "chat", "delete", {"id": chat.id})

    async def restore(self, caller: Principal, chat_id: str) -> Json:
        """Has a deleted chat back."""
        await self._own(caller, chat_id, is_deleted=True)
        return self._published(await self._store.chats.update(chat_id, deleted_at=None))

    # --- messages ----------------------------------------------------------------------------

    async def send(self, caller: Principal, chat_id: str, new: NewMessage) -> Json:
        """Stores a message, starts the run that answers it; `{"message", "reply", "run"}`.

        A provider that cannot answer is said at once, and nothing is stored: ModelNotFound,
        ModelAmbiguous, TunnelStopped. One that is starting or loading makes the run wait. Raises
        InvalidRequest, TooLarge, TooMany, NotFound, Conflict (`answer_in_progress`) as well.
        """
        chat = await self._own(caller, chat_id)
        content = None if new.content is None else checked_content(new.content)
        settings = {**chat.settings, **checked_settings(new.settings)}
        model, picked = self._model(caller, new.model or chat.model)
        messages = await self._messages(chat)
        parent = _parent(messages, new)
        self._check_load(caller)
        now = self._clock.now()
        question = parent
        if content is not None:
            question = MessageRecord(
                id=new_id("msg"),
                chat_id=chat.id,
                parent_id=parent.id if parent is not None else None,
                role="user",
                content=content,
                created_at=now,
            )
        assert question is not None
        reply, run = _reply(caller, question, model, picked, now=now)
        added = [reply] if content is None else [question, reply]
        changes = {"updated_at": now, "model": model}
        if not chat.title:
            changes["title"] = title_of(question.content)
        body = request_body(model, branch_of([*messages, question], question.id), settings)
        with self.runs.beginning(run.id):
            await self._store.answers.begin(added, run, changes)
            self.runs.start(caller, run, reply, body)
        self._published(await self._store.chats.get(chat.id))
        return {
            "message": message_out(question),
            "reply": message_out(reply),
            "run": {"id": run.id, "status": run.status.value},
        }

    # --- helpers -----------------------------------------------------------------------------

    async def _own(
        self, caller: Principal, chat_id: str, *, is_deleted: bool = False
    ) -> ChatRecord:
        """The caller's chat; NotFound, in the same words, for a stranger's and for none."""
        chat = await self._store.chats.find(chat_id)
        if (
            chat is None
            or chat.owner_id != caller.user_id
            or (chat.deleted_at is not None) is not is_deleted
        ):
            raise NotFound(f"There is no chat '{chat_id[:80]}'.")
        return chat

    async def _messages(self, chat: ChatRecord) -> list[MessageRecord]:
        """All messages of a chat, oldest first, as they are now."""
        messages = self.runs.as_of_now(await self._store.messages.of_chat(chat.id))
        return sorted(messages, key=lambda message: (message.created_at, message.id))

    def _model(self, caller: Principal, model: str | None) -> tuple[str, Pick | None]:
        """The model's full id and where it is; None for the place while it is loading."""
        if not model:
            raise InvalidRequest(
                "This chat has no model yet.", code="model_missing", hint="Choose a model first."
            )
        try:
            picked = self.runs.pick(caller, model)
        except ModelLoading:
            return model, None
        provider = picked.provider
        is_own = provider.owner_id == caller.user_id
        prefix = provider.name if is_own else f"{provider.owner_name}:{provider.name}"
        # The full id: a bare name that is clear today may be ambiguous tomorrow.
        return f"{prefix}/{picked.upstream_model}", picked

    def _check_load(self, caller: Principal) -> None:
        running = [run for run in self.runs.active() if run.record.owner_id == caller.user_id]
        if len(running) >= MAX_RUNS_PER_USER:
            raise TooMany(
                f"{len(running)} of your answers are being written already.",
                hint="Stop one of them, or wait until one is done.",
                retry_after_s=5,
            )

    def _published(self, chat: ChatRecord) -> Json:
        out = chat_out(chat)
        self._feed.publish(chat.owner_id, "chat", "upsert", out)
        return out

    async def _tidy_often(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self.tidy()
            except AppError as error:
                LOG.warning("tidying chats failed: %s", error.code)
            except Exception as error:  # noqa: BLE001 - our own bug must not end the tidying
                LOG.error("tidying chats failed: %s", type(error).__name__)


def _parent(messages: list[MessageRecord], new: NewMessage) -> MessageRecord | None:
    """The message that the new one goes under; None for a new beginning."""
    if new.has_parent:
        parent = next((one for one in messages if one.id == new.parent_id), None)
        if parent is None and new.parent_id is not None:
            raise NotFound(f"There is no message '{new.parent_id[:80]}' in this chat.")
    else:
        parents = {message.parent_id for message in messages}
        leaves = [message for message in messages if message.id not in parents]
        parent = leaves[-1] if leaves else None
    if new.content is None and (parent is None or parent.role != "user"):
        raise InvalidRequest(
            "There is no question to answer again.",
            code="message_empty",
            hint="Write something, or name a message of yours as parent_id.",
        )
    if parent is not None and parent.status in _UNFINISHED:
        raise Conflict(
            "The answer above is still being written.",
            code="answer_in_progress",
            hint="Wait for it or stop it, and send again.",
            run_id=parent.run_id,
        )
    if new.content is not None and parent is not None and parent.role == "user" and new.has_parent:
        raise InvalidRequest(
            "A message goes under an answer, not under another message of yours.",
            hint="To edit a message, send the new one with the parent_id of the old one.",
        )
    return parent


def _reply(
    caller: Principal, question: MessageRecord, model: str, picked: Pick | None, *, now: float
) -> tuple[MessageRecord, RunRecord]:
    """The empty answer to a question, and the run that will write it."""
    status = MessageStatus.WAITING if picked is None else MessageStatus.STREAMING
    run = RunRecord(
        id=new_id("run"),
        chat_id=question.chat_id,
        message_id=new_id("msg"),
        owner_id=caller.user_id,
        model=model,
        request_id=new_id("req"),
        started_at=now,
        heartbeat_at=now,
        status=status,
    )
    reply = MessageRecord(
        id=run.message_id,
        chat_id=question.chat_id,
        parent_id=question.id,
        role="assistant",
        model=model,
        provider_id=None if picked is None else picked.provider.id,
        provider=None if picked is None else provider_out(picked.provider),
        status=status,
        run_id=run.id,
        # A moment later, so that an answer never sorts ahead of its question.
        created_at=now + 0.001,
    )
    return reply, run
