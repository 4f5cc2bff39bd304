"""Preferences: how each user wants the pages, as one small document."""

from typing import Any

import sqlalchemy as sa

from underpass.store.database import Database
from underpass.store.tables import METADATA, JsonValue, reference

PREFERENCES = sa.Table(
    "preferences",
    METADATA,
    reference("user_id", "users.id", primary_key=True),
    sa.Column("chosen", JsonValue, nullable=False),
)


class Preferences:
    """The preferences of all users. Everything raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, user_id: str) -> dict[str, Any]:
        """What the user has chosen; empty for one who has chosen nothing."""
        statement = sa.select(PREFERENCES.c.chosen).where(PREFERENCES.c.user_id == user_id)
        async with self._database.read() as connection:
            return dict((await connection.execute(statement)).scalar() or {})

    async def change(self, user_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Changes some of them; all as they are now. Raises Conflict for a user who is gone."""
        mine = PREFERENCES.c.user_id == user_id
        async with self._database.write() as connection:
            found = await connection.execute(
                sa.select(PREFERENCES.c.chosen).where(mine).with_for_update()
            )
            old = found.scalar()
            chosen = {**(old or {}), **changes}
            if old is None:
                await connection.execute(
                    PREFERENCES.insert().values(user_id=user_id, chosen=chosen)
                )
            else:
                await connection.execute(PREFERENCES.update().where(mine).values(chosen=chosen))
        return chosen
