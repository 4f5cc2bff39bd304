"""Chats: what the API calls. Everything here is asked by somebody, and only owners get answers.

A chat that belongs to another user is as unknown as one that never was, for admins too.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

from underpass.chat.asking import DoorLike, ask_through
from underpass.chat.branches import Branches
from underpass.chat.check import checked_content, checked_folder, checked_settings, checked_title
from underpass.chat.continuing import check_continuable, in_progress
from underpass.chat.desk import Desk, find_message
from underpass.chat.files.service import Files
from underpass.chat.places import Place, Wake
from underpass.chat.presets import Presets
from underpass.chat.prompt import branch_of, request_body
from underpass.chat.runs import Runs
from underpass.chat.shapes import Json, message_out, provider_out
from underpass.chat.sharing import Sharing
from underpass.chat.shelves import Memory
from underpass.chat.snippets import snippet
from underpass.chat.titles import title_of
from underpass.chat.transfer import Transfer
from underpass.chat.tree import head_of
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import (
    AppError,
    Conflict,
    InvalidRequest,
    NotFound,
    TooMany,
)
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import UNFINISHED, MessageStatus
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.store import ChatRecord, MessageRecord, RunRecord, Store, words_of

UNDO_S = 600.0
"""How long a deleted chat can be had back."""
TIDY_S = 15.0
MAX_RUNS_PER_USER = 64
LOG = logging.getLogger(__name__)


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
    attachments: tuple[str, ...] = ()
    """Ids of files; with one the content may be empty."""


class Chats:
    """The chats, messages and runs of all users."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        feed: Feed,
        door: DoorLike,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        wake: Wake | None = None,
    ) -> None:
        """`wake` is asked for sessions that a message waits for."""
        self._store = store
        self._clock = clock or SystemClock()
        self._task: asyncio.Task[None] | None = None
        self._memory = Memory(self._clock)
        self.files = files or Files(store, self._clock)
        self.runs = Runs(
            store,
            registry,
            feed,
            ask_through(door),
            memory=self._memory,
            fill=self.files.fill,
            clock=self._clock,
            wake=wake,
        )
        self._desk = Desk(store, feed, self._memory, self.runs, self._clock)
        self.branches = Branches(self._desk)
        self.transfer = Transfer(self._desk)
        self.sharing = Sharing(self._desk)
        self.presets = Presets(store, self._clock)

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
        """Lets go of what is over: ended runs in memory, what was deleted a while ago, temporary
        chats that nobody uses, and files that no message has."""
        await self.runs.tidy()
        self._memory.tidy()
        await self._store.chats.remove_deleted(self._clock.now() - UNDO_S)
        await self._store.messages.remove_deleted(self._clock.now() - UNDO_S)
        await self.files.tidy()

    # --- chats -------------------------------------------------------------------------------

    async def create(
        self,
        caller: Principal,
        *,
        title: str = "",
        model: str | None = None,
        settings: Json | None = None,
        folder: str | None = None,
        is_temporary: bool = False,
    ) -> Json:
        """A new, empty chat. Raises InvalidRequest, TooLarge, TooMany."""
        now = self._clock.now()
        chat = ChatRecord(
            id=new_id("cht"),
            owner_id=caller.user_id,
            created_at=now,
            updated_at=now,
            title=checked_title(title),
            model=model,
            settings=checked_settings(settings),
            folder=checked_folder(folder),
        )
        await self._desk.new_shelf(is_temporary=is_temporary).add(chat)
        return {**await self._desk.publish(chat), "messages": []}

    async def list_chats(
        self,
        caller: Principal,
        *,
        words: str = "",
        folder: str | None = None,
        is_archived: bool | None = False,
        after: str | None = None,
        limit: int = 50,
    ) -> Json:
        """The caller's chats, pinned ones first, then last used first; `is_archived` None: all.

        `words`: only those whose title or one of whose messages holds all of them, best first,
        each with its `match`.
        """
        if words.strip():
            return await self._found(
                caller,
                words_of(words),
                folder=folder,
                is_archived=is_archived,
                after=after,
                limit=limit,
            )
        page = await self._store.chats.list(
            caller.user_id, is_archived=is_archived, folder=folder, after=after, limit=limit
        )
        return {"items": await self._desk.show_all(page.items), "next": page.next}

    async def list_folders(self, caller: Principal) -> Json:
        """The folders of the caller's chats, by name."""
        found = await self._store.chats.folders(caller.user_id)
        return {"items": [{"name": name, "chats": count} for name, count in found], "next": None}

    async def get(self, caller: Principal, chat_id: str) -> Json:
        """A chat with its messages, those that are being written as they are now."""
        chat = await self._desk.own(caller, chat_id)
        messages = await self._desk.messages(chat)
        shown = [message_out(message) for message in messages]
        return {**await self._desk.show(chat), "messages": shown}

    async def update(self, caller: Principal, chat_id: str, changes: Json) -> Json:
        """Changes what `changes` names; the chat without messages. Raises NotFound as well for
        a `head_id` that is no message of the chat."""
        chat = await self._desk.own(caller, chat_id)
        checked = dict(changes)
        if "title" in checked:
            checked["title"] = checked_title(checked["title"] or "")
        if "settings" in checked:
            checked["settings"] = checked_settings(checked["settings"])
        if "folder" in checked:
            checked["folder"] = checked_folder(checked["folder"])
        if "is_pinned" in checked:
            checked["is_pinned"] = bool(checked["is_pinned"])
        if "is_archived" in checked:
            is_archived = bool(checked.pop("is_archived"))
            checked["archived_at"] = self._clock.now() if is_archived else None
        if checked.get("head_id") is not None:
            await self._desk.message(chat, checked["head_id"])
        changed = await self._desk.shelf(chat).update(chat.id, **checked)
        return await self._desk.publish(changed)

    async def delete(self, caller: Principal, chat_id: str) -> None:
        """Deletes a chat and stops what runs in it; `restore` has it back for ten minutes, unless
        it was a temporary one."""
        chat = await self._desk.own(caller, chat_id)
        if self._memory.holds(chat.id):
            self._memory.remove(chat.id)
        else:
            await self._store.chats.update(chat.id, deleted_at=self._clock.now())
        self.runs.stop_chat(chat.id)
        self._desk.publish_gone(chat)

    async def restore(self, caller: Principal, chat_id: str) -> Json:
        """Has a deleted chat back."""
        await self._desk.own(caller, chat_id, is_deleted=True)
        return await self._desk.publish(await self._store.chats.update(chat_id, deleted_at=None))

    # --- messages ----------------------------------------------------------------------------

    async def send(self, caller: Principal, chat_id: str, new: NewMessage) -> Json:
        """Stores a message, starts the run that answers it; `{"message", "reply", "run"}`.

        One's own provider that cannot answer yet makes the run wait. What never will is said at
        once, and nothing is stored: ModelNotFound, ModelAmbiguous, TunnelStopped (somebody
        else's). Raises InvalidRequest, TooLarge, TooMany, NotFound (chat, parent, file), Conflict
        (`answer_in_progress`) as well.
        """
        chat = await self._desk.own(caller, chat_id)
        content = new.content
        if content is not None:
            content = checked_content(content, has_files=bool(new.attachments))
        settings = {**chat.settings, **checked_settings(new.settings)}
        place = await self.runs.places.find(caller, new.model or chat.model)
        files = await self._attached(caller, chat, new, place)
        messages = await self._desk.messages(chat)
        parent = _parent(messages, new, chat.head_id)
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
                attachments=files or None,
                created_at=now,
            )
        assert question is not None
        body = request_body(place.model, branch_of([*messages, question], question.id), settings)
        reply, run = _reply(caller, question, place, body, now=now)
        added = [reply] if content is None else [question, reply]
        changes = {"updated_at": now, "model": place.model, "head_id": reply.id}
        if not chat.title:
            names = [file["name"] for file in question.attachments or ()]
            changes["title"] = title_of(question.content or ", ".join(names))
        with self.runs.beginning(run.id):
            await self._desk.shelf(chat).begin(added, run, changes)
            self._desk.publish_messages(chat, added[:-1])
            self.runs.start(caller, run, reply, body)
        await self._desk.publish(await self._desk.own(caller, chat.id))
        return _sent(question, reply, run)

    async def continue_answer(
        self, caller: Principal, chat_id: str, message_id: str, *, model: str | None = None
    ) -> Json:
        """Starts a run that goes on with an answer that ended early, in the same message.

        `{"message": the question, "reply", "run"}`. Raises as `send` does, and InvalidRequest
        (`not_continuable`) for an answer that is whole, or that has no text to go on with.
        """
        chat = await self._desk.own(caller, chat_id)
        messages = await self._desk.messages(chat)
        answer = find_message(messages, message_id)
        check_continuable(answer)
        place = await self.runs.places.find(caller, model or answer.model or chat.model)
        self._check_load(caller)
        now = self._clock.now()
        branch = branch_of(messages, answer.id)
        body = request_body(place.model, branch, chat.settings)
        run = _run(caller, answer, place, body, now=now)
        changes: Json = {
            "status": run.status,
            "run_id": run.id,
            "model": place.model,
            "waiting": place.waiting,
            "continued_chars": len(answer.content),
            "error": None,
            "finish_reason": None,
        }
        reply = replace(answer, **changes)
        with self.runs.beginning(run.id):
            try:
                await self._desk.shelf(chat).resume(
                    answer, changes, run, {"updated_at": now, "head_id": answer.id}
                )
            except Conflict as error:
                raise in_progress(await self._desk.message(chat, answer.id)) from error
            self.runs.start(caller, run, reply, body)
        await self._desk.publish(await self._desk.own(caller, chat.id))
        question = next((one for one in messages if one.id == answer.parent_id), answer)
        return _sent(question, reply, run)

    # --- helpers -----------------------------------------------------------------------------

    async def _found(
        self, caller: Principal, words: list[str], *, limit: int, **scope: Any
    ) -> Json:
        page = await self._store.search.find(caller.user_id, words, limit=limit, **scope)
        items = await self._desk.show_all([hit.chat for hit in page.items])
        for item, hit in zip(items, page.items, strict=True):
            item["match"] = {"message_id": hit.message_id, **snippet(hit.text, words)}
        return {"items": items, "next": page.next}

    async def _attached(
        self, caller: Principal, chat: ChatRecord, new: NewMessage, place: Place
    ) -> list[Json]:
        """The files of a new message, if this chat and this model can have them."""
        if not new.attachments:
            return []
        if new.content is None:
            raise InvalidRequest(
                "Files go with a new message, not with another answer to an old one."
            )
        is_temporary = self._memory.holds(chat.id)
        files = await self.files.attached(caller, new.attachments, is_temporary=is_temporary)
        if not place.takes_images and any(file["kind"] == "image" for file in files):
            raise InvalidRequest(
                f"The model '{place.model}' does not take pictures.",
                code="model_takes_no_images",
                hint="Choose a model that does, or leave the picture out.",
            )
        return files

    def _check_load(self, caller: Principal) -> None:
        running = [run for run in self.runs.active() if run.record.owner_id == caller.user_id]
        if len(running) >= MAX_RUNS_PER_USER:
            raise TooMany(
                f"{len(running)} of your answers are being written already.",
                hint="Stop one of them, or wait until one is done.",
                retry_after_s=5,
            )

    async def _tidy_often(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self.tidy()
            except AppError as error:
                LOG.warning("tidying chats failed: %s", error.code)
            except Exception as error:  # noqa: BLE001 - our own bug must not end the tidying
                LOG.error("tidying chats failed: %s", type(error).__name__)


def _parent(
    messages: list[MessageRecord], new: NewMessage, head_id: str | None
) -> MessageRecord | None:
    """The message that the new one goes under; None for a new beginning."""
    if new.has_parent:
        parent = next((one for one in messages if one.id == new.parent_id), None)
        if parent is None and new.parent_id is not None:
            raise NotFound(f"There is no message '{new.parent_id[:80]}' in this chat.")
    else:
        parent = head_of(messages, head_id)
    if new.content is None and (parent is None or parent.role != "user"):
        raise InvalidRequest(
            "There is no question to answer again.",
            code="message_empty",
            hint="Write something, or name a message of yours as parent_id.",
        )
    if parent is not None and parent.status in UNFINISHED:
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
    caller: Principal, question: MessageRecord, place: Place, body: Json, *, now: float
) -> tuple[MessageRecord, RunRecord]:
    """The empty answer to a question, and the run that will write it."""
    reply = MessageRecord(
        id=new_id("msg"),
        chat_id=question.chat_id,
        parent_id=question.id,
        role="assistant",
        model=place.model,
        provider_id=place.picked.provider.id,
        provider=provider_out(place.picked.provider),
        waiting=place.waiting,
        # A moment later, so that an answer never sorts ahead of its question.
        created_at=now + 0.001,
    )
    run = _run(caller, reply, place, body, now=now)
    return replace(reply, status=run.status, run_id=run.id), run


def _run(
    caller: Principal, reply: MessageRecord, place: Place, body: Json, *, now: float
) -> RunRecord:
    """A run that writes an answer, or goes on with it; one that waits keeps what it will ask."""
    is_waiting = place.waiting is not None
    return RunRecord(
        id=new_id("run"),
        chat_id=reply.chat_id,
        message_id=reply.id,
        owner_id=caller.user_id,
        model=place.model,
        request_id=new_id("req"),
        started_at=now,
        heartbeat_at=now,
        status=MessageStatus.WAITING if is_waiting else MessageStatus.STREAMING,
        asked=body if is_waiting else None,
    )


def _sent(question: MessageRecord, reply: MessageRecord, run: RunRecord) -> Json:
    return {
        "message": message_out(question),
        "reply": message_out(reply),
        "run": {"id": run.id, "status": run.status.value},
    }
