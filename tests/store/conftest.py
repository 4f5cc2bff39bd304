"""One store per test, on SQLite and on PostgreSQL: the same tests run on both."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import PostgresServer
from underpass import store as stores
from underpass.store import SessionRecord, Store, UserRecord

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real server, one for each worker."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'underpass.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test{next(_numbers)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A new store, closed at the end."""
    opened = await stores.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def alice(store: Store) -> UserRecord:
    """A user."""
    return await store.users.add(
        UserRecord(id="usr_1", name="alice", display_name="Alice", created_at=1.0)
    )


@pytest.fixture
async def session(store: Store, alice: UserRecord) -> SessionRecord:
    """A session of Alice's."""
    return await store.sessions.add(
        SessionRecord(id="ses_1", owner_id=alice.id, name="box", created_at=2.0)
    )
