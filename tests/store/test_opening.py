"""Opening, checking, backing up."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from underpass import store as stores
from underpass.core.errors import ConfigError, StorageError
from underpass.store import Store, UserRecord


async def test_checks_pass_on_a_healthy_store(store: Store) -> None:
    """Reading and writing both answer."""
    await store.check()
    await store.check_write()


async def test_what_was_stored_is_there_after_a_restart(database_url: str) -> None:
    """Closing loses nothing."""
    first = await stores.open(database_url)
    await first.users.add(UserRecord(id="usr_1", name="a", display_name="A", created_at=1.0))
    await first.close()
    second = await stores.open(database_url)
    assert (await second.users.get("usr_1")).display_name == "A"
    await second.close()


async def test_a_backup_is_a_whole_database_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds everything, may be taken while the store is in use, and others cannot read it."""
    store = await stores.open(f"sqlite:///{tmp_path / 'u.db'}")
    await store.users.add(UserRecord(id="usr_1", name="a", display_name="A", created_at=1.0))
    copy = tmp_path / "copy.db"
    await store.backup(copy)
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("a",)]
    connection.close()
    with pytest.raises(ConfigError, match="exists"):
        await store.backup(copy)
    with pytest.raises(StorageError):
        await store.backup(tmp_path / "nowhere" / "copy.db")
    await store.close()


async def test_postgresql_is_backed_up_by_its_own_tool(store: Store, tmp_path: Path) -> None:
    """On PostgreSQL the answer names pg_dump; on SQLite the copy is made."""
    if store.database.is_sqlite:
        await store.backup(tmp_path / "copy.db")
        return
    with pytest.raises(ConfigError, match="PostgreSQL") as caught:
        await store.backup(tmp_path / "copy.db")
    assert "pg_dump" in (caught.value.hint or "")


async def test_a_new_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Also in a folder that everybody may read: an admin made it, with the usual rights."""
    tmp_path.chmod(0o755)
    store = await stores.open(f"sqlite:///{tmp_path / 'hub.db'}")
    await store.users.add(UserRecord(id="usr_1", name="a", display_name="A", created_at=1.0))
    rights = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    await store.close()
    assert rights == dict.fromkeys(("hub.db", "hub.db-shm", "hub.db-wal"), 0o600)
