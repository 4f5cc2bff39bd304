"""Keys: secrets for programs, stored as hashes."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, Id, Seconds, Text, Words, id_column, reference

KEYS = sa.Table(
    "keys",
    METADATA,
    id_column(),
    reference("user_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column("hash", Id, nullable=False, unique=True),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("scopes", Words, nullable=False),
    sa.Column("model_allow", Words),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("expires_at", Seconds),
    sa.Column("revoked_at", Seconds),
    sa.Column("last_used_at", Seconds),
    sa.Column("requests_per_minute", sa.BigInteger),
    sa.Column("tokens_per_day", sa.BigInteger),
    sa.Index("ix_keys_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key. `prefix` is what a person recognises it by; `model_allow` None: every model."""

    id: str
    user_id: str
    name: str
    hash: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: float
    model_allow: tuple[str, ...] | None = None
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None


class Keys(Repository[KeyRecord]):
    """The keys of all users."""

    table = KEYS
    record = KeyRecord
    noun = "key"

    async def by_hash(self, hashed: str) -> KeyRecord | None:
        """The key with this hash, revoked and expired ones too; None if there never was one."""
        return await self._one(KEYS.c.hash == hashed)

    async def list(
        self, user_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[KeyRecord]:
        """A user's keys, newest first, revoked ones too."""
        return await self._page(KEYS.c.user_id == user_id, after=after, limit=limit)

    async def revoked_since(self, at: float) -> frozenset[str]:
        """Ids of the keys that were revoked at that time or later, by whichever process."""
        statement = sa.select(KEYS.c.id).where(KEYS.c.revoked_at >= at)
        async with self._database.read() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def note_used(self, used_at: dict[str, float]) -> None:
        """Write down when keys (by id) were last used, all in one transaction."""
        if not used_at:
            return
        statement = (
            KEYS.update()
            .where(KEYS.c.id == sa.bindparam("key_id"))
            .values(last_used_at=sa.bindparam("at"))
        )
        rows = [{"key_id": key_id, "at": at} for key_id, at in used_at.items()]
        async with self._database.write() as connection:
            await connection.execute(statement, rows)
