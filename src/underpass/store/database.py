"""One database: its engine and pool, its transactions, and the border where errors become ours.

`read()` and `write()` each give one transaction. On SQLite a write takes the write lock at its
begin (`BEGIN IMMEDIATE`): a transaction that reads first and writes later would otherwise fail at
once, whatever the busy timeout says, when somebody else wrote in between.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite
import sqlalchemy as sa
from sqlalchemy import event, exc, pool
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from underpass.core.errors import AppError, ConfigError, Conflict, StorageError

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another process's write lock before it fails."""

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}

_FULL = "Free some space on the disk that holds the hub's data; it goes on by itself."
_READ_ONLY = "Make the hub's data folder writable for the user that runs the hub."
_BUSY = "Another program holds the database; try again, or stop that program."
_GONE = "Check that the database runs and can be reached from the hub."
_DAMAGED = "Stop the hub and restore the database from a backup."

# SQLite's own words for each condition, from its result codes (sqlite.org/rescode.html).
_SQLITE_CAUSES = (
    ("database or disk is full", "The disk is full.", _FULL),
    ("readonly database", "The database is read-only.", _READ_ONLY),
    ("unable to open database", "The database cannot be opened.", _READ_ONLY),
    ("disk i/o error", "The disk does not answer as it should.", _FULL),
    ("is locked", "The database is busy.", _BUSY),
    ("malformed", "The database is damaged.", _DAMAGED),
    ("not a database", "The database file is not a database.", _DAMAGED),
)

# PostgreSQL's SQLSTATE classes (its manual, appendix A).
_POSTGRES_CAUSES = (
    ("53100", "The database's disk is full.", _FULL),
    ("25006", "The database is read-only.", "Point the hub at the primary server."),
    ("53300", "The database accepts no more connections.", "Raise its max_connections."),
    ("28", "The database refused the hub's name or password.", "Check the database URL."),
    ("3D000", "That database does not exist.", "Create it, or check the database URL."),
    ("08", "The database cannot be reached.", _GONE),
    ("57P", "The database is shutting down or starting.", _GONE),
    ("40", "Two changes met; neither is wrong.", "Try again."),
)


class Database:
    """An engine with two kinds of transaction. Safe for many tasks of one event loop."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self.engine = engine
        # SQLite has one writer at a time: queue here, first come first served, instead of in
        # its busy handler, which polls.
        self._turn = asyncio.Lock() if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file on the hub's machine rather than a server."""
        return self.url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads. Raises StorageError."""
        with mapped_errors():
            async with self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write; commits at the end. Raises StorageError, Conflict."""
        if self._turn is None:
            with mapped_errors():
                async with self.engine.begin() as connection:
                    yield connection
            return
        async with self._turn:
            with mapped_errors():
                async with self.engine.connect() as connection:
                    await connection.execution_options(underpass_writes=True)
                    async with connection.begin():
                        yield connection

    async def close(self) -> None:
        """Give every connection back. Afterwards nothing may be called."""
        with mapped_errors():
            await self.engine.dispose()


def connect(database_url: str, *, pool_size: int = 5) -> Database:
    """A Database for `database_url`; opens nothing yet.

    `pool_size` is in connections; on SQLite each costs a thread. Raises ConfigError.
    """
    url = parse_url(database_url)
    options: dict[str, Any] = {"pool_pre_ping": url.get_backend_name() != "sqlite"}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {
            "timeout": BUSY_TIMEOUT_S,
            "async_creator_fn": _open_sqlite,
        }
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        options["poolclass"] = pool.StaticPool
    else:
        options.update(pool_size=pool_size, max_overflow=pool_size, pool_timeout=10)
    try:
        engine = create_async_engine(url, **options)
    except ImportError as error:
        raise ConfigError(
            "This database needs a driver that is not installed.",
            hint="Install it with: pip install 'underpass[postgres]'",
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return Database(url, engine)


def parse_url(database_url: str) -> URL:
    """The URL with the driver we use. Raises ConfigError, which never repeats the URL."""
    try:
        url = make_url(database_url)
        return url.set(drivername=DRIVERS[url.drivername])
    except (exc.ArgumentError, KeyError, ValueError):
        # `from None`: the driver's message holds the URL, and the URL may hold a password.
        raise ConfigError(
            "The database URL is not one that the hub knows.",
            hint="Write sqlite:////absolute/path.db or postgresql://USER@HOST/DATABASE.",
        ) from None


def frozen_url(database: Database) -> str | None:
    """For a SQLite file in a folder that cannot be written: a URL under which it can be read.

    SQLite needs to make files beside a database in WAL mode even to read it, unless it is told
    that nobody writes. None where that is not so, or where a part of the data is still in the
    write-ahead log.
    """
    name = database.url.database
    if not database.is_sqlite or not name or name.startswith((":memory:", "file:")):
        return None
    path = Path(name)
    log = path.with_name(path.name + "-wal")
    if os.access(path.parent, os.W_OK) or not os.access(path, os.R_OK):
        return None
    if log.exists() and log.stat().st_size > 0:
        return None
    return f"sqlite:///file:{quote(name)}?mode=ro&immutable=1&uri=true"


# --- SQLite ---------------------------------------------------------------------------------


async def _open_sqlite(*args: Any, **options: Any) -> aiosqlite.Connection:
    """A connection. When it cannot be made, its thread is gone before the error is raised.

    aiosqlite does not wait for that thread; one that outlives the event loop prints a trace.
    """
    connection = aiosqlite.connect(*args, **options)
    thread = connection._thread
    thread.daemon = True
    try:
        return await connection
    except BaseException:
        await asyncio.to_thread(thread.join, BUSY_TIMEOUT_S)
        raise


def _prepare_sqlite(raw: Any, _record: object) -> None:
    """Settings that SQLite keeps per connection."""
    # The driver's own transaction control starts transactions late; ours starts them at `begin`.
    raw.isolation_level = None
    cursor = raw.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys = ON")
        # With WAL, NORMAL can lose the last commits in a power cut but never damages the file.
        cursor.execute("PRAGMA synchronous = NORMAL")
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            # A read-only folder or a full disk cannot change the mode, and can still be read.
            pass
    finally:
        cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    is_writing = connection.get_execution_options().get("underpass_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


# --- errors ---------------------------------------------------------------------------------


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into Conflict and StorageError."""
    try:
        yield
    except AppError:
        raise
    except exc.IntegrityError as error:
        raise Conflict(
            "This clashes with something that exists already.",
            hint="Choose another name, or look at what is there first.",
        ) from error
    except exc.TimeoutError as error:
        raise StorageError("The database is busy.", hint=_BUSY) from error
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        message, hint = explain(error)
        raise StorageError(message, hint=hint) from error


def explain(error: BaseException) -> tuple[str, str]:
    """One sentence on what is wrong and one on what to do, without any value from a statement."""
    origin = getattr(error, "orig", None) or error
    state = str(getattr(origin, "sqlstate", None) or "")
    if state:
        for prefix, message, hint in _POSTGRES_CAUSES:
            if state.startswith(prefix):
                return message, hint
    text = str(origin).lower()
    for words, message, hint in _SQLITE_CAUSES:
        if words in text:
            return message, hint
    if isinstance(origin, OSError):
        return "The database cannot be reached.", _GONE
    return "The database failed.", "See the hub's log."
