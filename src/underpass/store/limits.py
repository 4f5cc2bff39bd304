"""Limits: how much users may ask of models, set for a user or a group by an admin."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import Repository
from underpass.store.tables import METADATA, id_column

LIMITS = sa.Table(
    "limits",
    METADATA,
    # A user's or a group's id: the two never meet, and what is gone is never looked for.
    id_column(),
    sa.Column("requests_per_minute", sa.BigInteger),
    sa.Column("tokens_per_day", sa.BigInteger),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRecord:
    """The limits of one user or group; None: none of that kind."""

    id: str
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None


class LimitsTable(Repository[LimitsRecord]):
    """The limits of users and groups."""

    table = LIMITS
    record = LimitsRecord
    noun = "limit"

    async def of(self, subject_ids: Iterable[str]) -> dict[str, LimitsRecord]:
        """Those that there are of these users and groups, by id."""
        found = await self._all(LIMITS.c.id.in_(list(subject_ids)))
        return {one.id: one for one in found}

    async def put(self, record: LimitsRecord) -> None:
        """Set a user's or a group's limits; without any number there are none."""
        try:
            await self.remove(record.id)
        except NotFound:
            pass
        if record.requests_per_minute is not None or record.tokens_per_day is not None:
            await self.add(record)
