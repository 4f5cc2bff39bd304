"""Connections from the agent to one model server: over TCP or a Unix socket, pooled, checked.

Every new connection is judged before a byte is sent on it: if the port was taken over by another
user since the last time, the request fails instead of reaching them. What a server sends goes
from the socket's callback straight to whoever takes it, without a task in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

from underpass.agent.http1 import AnswerHead, BadAnswer, Body, HeadReader, request_head
from underpass.agent.ownership import Owners
from underpass.core.errors import TunnelError
from underpass.core.targets import Target

CONNECT_TIMEOUT_S = 5.0
# Servers close idle connections after 5 s and up (uvicorn, cpp-httplib): be sure to be first, as
# a request that meets the closing end would fail, and may not be sent twice.
KEEP_ALIVE_S = 3.0
MAX_IDLE = 64
WRITE_HIGH_BYTES = 64 * 1024

Sink = Callable[[bytes], None]


class ConnectionCut(ConnectionError):
    """The server closed the connection; `has_begun`: after the first byte of its answer."""

    def __init__(self, has_begun: bool) -> None:
        super().__init__("the server closed the connection")
        self.has_begun = has_begun


class Connection(asyncio.Protocol):
    """One connection to a model server: one request and its answer at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.head: AnswerHead | None = None
        self.error: Exception | None = None
        self.is_complete = True
        """The answer is all there (or none was asked for)."""
        self.is_reused = False
        self.transport: asyncio.Transport | None = None
        self._reader: HeadReader | None = None
        self._body: Body | None = None
        self._sink: Sink | None = None
        self._early: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._drain: asyncio.Future[None] | None = None
        self._uploader: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None

    # --- one exchange ------------------------------------------------------------------------

    def ask(
        self, method: str, head: bytes, first: bytes, more: AsyncIterator[bytes] | None
    ) -> None:
        """Send a request: its head, what is there of its body, and the rest as it comes."""
        self.head = self.error = self._body = self._sink = None
        self.is_complete = False
        self._reader = HeadReader(method)
        if self.transport is None or self.transport.is_closing():
            self._fail(ConnectionCut(False))
            return
        self.transport.write(head + first if first else head)
        if more is not None:
            self._uploader = asyncio.create_task(self._upload(more))

    async def answer(self) -> AnswerHead:
        """The answer's head. Raises ConnectionCut, BadAnswer, or what the request's body raised."""
        while self.head is None:
            if self.error is not None:
                raise self.error
            await self.sleep()
        return self.head

    def read_into(self, sink: Sink) -> None:
        """From now on each piece of the body goes to `sink` as it comes; what is there goes now.

        A TunnelError of the sink ends the exchange with it.
        """
        self._sink = sink
        early, self._early = self._early, []
        for piece in early:
            self._pass_on(piece)

    async def sleep(self) -> None:
        """Until something happened: a head, an end, a fault, or `wake`. One sleeper at a time."""
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Ends `sleep`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pause(self) -> None:
        """Take nothing more from the server for now."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Go on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close now, whatever is still unsent: the server learns at once that nobody waits."""
        self._end_upload()
        if self.transport is not None:
            self.transport.abort()

    # --- between exchanges -------------------------------------------------------------------

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow."""
        return (
            self.is_complete
            and self.error is None
            and self.head is not None
            and self.head.keeps_alive
            and not self.head.body.rest
            and (self._uploader is None or self._uploader.done())
            and self.is_open
        )

    @property
    def is_open(self) -> bool:
        """Whether the connection is still there."""
        return self.transport is not None and not self.transport.is_closing()

    def rest(self) -> None:
        """Nothing to do: close by itself after a while."""
        self._expiry = self._loop.call_later(KEEP_ALIVE_S, self.abort)

    def reuse(self) -> None:
        """There is something to do again."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self.is_reused = True

    # --- asyncio's side ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # uvloop's is none by inheritance
        assert self.transport is not None
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def data_received(self, data: bytes) -> None:
        body = self._body
        if body is None:
            self._read_head(data)
            return
        try:
            piece = body.feed(data)
        except BadAnswer as error:
            self._fail(error)
            return
        if piece:
            self._pass_on(piece)
        if body.is_done:
            self._complete()

    def eof_received(self) -> None:
        if self._body is not None and not self.is_complete:
            try:
                self._body.end()
            except BadAnswer as error:
                self._fail(error)
            else:
                self._complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.eof_received()
        if not self.is_complete:
            self._fail(ConnectionCut(self._reader is not None and self._reader.has_begun))
        self._end_upload()
        if self._expiry is not None:
            self._expiry.cancel()
        self._resume_upload()

    def pause_writing(self) -> None:
        self._drain = self._loop.create_future()

    def resume_writing(self) -> None:
        self._resume_upload()

    # --- inside ------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        reader = self._reader
        if reader is None or self.is_complete:
            self.abort()  # nobody asked
            return
        try:
            head = reader.feed(data)
        except BadAnswer as error:
            self._fail(error)
            return
        if head is None:
            return
        self.head, self._body = head, head.body
        if reader.rest:
            self.data_received(reader.rest)
        elif head.body.is_done:
            self._complete()
        self.wake()

    def _pass_on(self, piece: bytes) -> None:
        if self._sink is None:
            self._early.append(piece)
            return
        try:
            self._sink(piece)
        except TunnelError as error:
            self._fail(error)

    def _complete(self) -> None:
        self.is_complete = True
        self._body = None
        self.wake()

    def _fail(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
        self.is_complete = True
        self._body = None
        self.wake()
        self.abort()

    async def _upload(self, more: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in more:
                if self.transport is None or self.transport.is_closing():
                    return
                self.transport.write(chunk)
                if self._drain is not None:
                    await self._drain
        except (TunnelError, ShortRequest) as error:
            self._fail(error)

    def _end_upload(self) -> None:
        if self._uploader is not None and self._uploader is not asyncio.current_task():
            self._uploader.cancel()

    def _resume_upload(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)


class ShortRequest(Exception):
    """The request's body ended before the length that its head gives."""


class Upstream:
    """A model server as a place to send requests to."""

    def __init__(self, target: Target, owners: Owners) -> None:
        self.target = target
        self.owners = owners
        # What a server expects to be called: its own address, or localhost behind a socket.
        self.host = "localhost" if target.socket_path else str(target)
        self._idle: list[Connection] = []

    async def connect(self, *, fresh: bool = False) -> Connection:
        """A connection that is free. Raises OSError, TimeoutError, PortOfAnotherUser."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.is_open:
                connection.reuse()
                return connection
        return await self._connect()

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request if it can take one, close it at once otherwise."""
        if connection.is_reusable and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
            connection.rest()
        else:
            connection.abort()

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        max_bytes: int,
    ) -> tuple[int, bytes]:
        """One small request and its whole answer, cut at `max_bytes`.

        Raises OSError, TimeoutError, BadAnswer, PortOfAnotherUser.
        """
        try:
            return await self._fetch(await self.connect(), method, path, headers, body, max_bytes)
        except ConnectionCut as error:
            if error.has_begun or method != "GET":
                raise
        # A kept connection may have been closed just then; asking again does no harm.
        fresh = await self.connect(fresh=True)
        return await self._fetch(fresh, method, path, headers, body, max_bytes)

    async def close(self) -> None:
        """Close what is kept."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    # --- inside ------------------------------------------------------------------------------

    async def _connect(self) -> Connection:
        loop, target = asyncio.get_running_loop(), self.target
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if target.socket_path is not None:
                transport, connection = await loop.create_unix_connection(
                    Connection, target.socket_path
                )
            else:
                transport, connection = await loop.create_connection(
                    Connection, target.host, target.port
                )
        try:
            self.owners.check_peer(transport.get_extra_info("socket"), target)
        except BaseException:
            transport.abort()
            raise
        return connection

    async def _fetch(
        self,
        connection: Connection,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        max_bytes: int,
    ) -> tuple[int, bytes]:
        pieces: list[bytes] = []
        size = 0

        def take(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            pieces.append(piece)
            if size >= max_bytes:
                connection.abort()

        lines = [*headers, ("Content-Length", str(len(body)))] if body else list(headers)
        head = request_head(method, path, self.host, lines, is_chunked=False)
        try:
            connection.ask(method, head, body, None)
            answer = await connection.answer()
            connection.read_into(take)
            while not connection.is_complete and size < max_bytes:
                await connection.sleep()
            if connection.error is not None and size < max_bytes:
                raise connection.error
            return answer.status, b"".join(pieces)[:max_bytes]
        finally:
            self.give_back(connection)
