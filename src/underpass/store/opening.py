"""The Store: all repositories over one database, with its schema up to date."""

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from underpass.core.errors import ConfigError, StorageError
from underpass.store import database as db
from underpass.store.answers import Answers
from underpass.store.audit import Audit
from underpass.store.browser_sessions import BrowserSessions
from underpass.store.chats import Chats
from underpass.store.clusters import Clusters
from underpass.store.device_codes import DeviceCodes
from underpass.store.endpoints import Endpoints
from underpass.store.files import Files
from underpass.store.groups import Groups
from underpass.store.identities import Identities
from underpass.store.keys import Keys
from underpass.store.limits import LimitsTable
from underpass.store.messages import Messages
from underpass.store.one_time_links import OneTimeLinks
from underpass.store.openid_flows import OpenIdFlows
from underpass.store.preferences import Preferences
from underpass.store.presets import Presets
from underpass.store.providers import Providers
from underpass.store.run_events import RunEvents
from underpass.store.runs import Runs
from underpass.store.schema import HEAD, current_revision, upgrade
from underpass.store.search import Search
from underpass.store.second_factors import SecondFactors
from underpass.store.session_events import SessionEvents
from underpass.store.session_logs import SessionLogs
from underpass.store.sessions import Sessions
from underpass.store.shares import Shares
from underpass.store.tunnels import Tunnels
from underpass.store.usage import Usage
from underpass.store.users import Users


class Store:
    """One attribute per aggregate."""

    def __init__(self, database: db.Database) -> None:
        self.database = database
        self.answers = Answers(database)
        self.audit = Audit(database)
        self.browser_sessions = BrowserSessions(database)
        self.chats = Chats(database)
        self.clusters = Clusters(database)
        self.device_codes = DeviceCodes(database)
        self.endpoints = Endpoints(database)
        self.files = Files(database)
        self.groups = Groups(database)
        self.identities = Identities(database)
        self.keys = Keys(database)
        self.limits = LimitsTable(database)
        self.messages = Messages(database)
        self.one_time_links = OneTimeLinks(database)
        self.openid_flows = OpenIdFlows(database)
        self.preferences = Preferences(database)
        self.presets = Presets(database)
        self.providers = Providers(database)
        self.run_events = RunEvents(database)
        self.runs = Runs(database)
        self.search = Search(database)
        self.second_factors = SecondFactors(database)
        self.session_events = SessionEvents(database)
        self.session_logs = SessionLogs(database)
        self.sessions = Sessions(database)
        self.shares = Shares(database)
        self.tunnels = Tunnels(database)
        self.usage = Usage(database)
        self.users = Users(database)

    async def check(self) -> None:
        """Whether the database answers. Raises StorageError."""
        async with self.database.read() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def check_write(self) -> None:
        """Whether the database takes writes; leaves nothing behind. Raises StorageError.

        A write transaction alone shows a read-only file but not a full disk, so a page is
        really written: the version is set to what it is.
        """
        async with self.database.write() as connection:
            await connection.execute(
                sa.text("UPDATE alembic_version SET version_num = version_num")
            )

    async def backup(self, path: Path) -> None:
        """Copy the database as it is now to a new file, readable by its owner alone.

        Only for SQLite, whether or not a hub runs on it. Raises ConfigError, StorageError.
        """
        if not self.database.is_sqlite:
            raise ConfigError(
                "This hub keeps its data in PostgreSQL.", hint="Back it up with pg_dump."
            )
        source = self.database.url.database or ""
        with db.mapped_errors():
            await asyncio.to_thread(_copy_sqlite, source, path)

    async def close(self) -> None:
        """Give every connection back."""
        await self.database.close()


async def open(database_url: str, *, pool_size: int = 5) -> Store:
    """The store at `database_url`, with its tables made or brought up to date.

    A database that can be read and not written is opened as it is, if its tables are up to
    date. Raises ConfigError (URL, driver, a newer schema), StorageError.
    """
    database = db.connect(database_url, pool_size=pool_size)
    _make_private(database)
    try:
        try:
            revision = await current_revision(database)
        except StorageError:
            frozen = db.frozen_url(database)
            if frozen is None:
                raise
            await database.close()
            database = db.connect(frozen, pool_size=pool_size)
            revision = await current_revision(database)
        if revision != HEAD:
            await upgrade(database)
    except BaseException:
        await database.close()
        raise
    return Store(database)


def is_there(database_url: str) -> bool:
    """Whether there is a database to open; False only for a SQLite file that does not exist.

    Raises ConfigError (URL, driver).
    """
    name = _file_of(db.connect(database_url))
    return name is None or Path(name).exists()


def _make_private(database: db.Database) -> None:
    """Makes a SQLite file that is not there yet, readable by its owner alone.

    SQLite would make it for everybody to read, and gives its log the same rights. The folder's
    rights are not enough: an admin may have made it, with those of any other folder.
    """
    name = _file_of(database)
    if name is None:
        return
    with contextlib.suppress(OSError):  # there already, or not possible: opening it says why
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _file_of(database: db.Database) -> str | None:
    """The file of a SQLite database that is in one."""
    name = database.url.database
    if not database.is_sqlite or not name or name.startswith((":memory:", "file:")):
        return None
    return name


def _copy_sqlite(source: str, path: Path) -> None:
    try:
        # Made here, so that nobody else can read it at any moment; never over an older backup.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise ConfigError(
            f"The file {path} exists already.", hint="Name a file that does not exist."
        ) from error
    except OSError as error:
        raise StorageError(
            f"The file {path} cannot be written: {error.strerror}.", hint="Name another file."
        ) from error
    read_only = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    copy = sqlite3.connect(path)
    try:
        read_only.backup(copy)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        copy.close()
        read_only.close()
