"""Connections from the agent to one model server: over TCP or a Unix socket, pooled, checked.

Every new connection is judged before a byte is sent on it: if the port was taken over by another
user since the last time, the request fails instead of reaching them.
"""

from __future__ import annotations

import asyncio
import weakref
from contextvars import ContextVar

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from underpass.agent.ownership import Owners
from underpass.core.targets import Target

CONNECT_TIMEOUT_S = 5.0
# Servers close idle connections after 5 s and up (uvicorn, cpp-httplib): be sure to be first, as
# a request that meets the closing end would fail, and may not be sent twice.
KEEP_ALIVE_S = 3.0

_lease: ContextVar[Lease | None] = ContextVar("underpass_lease", default=None)


class Lease:
    """The connection that the current request uses, so that it can be cut at any time."""

    def __init__(self) -> None:
        self.transport: asyncio.WriteTransport | None = None
        self.closed: asyncio.Future[None] | None = None
        """Done once the connection is gone, for whatever reason."""

    def __enter__(self) -> Lease:
        self._token = _lease.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _lease.reset(self._token)

    @staticmethod
    def current() -> Lease | None:
        """The lease of the running request, if it has one."""
        return _lease.get()

    def cut(self) -> None:
        """Close the connection now, whatever is still unsent on it."""
        if self.transport is not None:
            self.transport.abort()


class Upstream:
    """A model server as a place to send requests to."""

    def __init__(self, target: Target, owners: Owners) -> None:
        self.target = target
        self.owners = owners
        guard = _Guard(target, owners)
        connector: aiohttp.BaseConnector
        if target.socket_path is not None:
            connector = _UnixConnector(guard, target.socket_path)
        else:
            connector = _TcpConnector(guard)
        self.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            # A model may think for as long as it likes: only connecting has a limit.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # What a server expects to be called: its own address, or localhost behind a socket.
        self._origin = f"http://{'localhost' if target.socket_path else target}"

    def url(self, path: str) -> URL:
        """The URL of a path, byte for byte as it stands."""
        return URL(self._origin + path, encoded=True)

    async def close(self) -> None:
        """Close all connections."""
        await self.session.close()


class _Guard:
    """Judges each connection once, and hands its transport to whoever waits for it."""

    def __init__(self, target: Target, owners: Owners) -> None:
        self._target = target
        self._owners = owners
        self._judged: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def admit(self, connection: Connection) -> Connection:
        """The connection; raises PortOfAnotherUser, and closes it, if it leads to a stranger."""
        transport = connection.transport
        if transport is not None and transport not in self._judged:
            try:
                self._owners.check_peer(transport.get_extra_info("socket"), self._target)
            except BaseException:
                connection.close()
                raise
            self._judged.add(transport)
            if (closed := _closed(connection)) is not None:
                # How it ended is told by the request that it carried, not by this future.
                closed.add_done_callback(lambda gone: gone.exception())
        lease = _lease.get()
        if lease is not None:
            lease.transport = transport
            lease.closed = _closed(connection)
        return connection


def _closed(connection: Connection) -> asyncio.Future[None] | None:
    return connection.protocol.closed if connection.protocol is not None else None


class _TcpConnector(aiohttp.TCPConnector):
    def __init__(self, guard: _Guard) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEP_ALIVE_S, use_dns_cache=False)
        self._guard = guard

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        return self._guard.admit(await super().connect(req, traces, timeout))


class _UnixConnector(aiohttp.UnixConnector):
    def __init__(self, guard: _Guard, path: str) -> None:
        super().__init__(path, limit=0, keepalive_timeout=KEEP_ALIVE_S)
        self._guard = guard

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        return self._guard.admit(await super().connect(req, traces, timeout))
