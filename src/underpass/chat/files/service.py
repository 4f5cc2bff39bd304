"""Files as their owners and the runs see them. A stranger's file is as unknown as none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

from underpass.chat.files import parts
from underpass.chat.files.documents import MAX_CHARS
from underpass.chat.files.held import Held
from underpass.chat.files.reading import Readers
from underpass.chat.files.sniff import SNIFF_BYTES, decode, file_name, sniff
from underpass.core.clock import Clock
from underpass.core.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    StorageError,
    TooLarge,
    TooMany,
)
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.times import iso
from underpass.gateway.spool import Spool
from underpass.store import FileKind, FileRecord, Store

Json = dict[str, Any]

MAX_FILE_BYTES = 20 << 20
MAX_OWNED_BYTES = 2 << 30
MAX_ATTACHMENTS = 20
"""Of one message."""
MAX_IN_MEMORY = 8
"""Files of temporary chats that may come at a time: each is in memory as a whole."""
UNUSED_S = 86_400.0
"""How long a file waits for a message that has it."""
_MEMORY_BYTES = 256 * 1024
_CUT = "\n\n[The file goes on; this is what fits.]"


class Files:
    """The files of all users."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_owned_bytes: int = MAX_OWNED_BYTES,
    ) -> None:
        self.max_file_bytes = max_file_bytes
        self._max_owned_bytes = max_owned_bytes
        self._store = store
        self._clock = clock
        self._readers = Readers()
        self._held = Held(clock)
        self._in_memory = 0
        self._storing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- for their owners --------------------------------------------------------------------

    async def upload(
        self,
        caller: Principal,
        name: str,
        content: AsyncIterable[bytes],
        *,
        is_temporary: bool = False,
    ) -> Json:
        """Takes a file and reads its text; one for a temporary chat never meets a disk.

        Raises TooLarge (`file_too_big`, `files_full`), InvalidRequest (`file_empty`,
        `file_encrypted`, `file_unreadable`), UnsupportedMedia, TooMany, StorageError.
        """
        if is_temporary and self._in_memory >= MAX_IN_MEMORY:
            raise TooMany(
                "Many files of temporary chats are on their way already.",
                hint="Send the file again in a moment.",
                retry_after_s=5,
            )
        spool = Spool(self.max_file_bytes if is_temporary else _MEMORY_BYTES, None)
        self._in_memory += is_temporary
        try:
            head = await self._receive(spool, content)
            record, text = await self._look_at(caller, file_name(name), head, spool)
            if is_temporary:
                self._held.add(record, spool.in_memory(), text)
            else:
                # One after another for each owner: two at once could both find the last room.
                async with self._storing.setdefault(caller.user_id, asyncio.Lock()):
                    await self._check_room(caller, record.bytes)
                    await self._store.files.store(record, spool.read(), text)
        finally:
            self._in_memory -= is_temporary
            spool.close()
        return file_out(record)

    async def get(self, caller: Principal, file_id: str) -> FileRecord:
        """One file; NotFound, in the same words, for a stranger's and for none."""
        held = self._held.find(file_id)
        found = await self._store.files.find(file_id) if held is None else held.record
        if found is None or found.owner_id != caller.user_id:
            raise NotFound(f"There is no file '{file_id[:80]}'.")
        return found

    async def content(
        self, caller: Principal, file_id: str
    ) -> tuple[FileRecord, AsyncIterator[bytes]]:
        """A file and its bytes. Raises NotFound at once."""
        record = await self.get(caller, file_id)
        return record, self._content(record.id)

    async def text(self, caller: Principal, file_id: str) -> str:
        """What a model reads of a file. Raises NotFound, for a picture too."""
        record = await self.get(caller, file_id)
        if record.kind is FileKind.IMAGE:
            raise NotFound(
                f"The file '{record.name}' is a picture: there is no text of it.",
                code="file_has_no_text",
            )
        return await self._text(record.id)

    async def remove(self, caller: Principal, file_id: str) -> None:
        """Removes a file that no message has. Raises NotFound, Conflict (`file_in_use`)."""
        record = await self.get(caller, file_id)
        if self._held.find(record.id) is not None:
            self._held.remove(record.id)
            return
        if await self._store.files.is_in_use(record.id):
            raise Conflict(
                "A message has this file.",
                code="file_in_use",
                hint="Delete that message, or its chat: the file goes with it.",
            )
        await self._store.files.remove(record.id)

    # --- for chats ---------------------------------------------------------------------------

    async def attached(
        self, caller: Principal, file_ids: Sequence[str], *, is_temporary: bool = False
    ) -> list[Json]:
        """The files as a message keeps them, in the order they were named.

        Those of a temporary chat are temporary, and those of any other are not. Raises
        InvalidRequest (`too_many_files`, `file_temporary`, `file_not_temporary`), NotFound.
        """
        wanted = list(dict.fromkeys(file_ids))
        if len(wanted) > MAX_ATTACHMENTS:
            raise InvalidRequest(
                f"A message takes at most {MAX_ATTACHMENTS} files; this one has {len(wanted)}.",
                code="too_many_files",
                hint="Send the others with another message.",
            )
        held = self._held.of_owner(caller.user_id, wanted)
        stored = await self._store.files.of_owner(caller.user_id, wanted) if wanted else {}
        found = held if is_temporary else stored
        for file_id in wanted:
            if file_id not in held and file_id not in stored:
                raise NotFound(f"There is no file '{file_id[:80]}'.", hint="Add the file again.")
            if file_id not in found:
                raise _of_the_other_kind(is_temporary)
        return [attachment_out(found[file_id]) for file_id in wanted]

    async def fill(self, owner_id: str, body: Json, takes_images: bool) -> Json:
        """The body with the files themselves in the place of their placeholders.

        What does not fit, or is gone, is named instead: the newest files come first.
        """
        wanted = parts.places(body)
        if not wanted:
            return body
        ids = [one["id"] for one in wanted]
        records = await self._store.files.of_owner(owner_id, ids)
        records |= self._held.of_owner(owner_id, ids)
        budget = {True: parts.MAX_IMAGE_BYTES, False: parts.MAX_TEXT_CHARS}
        shown: dict[str, Json] = {}
        for one in wanted:
            record = records.get(one["id"])
            if one["id"] in shown:
                continue
            if record is None:
                shown[one["id"]] = parts.left_out(one["name"], "it is not there any more.")
                continue
            is_image = record.kind is FileKind.IMAGE
            size = record.bytes if is_image else record.text_chars or 0
            if is_image and not takes_images:
                why = "this model does not take pictures."
                shown[record.id] = parts.left_out(record.name, why)
            elif size > budget[is_image]:
                shown[record.id] = parts.left_out(record.name, "there are too many files.")
            else:
                budget[is_image] -= size
                shown[record.id] = await self._part(record)
        return parts.filled(body, shown)

    async def tidy(self) -> None:
        """Removes what no message has: at once if one had it, else after a day."""
        self._held.tidy()
        await self._store.files.remove_unused(self._clock.now() - UNUSED_S)

    # --- helpers -----------------------------------------------------------------------------

    async def _receive(self, spool: Spool, content: AsyncIterable[bytes]) -> bytes:
        head = bytearray()
        async for data in content:
            if spool.size + len(data) > self.max_file_bytes:
                raise too_big(self.max_file_bytes)
            head += data[: max(0, SNIFF_BYTES - len(head))]
            try:
                await spool.add(data)
            except StorageError as error:
                raise StorageError(
                    "The hub has no room to receive this file.", hint="Tell the hub's admin."
                ) from error
        return bytes(head)

    async def _look_at(
        self, caller: Principal, name: str, head: bytes, spool: Spool
    ) -> tuple[FileRecord, str]:
        sniffed = sniff(head)
        text, pages, media_type = "", None, sniffed.media_type
        if sniffed.kind is FileKind.TEXT:
            whole = b"".join([data async for data in spool.read()])
            # A large one takes a moment, and others are served by this loop.
            text = await asyncio.to_thread(decode, whole)
            if len(text) > MAX_CHARS:
                text = text[:MAX_CHARS] + _CUT
            if not text.strip():
                raise _without_text("The file holds nothing but blanks.")
        elif sniffed.kind is FileKind.DOCUMENT:
            read = await self._readers.read(spool.read(), media_type)
            text, pages, media_type = read.text, read.pages, read.media_type
            if not text:
                raise _without_text("The document holds no text: it may be a scan.")
        record = FileRecord(
            id=new_id("fil"),
            owner_id=caller.user_id,
            name=name,
            kind=sniffed.kind,
            media_type=media_type,
            bytes=spool.size,
            created_at=self._clock.now(),
            text_chars=None if sniffed.kind is FileKind.IMAGE else len(text),
            pages=pages,
        )
        return record, text

    async def _check_room(self, caller: Principal, size: int) -> None:
        owned = await self._store.files.owned_bytes(caller.user_id)
        if owned + size > self._max_owned_bytes:
            raise TooLarge(
                f"Your files would take more than {_in_mb(self._max_owned_bytes)}.",
                code="files_full",
                hint="Delete chats whose files you do not need any more.",
            )

    async def _part(self, record: FileRecord) -> Json:
        if record.kind is FileKind.IMAGE:
            data = b"".join([part async for part in self._content(record.id)])
            return parts.picture(record.media_type, data)
        return parts.text_of_file(record.name, await self._text(record.id))

    async def _content(self, file_id: str) -> AsyncIterator[bytes]:
        held = self._held.find(file_id)
        if held is not None:
            yield held.content
            return
        async for part in self._store.files.content(file_id):
            yield part

    async def _text(self, file_id: str) -> str:
        held = self._held.find(file_id)
        return await self._store.files.text(file_id) if held is None else held.text


def file_out(record: FileRecord) -> Json:
    """A file as the API shows it."""
    return {
        **attachment_out(record),
        "pages": record.pages,
        "created_at": iso(record.created_at),
    }


def attachment_out(record: FileRecord) -> Json:
    """A file as its message shows it."""
    return {
        "id": record.id,
        "name": record.name,
        "kind": record.kind.value,
        "media_type": record.media_type,
        "bytes": record.bytes,
        "text_chars": record.text_chars,
    }


def too_big(most_bytes: int) -> TooLarge:
    """What is said of a file over the limit, before or while it comes."""
    return TooLarge(
        f"The file is larger than {_in_mb(most_bytes)}, which is the limit here.",
        code="file_too_big",
        hint="Send a smaller part of it.",
    )


def _of_the_other_kind(is_temporary: bool) -> InvalidRequest:
    if is_temporary:
        return InvalidRequest(
            "This file is kept at the hub, and a temporary chat keeps nothing.",
            code="file_not_temporary",
            hint="Add the file again, as a temporary one.",
        )
    return InvalidRequest(
        "This file was added for a temporary chat.",
        code="file_temporary",
        hint="Add the file again, for a chat that is kept.",
    )


def _without_text(message: str) -> InvalidRequest:
    return InvalidRequest(
        message, code="file_unreadable", hint="Paste its text, or send it as a picture."
    )


def _in_mb(size: int) -> str:
    return f"{size / (1 << 20):g} MiB"
