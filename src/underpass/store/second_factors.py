"""Second factors: what some users show besides their password."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import Repository
from underpass.store.tables import METADATA, Seconds, Text, Words, reference

SECOND_FACTORS = sa.Table(
    "second_factors",
    METADATA,
    reference("id", "users.id", primary_key=True),
    sa.Column("sealed", Text, nullable=False),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("recovery", Words, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorRecord:
    """One user's (`id` is the user's). Not `is_on`: set up and not yet confirmed by a code.

    `sealed` is the secret, encrypted; `last_step` the time step of the last code that was used;
    `recovery` the hashes of the recovery codes that are left.
    """

    id: str
    sealed: str
    created_at: float
    is_on: bool = False
    last_step: int = 0
    recovery: tuple[str, ...] = ()


class SecondFactors(Repository[SecondFactorRecord]):
    """The second factors of all users."""

    table = SECOND_FACTORS
    record = SecondFactorRecord
    noun = "second factor"

    async def put(self, record: SecondFactorRecord) -> None:
        """Make this the user's, in place of any before."""
        try:
            await self.remove(record.id)
        except NotFound:
            pass
        await self.add(record)

    async def use_step(self, user_id: str, step: int) -> bool:
        """Use a time step's code up; False when it, or a later one, was used already."""
        table = SECOND_FACTORS
        statement = (
            table.update()
            .where(table.c.id == user_id, table.c.last_step < step)
            .values(last_step=step)
        )
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def use_recovery(self, user_id: str, hashed: str) -> bool:
        """Use a recovery code up; False when there is no such one left."""
        table = SECOND_FACTORS
        mine = table.c.id == user_id
        async with self._database.write() as connection:
            # The row is held from here on: of two at once, the second finds the code gone.
            found = await connection.execute(sa.select(table).where(mine).with_for_update())
            row = found.first()
            if row is None or hashed not in row.recovery:
                return False
            left = tuple(one for one in row.recovery if one != hashed)
            await connection.execute(table.update().where(mine).values(recovery=left))
        return True

    async def all(self) -> tuple[SecondFactorRecord, ...]:
        """Everybody's."""
        return await self._all()

    async def users_with_one(self, user_ids: Sequence[str]) -> frozenset[str]:
        """Which of these users have one that is on."""
        table = SECOND_FACTORS
        found = await self._all(table.c.id.in_(user_ids), table.c.is_on.is_(True))
        return frozenset(one.id for one in found)
