"""A whole hub on a real port, in this test's own event loop, and browsers and programs for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from argon2 import PasswordHasher

from underpass.config import HubConfig
from underpass.hub.app import Hub
from underpass.hub.auth import passwords
from underpass.hub.server import serve
from underpass.store import UserRecord

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery staple"


@dataclass
class Browser:
    """What our own pages do: a cookie, and the headers that browsers and pages send."""

    url: str
    http: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> "Answer":
        sent = {**self.headers, **headers}
        async with self.http.request(
            method, self.url + path, json=body, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **headers: str) -> "Answer":
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> "Answer":
        return await self.call("POST", path, body, **headers)

    async def delete(self, path: str, **headers: str) -> "Answer":
        return await self.call("DELETE", path, **headers)

    async def patch(self, path: str, body: Any, **headers: str) -> "Answer":
        return await self.call("PATCH", path, body, **headers)

    async def sign_in(self, name: str, password: str = PASSWORD) -> "Answer":
        return await self.post("/api/auth/sign-in", {"name": name, "password": password})


@dataclass(frozen=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem document's code."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        return str(self.json()["code"])


class RunningHub:
    """The hub under test, with what a test may need of its insides."""

    def __init__(self, hub: Hub, url: str) -> None:
        self.hub = hub
        self.url = url
        self.services = hub.services
        self._open: list[aiohttp.ClientSession] = []

    async def browser(self, name: str | None = None) -> Browser:
        """A browser of its own, signed in if a name is given."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._open.append(http)
        own = {"Origin": self.url, "X-Underpass-CSRF": "1"}
        browser = Browser(self.url, http, own)
        if name is not None:
            assert (await browser.sign_in(name)).status == 204
        return browser

    async def program(self, key: str | None = None) -> Browser:
        """A program with a key, or with none."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._open.append(http)
        return Browser(self.url, http, {"Authorization": f"Bearer {key}"} if key else {})

    async def user(self, name: str, *, is_admin: bool = False) -> UserRecord:
        return await self.services.auth.accounts.create(name, password=PASSWORD, is_admin=is_admin)

    async def key(self, user: UserRecord, *scopes: str, **more: Any) -> str:
        wanted = scopes or ("gateway", "read", "sessions")
        _, secret = await self.services.auth.keys.create(
            user.id, name="test", scopes=wanted, **more
        )
        return secret

    async def close(self) -> None:
        for http in self._open:
            await http.close()


@asynccontextmanager
async def running_hub(data_dir: Path, **settings: Any) -> AsyncIterator[RunningHub]:
    """Runs a hub for the length of the block."""
    # What the hub logs is not what a command under test prints.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    # Passwords are hashed for real, and cheaply: what they cost is tested in auth/.
    real, passwords._HASHER = passwords._HASHER, CHEAP
    config = HubConfig.load({"port": 0, "data_dir": data_dir, "drain_s": 0.5, **settings})
    started: asyncio.Future[RunningHub] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def on_ready(hub: Hub, url: str) -> None:
        started.set_result(RunningHub(hub, url))

    serving = asyncio.create_task(serve(config, on_ready, stop=stop))
    either: set[asyncio.Future[Any]] = {serving, started}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    running = started.result()
    try:
        yield running
    finally:
        await running.close()
        stop.set()
        await serving
        structlog.reset_defaults()
        passwords._HASHER = real


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A new hub with the usual settings."""
    async with running_hub(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def alice(hub: RunningHub) -> UserRecord:
    """A user of the hub."""
    return await hub.user("alice")


@pytest.fixture
async def root(hub: RunningHub) -> UserRecord:
    """An admin of the hub."""
    return await hub.user("root", is_admin=True)
