"""Chats: conversations, each a tree of messages."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import (
    METADATA,
    Id,
    JsonValue,
    Seconds,
    Text,
    id_column,
    partial_index,
    reference,
)

CHATS = sa.Table(
    "chats",
    METADATA,
    id_column(),
    reference("owner_id", "users.id"),
    sa.Column("title", Text, nullable=False),
    sa.Column("folder", Text),
    sa.Column("is_pinned", sa.Boolean, nullable=False),
    # No foreign key: messages point at chats already, and a head that is gone is no damage.
    sa.Column("head_id", Id),
    sa.Column("model", Text),
    sa.Column("settings", JsonValue, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("updated_at", Seconds, nullable=False),
    sa.Column("archived_at", Seconds),
    sa.Column("deleted_at", Seconds),
    sa.Index("ix_chats_owner_id_updated_at", "owner_id", "updated_at"),
    partial_index("ix_chats_deleted_at", "deleted_at", where="deleted_at IS NOT NULL"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRecord:
    """One conversation. `settings` are request fields for the model server, passed as they are;
    `head_id` is the newest message of the branch that was shown last."""

    id: str
    owner_id: str
    created_at: float
    updated_at: float
    title: str = ""
    folder: str | None = None
    is_pinned: bool = False
    head_id: str | None = None
    model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    archived_at: float | None = None
    deleted_at: float | None = None


class Chats(Repository[ChatRecord]):
    """The conversations of all users."""

    table = CHATS
    record = ChatRecord
    noun = "chat"

    async def list(
        self,
        owner_id: str,
        *,
        is_archived: bool | None = False,
        folder: str | None = None,
        after: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[ChatRecord]:
        """An owner's chats that are not deleted: pinned ones first, then last changed first.

        `is_archived` None: both kinds. `folder`: only those in it. The cursor is opaque.
        """
        conditions = listed(owner_id, is_archived=is_archived, folder=folder)
        # A number on both databases: PostgreSQL does not compare truth with what a cursor holds.
        pinned = sa.case((CHATS.c.is_pinned, 1), else_=0)
        if after is not None:
            key = sa.tuple_(pinned, CHATS.c.updated_at, CHATS.c.id)
            conditions.append(key < sa.tuple_(*_cursor(after)))
        order = (pinned.desc(), CHATS.c.updated_at.desc(), CHATS.c.id.desc())
        found = await self._all(*conditions, order_by=order, limit=limit + 1)
        items = found[:limit]
        if len(found) <= limit:
            return Page(items)
        last = items[-1]
        return Page(items, f"{int(last.is_pinned)}~{last.updated_at!r}~{last.id}")

    async def folders(self, owner_id: str) -> tuple[tuple[str, int], ...]:
        """The folders that an owner's chats are in, by name, and how many are in each."""
        statement = (
            sa.select(CHATS.c.folder, sa.func.count())
            .where(*listed(owner_id, is_archived=False, folder=None), CHATS.c.folder.is_not(None))
            .group_by(CHATS.c.folder)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return tuple(sorted(((str(name), int(count)) for name, count in rows), key=_by_name))

    async def remove_deleted(self, before: float) -> int:
        """Delete for good what was deleted before a time; how many there were."""
        return await self._delete(CHATS.c.deleted_at <= before)


def listed(
    owner_id: str, *, is_archived: bool | None, folder: str | None
) -> list[sa.ColumnElement[bool]]:
    """What holds for the chats that an owner wants to see."""
    conditions: list[sa.ColumnElement[bool]] = [
        CHATS.c.owner_id == owner_id,
        CHATS.c.deleted_at.is_(None),
    ]
    if is_archived is not None:
        archived = CHATS.c.archived_at.is_not(None)
        conditions.append(archived if is_archived else ~archived)
    if folder is not None:
        conditions.append(CHATS.c.folder == folder)
    return conditions


def _cursor(text: str) -> tuple[int, float, str]:
    try:
        pinned, changed, last_id = text.split("~", 2)
        return int(pinned == "1"), float(changed), last_id
    except ValueError:
        return 0, 0.0, ""  # a cursor that somebody made up: nothing is older, so the list is empty


def _by_name(folder: tuple[str, int]) -> tuple[str, str]:
    return folder[0].casefold(), folder[0]
