"""Usage: how much passed through the gateway, summed per day for each combination of who and what."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from underpass.store.database import Database
from underpass.store.repository import to_row
from underpass.store.tables import METADATA, Id, Seconds, Text, reference

USAGE = sa.Table(
    "usage_sums",
    METADATA,
    sa.Column("day", sa.String(10), primary_key=True),
    reference("user_id", "users.id", primary_key=True),
    # No foreign keys: the sums outlive provider, key and session.
    sa.Column("provider_id", Id, primary_key=True),
    sa.Column("key_id", Id, primary_key=True),
    sa.Column("model", Text, primary_key=True),
    sa.Column("session_id", Id, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("cancelled", sa.BigInteger, nullable=False),
    sa.Column("bytes_in", sa.BigInteger, nullable=False),
    sa.Column("bytes_out", sa.BigInteger, nullable=False),
    sa.Column("tokens_in", sa.BigInteger, nullable=False),
    sa.Column("tokens_out", sa.BigInteger, nullable=False),
    sa.Column("first_bytes", sa.BigInteger, nullable=False),
    sa.Column("first_byte_s", Seconds, nullable=False),
    sa.Column("answer_s", Seconds, nullable=False),
)
_KEY = ("day", "user_id", "provider_id", "key_id", "model", "session_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One day's sum. `day` is UTC, `2026-11-23`; bytes are of bodies, `in` is towards the model.

    No `key_id`: in the chat. `first_byte_s` is the sum over `first_bytes` answers, `answer_s` that
    over the answers whose tokens are known, both in seconds.
    """

    day: str
    user_id: str
    provider_id: str
    key_id: str = ""
    model: str = ""
    session_id: str = ""
    requests: int = 0
    failures: int = 0
    cancelled: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    first_bytes: int = 0
    first_byte_s: float = 0.0
    answer_s: float = 0.0


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

    async def tokens(self, day: str, *, user_id: str = "", key_id: str = "") -> int:
        """How many tokens a user, or a key, used on a day."""
        total = sa.func.coalesce(sa.func.sum(USAGE.c.tokens_in + USAGE.c.tokens_out), 0)
        whose = USAGE.c.key_id == key_id if key_id else USAGE.c.user_id == user_id
        async with self._database.read() as connection:
            found = await connection.execute(sa.select(total).where(USAGE.c.day == day, whose))
            return int(found.scalar_one())

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
