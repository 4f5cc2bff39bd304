"""Migrations: what they make is what the code expects."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tests.rig.postgres import PostgresServer
from underpass import store as stores
from underpass.core.errors import ConfigError
from underpass.store import Store, UserRecord
from underpass.store.schema import HEAD, MIGRATIONS, current_revision
from underpass.store.tables import METADATA


def _is_ours(thing: object, name: str | None, *_: object) -> bool:
    """The search index is made of what SQLAlchemy has no words for; test_search.py is its test."""
    return not (name or "").startswith("search_")


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "include_object": _is_ours}
    context = MigrationContext.configure(connection, opts=options)
    found: list[object] = compare_metadata(context, METADATA)
    return found


async def test_migrations_make_the_tables_that_the_code_has(store: Store) -> None:
    """A column that is in the code alone, or in a migration alone, fails here."""
    async with store.database.read() as connection:
        assert await connection.run_sync(_differences) == []


def test_head_is_the_newest_migration() -> None:
    """The constant that start-up compares with follows the folder."""
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


async def test_a_second_start_changes_nothing(database_url: str) -> None:
    """An up-to-date database is opened as it is."""
    for _ in range(2):
        opened = await stores.open(database_url)
        assert await current_revision(opened.database) == HEAD
        await opened.close()


async def test_a_newer_database_is_left_alone(database_url: str) -> None:
    """A hub that is older than its database says so and touches nothing."""
    opened = await stores.open(database_url)
    async with opened.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await opened.close()
    with pytest.raises(ConfigError, match="newer version"):
        await stores.open(database_url)


async def test_two_hubs_that_start_together_both_start(postgres: PostgresServer) -> None:
    """The second waits for the first one's migration and finds it done."""
    url = postgres.create("together")
    opened = await asyncio.gather(*(stores.open(url) for _ in range(3)))
    for one in opened:
        assert await current_revision(one.database) == HEAD
        await one.close()
    postgres.drop("together")


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("DELETE FROM chats WHERE deleted_at <= 1.0", "ix_chats_deleted_at"),
        ("DELETE FROM messages WHERE deleted_at <= 1.0", "ix_messages_deleted_at"),
        ("SELECT * FROM runs WHERE ended_at IS NULL ORDER BY id", "ix_runs_unfinished"),
    ],
)
async def test_tidying_reads_no_whole_table(tmp_path: Path, statement: str, index: str) -> None:
    """A hub tidies every few seconds; without an index it would read all texts each time."""
    opened = await stores.open(f"sqlite:///{tmp_path / 'underpass.db'}")
    async with opened.database.read() as connection:
        steps = (await connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))).all()
    await opened.close()
    assert any(index in step.detail for step in steps)


async def test_usage_of_before_is_kept(database_url: str) -> None:
    """A database of the first version comes up with its sums, now told apart further."""
    opened = await stores.open(database_url)
    await opened.users.add(UserRecord(id="usr_1", name="a", display_name="A", created_at=1.0))
    async with opened.database.write() as connection:
        await connection.run_sync(_back_to_the_first_usage)
    await opened.close()
    opened = await stores.open(database_url)
    (kept,) = await opened.usage.list(since_day="2026-01-01", until_day="2026-12-31")
    assert (kept.requests, kept.bytes_out, kept.model, kept.tokens_out) == (3, 9, "", 0)
    await opened.close()


def _back_to_the_first_usage(connection: Connection) -> None:
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        ScriptDirectory(str(MIGRATIONS)).get_revision("0001").module._usage()
    for statement in (
        "DROP TABLE second_factors",
        "DROP TABLE claimed_members",
        "DROP TABLE openid_flows",
        "DROP TABLE identities",
        "DROP INDEX uq_users_email",
        "ALTER TABLE users DROP COLUMN email",
        "DROP INDEX ix_chats_deleted_at",
        "DROP INDEX ix_messages_deleted_at",
        "DROP INDEX ix_runs_unfinished",
        "DROP TABLE usage_sums",
        "DROP TABLE limits",
        "ALTER TABLE keys DROP COLUMN requests_per_minute",
        "ALTER TABLE keys DROP COLUMN tokens_per_day",
        "INSERT INTO usage VALUES ('2026-05-01', 'usr_1', 'prv_1', 3, 0, 0, 1, 9)",
        "UPDATE alembic_version SET version_num = '0004'",
    ):
        connection.execute(text(statement))


def test_the_package_carries_its_migrations() -> None:
    """They are files of the package, so a wheel has them."""
    assert Path(stores.__file__).parent in MIGRATIONS.parents
    assert list(MIGRATIONS.glob("versions/0001_*.py"))
