"""Usage: how much passed through the gateway, summed per day, user and provider."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from underpass.store.database import Database
from underpass.store.repository import to_row
from underpass.store.tables import METADATA, Id, reference

USAGE = sa.Table(
    "usage",
    METADATA,
    sa.Column("day", sa.String(10), primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    # No foreign key: the sums outlive the provider.
    sa.Column("provider_id", Id, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("cancelled", sa.BigInteger, nullable=False),
    sa.Column("bytes_in", sa.BigInteger, nullable=False),
    sa.Column("bytes_out", sa.BigInteger, nullable=False),
)
_KEY = ("day", "user_id", "provider_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One day's sum. `day` is UTC, `2026-11-23`; bytes are of bodies, `in` is towards the model."""

    day: str
    user_id: str
    provider_id: str
    requests: int = 0
    failures: int = 0
    cancelled: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Usage:
    """The sums of all users. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_all(self, records: Sequence[UsageRecord]) -> None:
        """Add to the sums, in one transaction. Raises Conflict where a user does not exist."""
        async with self._database.write() as connection:
            for record in records:
                await connection.execute(self._upsert(record))

    async def list(
        self, *, since_day: str, until_day: str, user_id: str | None = None
    ) -> tuple[UsageRecord, ...]:
        """The sums of some days (both ends included), oldest first; `user_id`: only that user's."""
        conditions = [USAGE.c.day >= since_day, USAGE.c.day <= until_day]
        if user_id is not None:
            conditions.append(USAGE.c.user_id == user_id)
        statement = USAGE.select().where(*conditions).order_by(*USAGE.primary_key.columns)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return tuple(UsageRecord(**row._mapping) for row in rows)

    def _upsert(self, record: UsageRecord) -> sa.Insert:
        values = to_row(record)
        sums = {name: USAGE.c[name] + value for name, value in values.items() if name not in _KEY}
        if self._database.is_sqlite:
            return (
                sqlite.insert(USAGE)
                .values(values)
                .on_conflict_do_update(index_elements=_KEY, set_=sums)
            )
        return (
            postgresql.insert(USAGE)
            .values(values)
            .on_conflict_do_update(index_elements=_KEY, set_=sums)
        )
