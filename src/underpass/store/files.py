"""Files: what people put into their messages, each with its content and what a model reads of it.

The content is in the database, in parts: several hubs on one PostgreSQL all see it, a backup holds
it, and it goes with the chat in one transaction (docs/decisions/0008).
"""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from underpass.store.repository import Repository, to_row
from underpass.store.tables import METADATA, EnumText, Seconds, Text, id_column, reference


class FileKind(StrEnum):
    """How a model gets to see a file."""

    IMAGE = "image"
    """As a picture."""
    TEXT = "text"
    """As the text that it is."""
    DOCUMENT = "document"
    """As the text that stands in it."""


FILES = sa.Table(
    "files",
    METADATA,
    id_column(),
    reference("owner_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column("kind", EnumText(FileKind), nullable=False),
    sa.Column("media_type", Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("text_chars", sa.Integer),
    sa.Column("pages", sa.Integer),
    sa.Column("is_used", sa.Boolean, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Index("ix_files_owner_id", "owner_id"),
)
FILE_PARTS = sa.Table(
    "file_parts",
    METADATA,
    reference("file_id", "files.id", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
FILE_TEXTS = sa.Table(
    "file_texts",
    METADATA,
    reference("file_id", "files.id", primary_key=True),
    sa.Column("text", Text, nullable=False),
)
MESSAGE_FILES = sa.Table(
    "message_files",
    METADATA,
    reference("message_id", "messages.id", primary_key=True),
    reference("file_id", "files.id", primary_key=True),
    sa.Index("ix_message_files_file_id", "file_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file. `is_used`: a message had it once, so it goes as soon as none has it any more."""

    id: str
    owner_id: str
    name: str
    kind: FileKind
    media_type: str
    bytes: int
    created_at: float
    text_chars: int | None = None
    pages: int | None = None
    is_used: bool = False


class Attached(Protocol):
    """What names files: a message with its attachments."""

    @property
    def id(self) -> str: ...
    @property
    def attachments(self) -> list[dict[str, Any]] | None: ...


class Files(Repository[FileRecord]):
    """The files of all users."""

    table = FILES
    record = FileRecord
    noun = "file"

    async def store(self, record: FileRecord, content: AsyncIterable[bytes], text: str) -> None:
        """Stores a file whole, or not at all. `text` is empty where there is none."""
        async with self._database.write() as connection:
            await connection.execute(FILES.insert().values(to_row(record)))
            number = 0
            async for data in content:
                number += 1
                row = {"file_id": record.id, "number": number, "data": data}
                await connection.execute(FILE_PARTS.insert().values(row))
            if text:
                await connection.execute(FILE_TEXTS.insert().values(file_id=record.id, text=text))

    async def of_owner(self, owner_id: str, file_ids: Sequence[str]) -> dict[str, FileRecord]:
        """Those of the files that are there and belong to this user, by id."""
        mine = FILES.c.owner_id == owner_id
        return {one.id: one for one in await self._all(mine, FILES.c.id.in_(list(file_ids)))}

    async def content(self, file_id: str) -> AsyncIterator[bytes]:
        """The bytes of a file, part by part; nothing for one that is gone."""
        number = 0
        while True:
            number += 1
            statement = sa.select(FILE_PARTS.c.data).where(
                FILE_PARTS.c.file_id == file_id, FILE_PARTS.c.number == number
            )
            # A transaction for each: whoever reads slowly holds no connection meanwhile.
            async with self._database.read() as connection:
                data = (await connection.execute(statement)).scalar()
            if data is None:
                return
            yield bytes(data)

    async def text(self, file_id: str) -> str:
        """What a model reads of a file; empty for a picture and for one that is gone."""
        statement = sa.select(FILE_TEXTS.c.text).where(FILE_TEXTS.c.file_id == file_id)
        async with self._database.read() as connection:
            return str((await connection.execute(statement)).scalar() or "")

    async def owned_bytes(self, owner_id: str) -> int:
        """How much a user's files take, in bytes."""
        statement = sa.select(sa.func.sum(FILES.c.bytes)).where(FILES.c.owner_id == owner_id)
        async with self._database.read() as connection:
            return int((await connection.execute(statement)).scalar() or 0)

    async def is_in_use(self, file_id: str) -> bool:
        """Whether a message has it."""
        statement = sa.select(MESSAGE_FILES.c.file_id).where(MESSAGE_FILES.c.file_id == file_id)
        async with self._database.read() as connection:
            return (await connection.execute(statement.limit(1))).first() is not None

    async def remove_unused(self, before: float) -> int:
        """Removes files that no message has: those that one had, and old ones; how many."""
        in_use = sa.exists().where(MESSAGE_FILES.c.file_id == FILES.c.id)
        return await self._delete(~in_use, FILES.c.is_used | (FILES.c.created_at <= before))


async def link_files(connection: AsyncConnection, messages: Sequence[Attached]) -> None:
    """Notes which files the new messages have, within the transaction that stores them."""
    pairs = {
        (message.id, str(one["id"])) for message in messages for one in message.attachments or ()
    }
    if not pairs:
        return
    rows = [{"message_id": message_id, "file_id": file_id} for message_id, file_id in sorted(pairs)]
    await connection.execute(MESSAGE_FILES.insert(), rows)
    used = sorted({file_id for _, file_id in pairs})
    await connection.execute(FILES.update().where(FILES.c.id.in_(used)).values(is_used=True))
