"""Users: who signs in."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.device_codes import DEVICE_CODES
from underpass.store.limits import LIMITS
from underpass.store.providers import PROVIDER_PERMISSIONS, SubjectKind
from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column

_AT_ONCE = 500
"""Ids in one question: databases take no endless list."""

USERS = sa.Table(
    "users",
    METADATA,
    id_column(),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("display_name", Text, nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("is_admin", sa.Boolean, nullable=False),
    sa.Column("is_disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("email", Text),
    sa.Index("uq_users_email", "email", unique=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """One user. `name` is lower-case and unique; no `password_hash`: cannot sign in by password.

    `email` is lower-case, unique, and known to be the user's: an admin or an issuer said so, never
    the user alone.
    """

    id: str
    name: str
    display_name: str
    created_at: float
    password_hash: str | None = None
    is_admin: bool = False
    is_disabled: bool = False
    email: str | None = None


class Users(Repository[UserRecord]):
    """The users of this hub."""

    table = USERS
    record = UserRecord
    noun = "user"

    async def by_name(self, name: str) -> UserRecord:
        """The user of that name, however it is capitalised. Raises NotFound."""
        found = await self.find_by_name(name)
        if found is None:
            raise NotFound("There is no user of that name.")
        return found

    async def find_by_name(self, name: str) -> UserRecord | None:
        """The user of that name, or None."""
        return await self._one(USERS.c.name == name.strip().lower())

    async def find_by_email(self, email: str) -> UserRecord | None:
        """The user with that address, however it is capitalised, or None."""
        return await self._one(USERS.c.email == email.strip().lower())

    async def list(self, *, after: str | None = None, limit: int = PAGE_ITEMS) -> Page[UserRecord]:
        """Everybody, newest first."""
        return await self._page(after=after, limit=limit)

    async def is_empty(self) -> bool:
        """Whether nobody exists yet: the hub has to be set up."""
        return not await self._all(limit=1)

    async def disabled(self) -> frozenset[str]:
        """Ids of the users that are disabled."""
        statement = sa.select(USERS.c.id).where(USERS.c.is_disabled.is_(True))
        async with self._database.read() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def missing(self, user_ids: Collection[str]) -> frozenset[str]:
        """Which of these are not there any more."""
        wanted, found = sorted(user_ids), set[str]()
        async with self._database.read() as connection:
            for at in range(0, len(wanted), _AT_ONCE):
                statement = sa.select(USERS.c.id).where(USERS.c.id.in_(wanted[at : at + _AT_ONCE]))
                found.update((await connection.execute(statement)).scalars())
        return frozenset(wanted) - found

    async def remove(self, record_id: str) -> None:
        """Delete a user and everything that is theirs; the audit trail stays. Raises NotFound."""
        async with self._database.write() as connection:
            # What names a user without pointing at one, so that it does not go by itself.
            for theirs in (
                LIMITS.delete().where(LIMITS.c.id == record_id),
                DEVICE_CODES.delete().where(DEVICE_CODES.c.user_id == record_id),
                PROVIDER_PERMISSIONS.delete().where(
                    PROVIDER_PERMISSIONS.c.subject_kind == SubjectKind.USER,
                    PROVIDER_PERMISSIONS.c.subject_id == record_id,
                ),
            ):
                await connection.execute(theirs)
            done = await connection.execute(USERS.delete().where(USERS.c.id == record_id))
        if done.rowcount == 0:
            raise self._missing()

    async def count_admins(self) -> int:
        """How many admins can sign in: the last one must stay."""
        active = USERS.c.is_admin.is_(True) & USERS.c.is_disabled.is_(False)
        return len(await self._all(active))
