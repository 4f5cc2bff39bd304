"""The schema's version: what the code expects, what a database has, and the way between them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from underpass.core.errors import ConfigError
from underpass.store.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"
"""The newest revision in migrations/versions. A test compares it with the folder."""

MIGRATIONS = Path(__file__).parent / "migrations"


async def current_revision(database: Database) -> str | None:
    """The revision of a database; None for a new one. Raises StorageError."""
    async with database.read() as connection:
        if not await connection.run_sync(_has_version_table):
            return None
        row = await connection.execute(sa.text("SELECT version_num FROM alembic_version"))
        return row.scalar()


async def upgrade(database: Database) -> None:
    """Bring a database to HEAD, all steps in one transaction.

    Raises ConfigError (made by a newer version), StorageError.
    """
    # Alembic costs 0.1 s and 10 MB, and a hub needs it only after an update.
    from alembic.util import CommandError

    async with database.write() as connection:
        try:
            await connection.run_sync(_upgrade)
        except CommandError as error:
            raise ConfigError(
                "The database was made by a newer version of Underpass.",
                hint="Update Underpass, or restore a backup of the version that runs here.",
            ) from error


def alembic_config(connection: sa.Connection) -> "Config":
    """Alembic's settings: our migrations, on a connection that is open already."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    if connection.dialect.name == "postgresql":
        # Two hubs that start together upgrade one after the other. Released with the transaction.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7230541908)"))
    command.upgrade(alembic_config(connection), "head")


def _has_version_table(connection: sa.Connection) -> Any:
    return sa.inspect(connection).has_table("alembic_version")
