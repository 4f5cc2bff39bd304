"""Groups: names for several users at once, for permissions."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column, reference

GROUPS = sa.Table(
    "groups",
    METADATA,
    id_column(),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("created_at", Seconds, nullable=False),
)

GROUP_MEMBERS = sa.Table(
    "group_members",
    METADATA,
    reference("group_id", "groups.id", primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    sa.Index("ix_group_members_user_id", "user_id"),
)

# Beside those that were put there by hand, so that neither takes the other away.
CLAIMED_MEMBERS = sa.Table(
    "claimed_members",
    METADATA,
    reference("group_id", "groups.id", primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    sa.Column("issuer", Text, primary_key=True),
    sa.Index("ix_claimed_members_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """One group. `name` is unique."""

    id: str
    name: str
    created_at: float


class Groups(Repository[GroupRecord]):
    """The groups, and who is in them."""

    table = GROUPS
    record = GroupRecord
    noun = "group"

    async def by_name(self, name: str) -> GroupRecord:
        """The group of that name. Raises NotFound."""
        found = await self.find_by_name(name)
        if found is None:
            raise NotFound("There is no group of that name.")
        return found

    async def find_by_name(self, name: str) -> GroupRecord | None:
        """The group of that name, or None."""
        return await self._one(GROUPS.c.name == name)

    async def list(self, *, after: str | None = None, limit: int = PAGE_ITEMS) -> Page[GroupRecord]:
        """All groups, newest first."""
        return await self._page(after=after, limit=limit)

    async def members(self, group_id: str) -> tuple[str, ...]:
        """Ids of the users in a group, sorted: by hand or by an issuer's word."""
        return await self._ids(
            *(sa.select(one.c.user_id).where(one.c.group_id == group_id) for one in _BOTH)
        )

    async def by_hand(self, group_id: str) -> tuple[str, ...]:
        """Ids of the users who were put into a group by hand, sorted."""
        table = GROUP_MEMBERS
        return await self._ids(sa.select(table.c.user_id).where(table.c.group_id == group_id))

    async def claimed(self, group_id: str) -> tuple[str, ...]:
        """Ids of the users who are in a group by an issuer's word, sorted."""
        table = CLAIMED_MEMBERS
        return await self._ids(sa.select(table.c.user_id).where(table.c.group_id == group_id))

    async def of_user(self, user_id: str) -> tuple[str, ...]:
        """Ids of the groups that a user is in, sorted."""
        return await self._ids(
            *(sa.select(one.c.group_id).where(one.c.user_id == user_id) for one in _BOTH)
        )

    async def set_members(self, group_id: str, user_ids: tuple[str, ...]) -> None:
        """Replace who is in a group by hand. Raises Conflict where a user does not exist."""
        rows = [{"group_id": group_id, "user_id": user_id} for user_id in sorted(set(user_ids))]
        async with self._database.write() as connection:
            await connection.execute(
                GROUP_MEMBERS.delete().where(GROUP_MEMBERS.c.group_id == group_id)
            )
            if rows:
                await connection.execute(GROUP_MEMBERS.insert(), rows)

    async def set_claimed(self, user_id: str, issuer: str, group_ids: tuple[str, ...]) -> bool:
        """Replace the groups that a user is in by this issuer's word; whether that changed any."""
        table = CLAIMED_MEMBERS
        mine = (table.c.user_id == user_id) & (table.c.issuer == issuer)
        rows = [
            {"group_id": group_id, "user_id": user_id, "issuer": issuer}
            for group_id in sorted(set(group_ids))
        ]
        async with self._database.write() as connection:
            before = set(
                (await connection.execute(sa.select(table.c.group_id).where(mine))).scalars()
            )
            if before == set(group_ids):
                return False
            await connection.execute(table.delete().where(mine))
            if rows:
                await connection.execute(table.insert(), rows)
        return True

    async def _ids(self, *statements: sa.Select[Any]) -> tuple[str, ...]:
        found: set[str] = set()
        async with self._database.read() as connection:
            for statement in statements:
                found.update((await connection.execute(statement)).scalars())
        return tuple(sorted(found))


_BOTH = (GROUP_MEMBERS, CLAIMED_MEMBERS)
