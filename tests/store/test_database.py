"""The engine, its transactions, and the border where the drivers' errors become ours."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from underpass import store as stores
from underpass.core.errors import ConfigError, Conflict, StorageError
from underpass.store import Store, UserRecord
from underpass.store.database import connect, explain, parse_url


async def test_many_writers_at_once_all_get_through(store: Store) -> None:
    """Writes queue; none fails for being at the same time as another."""
    users = [
        UserRecord(id=f"usr_{n}", name=f"u{n}", display_name="", created_at=1.0) for n in range(40)
    ]
    await asyncio.gather(*(store.users.add(user) for user in users))
    assert len((await store.users.list()).items) == 40


async def test_readers_do_not_wait_for_a_writer(store: Store, alice: UserRecord) -> None:
    """A read answers, with what was before, while a write is under way."""
    async with store.database.write() as connection:
        await connection.exec_driver_sql("UPDATE users SET display_name = 'new'")
        async with asyncio.timeout(2):
            assert (await store.users.get(alice.id)).display_name == "Alice"


async def test_a_failed_write_leaves_nothing(store: Store, alice: UserRecord) -> None:
    """A transaction happens wholly or not at all."""
    with pytest.raises(RuntimeError):
        async with store.database.write() as connection:
            await connection.exec_driver_sql("UPDATE users SET display_name = 'half'")
            raise RuntimeError
    assert (await store.users.get(alice.id)).display_name == "Alice"


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "postgresql+psycopg2://a/b", ""])
def test_a_database_that_we_do_not_know_is_refused(url: str) -> None:
    """The error says what to write, and never repeats the URL."""
    with pytest.raises(ConfigError) as caught:
        parse_url(url)
    assert not url or url not in caught.value.sentence()


def test_a_password_is_not_in_the_error() -> None:
    """A URL that cannot be read may hold a password."""
    with pytest.raises(ConfigError) as caught:
        parse_url("oracle://scott:tiger@host/db")
    assert "tiger" not in repr(caught.value)
    assert "tiger" not in str(caught.value.__cause__)


async def test_a_server_that_is_not_there_is_a_storage_error() -> None:
    """No PostgreSQL at the address: one sentence, with what to do."""
    with pytest.raises(StorageError) as caught:
        await stores.open("postgresql://underpass@127.0.0.1:1/none")
    assert "reached" in caught.value.message
    assert caught.value.hint


async def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    """SQLite cannot make the file: the hint is about the data folder."""
    with pytest.raises(StorageError) as caught:
        await stores.open(f"sqlite:///{tmp_path / 'missing' / 'u.db'}")
    assert "data folder" in (caught.value.hint or "")


async def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    """A thread that outlives the event loop would print a trace after our one line."""
    before = set(threading.enumerate())
    with pytest.raises(StorageError):
        await stores.open(f"sqlite:///{tmp_path / 'missing' / 'u.db'}")
    left = {one for one in threading.enumerate() if "asyncio" not in one.name} - before
    assert not left


async def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    """Something else lies where the database should."""
    file = tmp_path / "u.db"
    file.write_bytes(b"this is not a database, honestly" * 100)
    with pytest.raises(StorageError, match="not a database"):
        await stores.open(f"sqlite:///{file}")


async def test_a_full_disk_is_a_storage_error_and_reads_go_on(tmp_path: Path) -> None:
    """Writes fail with what to do, reads still answer, and it recovers by itself."""
    store = await stores.open(f"sqlite:///{tmp_path / 'u.db'}", pool_size=1)
    user = UserRecord(id="usr_1", name="a", display_name="", created_at=1.0)
    await store.users.add(user)
    await _limit_pages(store, is_full=True)
    with pytest.raises(StorageError, match="full") as caught:
        await store.users.update("usr_1", display_name="x" * 500_000)
    assert caught.value.code == "storage_unavailable"
    assert (await store.users.get("usr_1")) == user
    await _limit_pages(store, is_full=False)
    await store.users.update("usr_1", display_name="x" * 500_000)
    await store.close()


async def test_a_locked_database_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program that holds the lock too long makes a write fail, and says so."""
    monkeypatch.setattr("underpass.store.database.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "u.db"
    store = await stores.open(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="busy"):
        await store.users.add(UserRecord(id="usr_1", name="a", display_name="", created_at=1.0))
    other.execute("ROLLBACK")
    other.close()
    await store.close()


async def test_a_database_in_memory_works(tmp_path: Path) -> None:
    """Without a file there is one connection that everybody shares."""
    store = await stores.open("sqlite:///:memory:")
    await store.users.add(UserRecord(id="usr_1", name="a", display_name="", created_at=1.0))
    with pytest.raises(Conflict):
        await store.users.add(UserRecord(id="usr_1", name="b", display_name="", created_at=1.0))
    await store.close()


def test_unknown_trouble_has_a_sentence_too() -> None:
    """Whatever a driver raises, the message is ours and holds nothing of the statement."""
    message, hint = explain(RuntimeError("INSERT INTO users VALUES ('secret')"))
    assert "secret" not in message + hint


def test_connecting_opens_nothing() -> None:
    """An engine is only made ready."""
    assert connect("sqlite:////nowhere/at/all.db").is_sqlite


async def _limit_pages(store: Store, *, is_full: bool) -> None:
    """SQLite's own bound on the file's size fails exactly as a full disk does."""
    async with store.database.read() as connection:
        now = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        limit = now if is_full else now + 10_000
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")
