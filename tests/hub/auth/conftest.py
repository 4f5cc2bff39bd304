"""A store, a clock that a test moves, and the parts of authentication over them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from underpass import store as stores
from underpass.core.clock import FakeClock
from underpass.core.principal import Principal
from underpass.hub.auth import Auth
from underpass.store import DeviceCodeRecord, Store, UserRecord

PASSWORD = "correct horse battery staple"


@pytest.fixture
def clock() -> FakeClock:
    """Moves only when told."""
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A new store."""
    opened = await stores.open(f"sqlite:///{tmp_path / 'u.db'}")
    yield opened
    await opened.close()


@pytest.fixture
def auth(store: Store, clock: FakeClock, tmp_path: Path) -> Auth:
    """One of each."""

    async def attach(caller: Principal, code: DeviceCodeRecord) -> tuple[dict[str, Any], str]:
        return {"name": code.name, "owner": caller.user_name}, "ups_token"

    return Auth(store, clock, attach=attach, key_file=tmp_path / "secret.key")


@pytest.fixture
async def alice(auth: Auth) -> UserRecord:
    """A user."""
    return await auth.accounts.create("alice", password=PASSWORD)


def with_key(secret: str) -> dict[str, Any]:
    """The scope of a request with a key."""
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    return {"type": "http", "method": "GET", "path": "/api/me", "headers": headers}


def with_cookie(secret: str, kind: str = "http") -> dict[str, Any]:
    """The scope of a request with a cookie."""
    headers = [(b"cookie", f"underpass_session={secret}".encode())]
    return {"type": kind, "method": "GET", "path": "/api/me", "headers": headers}
