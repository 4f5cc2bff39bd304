"""Shares: one branch of a chat as it was at one moment, for the users whom its owner named."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.store.chats import CHATS
from underpass.store.messages import MESSAGES
from underpass.store.repository import MAX_PAGE_ITEMS, PAGE_ITEMS, Page, Repository, to_row
from underpass.store.tables import METADATA, Id, JsonValue, Seconds, Text, id_column, reference
from underpass.store.users import USERS

SHARES = sa.Table(
    "shares",
    METADATA,
    id_column(),
    sa.Column("chat_id", Id, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    reference("owner_id", "users.id"),
    sa.Column("title", Text, nullable=False),
    sa.Column("leaf_id", Id, nullable=False),
    sa.Column("messages", JsonValue, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.UniqueConstraint("chat_id"),
)

SHARE_USERS = sa.Table(
    "share_users",
    METADATA,
    reference("share_id", "shares.id", primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    sa.Index("ix_share_users_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRecord:
    """One share. `messages` is the transcript, first message first, as the API shows it."""

    id: str
    chat_id: str
    owner_id: str
    title: str
    leaf_id: str
    messages: list[dict[str, Any]]
    created_at: float


class Shares(Repository[ShareRecord]):
    """The shares of all users. What is shared of a deleted chat is as gone as the chat."""

    table = SHARES
    record = ShareRecord
    noun = "share"

    async def of_chat(self, chat_id: str) -> ShareRecord | None:
        """The chat's share, or None."""
        return await self._one(SHARES.c.chat_id == chat_id)

    async def shared(self, chat_ids: Sequence[str]) -> set[str]:
        """Which of these chats are shared."""
        statement = sa.select(SHARES.c.chat_id).where(SHARES.c.chat_id.in_(list(chat_ids)))
        async with self._database.read() as connection:
            return set((await connection.execute(statement)).scalars())

    async def put(self, record: ShareRecord, user_ids: Collection[str]) -> None:
        """Stores the share in the place of the one that its chat has, under the id of that one.

        Raises Conflict where a user or the chat went away meanwhile.
        """
        rows = [{"share_id": record.id, "user_id": user_id} for user_id in sorted(set(user_ids))]
        async with self._database.write() as connection:
            await connection.execute(SHARES.delete().where(SHARES.c.chat_id == record.chat_id))
            await connection.execute(SHARES.insert().values(to_row(record)))
            await connection.execute(SHARE_USERS.insert(), rows)

    async def user_names(self, share_id: str) -> tuple[str, ...]:
        """The names of those who may read it, sorted."""
        statement = (
            sa.select(USERS.c.name)
            .join(SHARE_USERS, SHARE_USERS.c.user_id == USERS.c.id)
            .where(SHARE_USERS.c.share_id == share_id)
        )
        async with self._database.read() as connection:
            return tuple(sorted((await connection.execute(statement)).scalars()))

    async def readable(self, share_id: str, user_id: str) -> ShareRecord | None:
        """The share, if this user owns it or was named in it; without messages deleted since."""
        found = await self._one(
            SHARES.c.id == share_id, _is_alive(), _is_for(user_id) | (SHARES.c.owner_id == user_id)
        )
        if found is None:
            return None
        statement = sa.select(MESSAGES.c.id).where(
            MESSAGES.c.chat_id == found.chat_id, MESSAGES.c.deleted_at.is_(None)
        )
        async with self._database.read() as connection:
            alive = set((await connection.execute(statement)).scalars())
        messages = [message for message in found.messages if message["id"] in alive]
        return ShareRecord(**{**to_row(found), "messages": messages})

    async def with_user(
        self, user_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[ShareRecord]:
        """What others share with a user, newest first; without the messages, which may be long."""
        columns = [column for column in SHARES.c if column is not SHARES.c.messages]
        statement = sa.select(*columns).where(_is_alive(), _is_for(user_id))
        if after is not None:
            statement = statement.where(SHARES.c.id < after)
        limit = max(1, min(limit, MAX_PAGE_ITEMS))
        async with self._database.read() as connection:
            rows = await connection.execute(statement.order_by(SHARES.c.id.desc()).limit(limit + 1))
            found = [ShareRecord(**row._mapping, messages=[]) for row in rows]
        items = tuple(found[:limit])
        return Page(items, items[-1].id if len(found) > limit else None)


def _is_alive() -> sa.ColumnElement[bool]:
    return sa.exists().where(CHATS.c.id == SHARES.c.chat_id, CHATS.c.deleted_at.is_(None))


def _is_for(user_id: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        SHARE_USERS.c.share_id == SHARES.c.id, SHARE_USERS.c.user_id == user_id
    )
