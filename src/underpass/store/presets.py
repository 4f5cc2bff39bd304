"""Presets: a system prompt and settings under a name, to begin chats with."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.store.repository import PAGE_ITEMS, Page, Repository
from underpass.store.tables import METADATA, JsonValue, Seconds, Text, id_column, reference

PRESETS = sa.Table(
    "presets",
    METADATA,
    id_column(),
    reference("owner_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column("system_prompt", Text, nullable=False),
    sa.Column("settings", JsonValue, nullable=False),
    sa.Column("model", Text),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Index("uq_presets_owner_id_name", "owner_id", "name", unique=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRecord:
    """One preset; its name is unique among its owner's."""

    id: str
    owner_id: str
    name: str
    created_at: float
    system_prompt: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    model: str | None = None


class Presets(Repository[PresetRecord]):
    """The presets of all users."""

    table = PRESETS
    record = PresetRecord
    noun = "preset"

    async def list(
        self, owner_id: str, *, after: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[PresetRecord]:
        """An owner's presets, newest first."""
        return await self._page(PRESETS.c.owner_id == owner_id, after=after, limit=limit)

    async def count(self, owner_id: str) -> int:
        """How many an owner has."""
        statement = sa.select(sa.func.count()).where(PRESETS.c.owner_id == owner_id)
        async with self._database.read() as connection:
            return int((await connection.execute(statement)).scalar_one())
