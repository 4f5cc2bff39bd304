"""Chats out of the hub and into it again, as files."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from underpass.chat import exports, imports
from underpass.chat.desk import Desk, find_message
from underpass.chat.shapes import Json
from underpass.chat.tree import branch_to, head_of
from underpass.core.errors import AppError, InvalidRequest
from underpass.core.principal import Principal

PAGE_CHATS = 50


@dataclass(frozen=True, slots=True)
class File:
    """An export to be downloaded."""

    content: bytes
    media_type: str
    disposition: str


class Transfer:
    """Exports and imports."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def export(
        self, caller: Principal, chat_id: str, *, is_markdown: bool, leaf_id: str | None = None
    ) -> File:
        """One chat: all of its tree as JSON, or the branch up to `leaf_id` (None: the one that was
        shown last) as Markdown. Raises NotFound."""
        chat = await self._desk.own(caller, chat_id)
        messages = await self._desk.messages(chat)
        leaf = find_message(messages, leaf_id) if leaf_id else head_of(messages, chat.head_id)
        if is_markdown:
            branch = branch_to(messages, leaf.id if leaf is not None else None)
            text = exports.as_markdown(chat, branch)
            return File(
                text.encode("utf-8", "replace"),
                "text/markdown; charset=utf-8",
                exports.disposition(chat.title, "md"),
            )
        chosen = branch_to(messages, leaf_id) if leaf_id else messages
        head = exports.head(self._desk.clock.now())
        document = {**head, "chats": [exports.as_json(chat, chosen)]}
        return File(
            json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "replace"),
            "application/json",
            exports.disposition(chat.title, "json"),
        )

    async def export_all(self, caller: Principal) -> AsyncIterator[bytes]:
        """All of the caller's chats as one JSON document, chat by chat: it may be long."""
        head = json.dumps(exports.head(self._desk.clock.now()))
        yield f'{head[:-1]}, "chats": ['.encode()
        after, comma = None, "\n"
        while True:
            page = await self._desk.store.chats.list(
                caller.user_id, is_archived=None, after=after, limit=PAGE_CHATS
            )
            for chat in page.items:
                shown = exports.as_json(chat, await self._desk.messages(chat))
                text = json.dumps(shown, ensure_ascii=False)
                yield f"{comma}{text}".encode("utf-8", "replace")
                comma = ",\n"
            after = page.next
            if after is None:
                break
        yield b"\n]}\n"

    async def import_chats(self, caller: Principal, body: bytes, *, is_markdown: bool) -> Json:
        """Stores the chats of an export as new ones; `{"items"}`. All of them or none.

        Raises InvalidRequest (`import_unreadable`), TooLarge.
        """
        read = imports.from_markdown if is_markdown else imports.from_json
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                "This file is no text in UTF-8.",
                code="import_unreadable",
                hint="Take a file that Export has made.",
            ) from error
        # A large file takes a while to read, and others are served by this loop.
        found = await asyncio.to_thread(
            read, text, owner_id=caller.user_id, now=self._desk.clock.now()
        )
        await self._add(found)
        return {"items": [await self._desk.publish(chat) for chat, _ in found], "next": None}

    async def _add(self, found: list[imports.Whole]) -> None:
        """Stores the chats one by one, so that nobody else has to wait for them all; after an
        error there is none of them."""
        added: list[str] = []
        try:
            for whole in found:
                await self._desk.store.messages.add_chats([whole])
                added.append(whole[0].id)
        except BaseException:
            for chat_id in added:
                with contextlib.suppress(AppError):
                    await self._desk.store.chats.remove(chat_id)
            raise
