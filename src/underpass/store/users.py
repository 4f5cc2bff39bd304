"""Users: who signs in."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column

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

    async def count_admins(self) -> int:
        """How many admins can sign in: the last one must stay."""
        active = USERS.c.is_admin.is_(True) & USERS.c.is_disabled.is_(False)
        return len(await self._all(active))
