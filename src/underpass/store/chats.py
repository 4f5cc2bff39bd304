"""Chats: conversations, each a tree of messages."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, JsonValue, Seconds, Text, id_column, reference

CHATS = sa.Table(
    "chats",
    METADATA,
    id_column(),
    reference("owner_id", "users.id"),
    sa.Column("title", Text, nullable=False),
    sa.Column("model", Text),
    sa.Column("settings", JsonValue, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("updated_at", Seconds, nullable=False),
    sa.Column("archived_at", Seconds),
    sa.Column("deleted_at", Seconds),
    sa.Index("ix_chats_owner_id_updated_at", "owner_id", "updated_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRecord:
    """One conversation. `settings` are request fields for the model server, passed as they are."""

    id: str
    owner_id: str
    created_at: float
    updated_at: float
    title: str = ""
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
        title_part: str | None = None,
        after: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[ChatRecord]:
        """An owner's chats that are not deleted, last changed first.

        `is_archived` None: both kinds. `title_part`: only titles that contain it, whatever the
        case. The cursor is opaque.
        """
        conditions = [CHATS.c.owner_id == owner_id, CHATS.c.deleted_at.is_(None)]
        if is_archived is not None:
            archived = CHATS.c.archived_at.is_not(None)
            conditions.append(archived if is_archived else ~archived)
        if title_part:
            conditions.append(CHATS.c.title.icontains(title_part, autoescape=True))
        if after is not None:
            changed, _, last_id = after.partition("~")
            key = sa.tuple_(CHATS.c.updated_at, CHATS.c.id)
            conditions.append(key < sa.tuple_(_cursor_time(changed), last_id))
        order = (CHATS.c.updated_at.desc(), CHATS.c.id.desc())
        found = await self._all(*conditions, order_by=order, limit=limit + 1)
        items = found[:limit]
        if len(found) <= limit:
            return Page(items)
        return Page(items, f"{items[-1].updated_at!r}~{items[-1].id}")

    async def remove_deleted(self, before: float) -> int:
        """Delete for good what was deleted before a time; how many there were."""
        return await self._delete(CHATS.c.deleted_at <= before)


def _cursor_time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # a cursor that somebody made up: nothing is older, so the list is empty
