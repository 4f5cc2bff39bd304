"""One stream of the link to the model server and back, byte for byte.

The head goes first, then chunks as they come: whatever one turn of the loop delivered is one
write, and nothing is ever waited for. A cancelled stream cuts its connection to the server at
once, whether the server thinks, streams or still reads the request: that is what frees the GPU.
A link that is down only makes `stream.write` wait, once as much is kept as may be kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp

from underpass.agent.connect import CONNECT_TIMEOUT_S, Lease, Upstream
from underpass.agent.headers import AGENT_ERROR, to_hub, to_server, value_of
from underpass.agent.meter import Meter
from underpass.core import routes
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import AppError, NotFound, TooMany, TunnelError, UpstreamUnreachable
from underpass.tunnel.link import Head, OpenHead, Stream

MAX_STREAMS = 512
# One read of an answer takes at most twice this from the server before its socket is left full.
READ_BUFFER_BYTES = 64 * 1024
# More header than this is no answer of a model server.
MAX_HEADER_LINE_BYTES = 16 * 1024
MAX_HEADERS = 100
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_RAW_READ_BYTES = 64 * 1024


class Forwarder:
    """Serves the streams of one tunnel."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        openai: bool,
        key: str | None = None,
        meter: Meter | None = None,
        on_trouble: Callable[[], None] = lambda: None,
        max_streams: int = MAX_STREAMS,
        clock: Clock | None = None,
    ) -> None:
        """`on_trouble` is called when the server failed to answer: a reason to look again now."""
        self._upstream = upstream
        self._openai = openai
        self._key = key
        self._meter = meter or Meter()
        self._on_trouble = on_trouble
        self._max_streams = max_streams
        self._clock = clock or SystemClock()
        self._active = 0

    async def serve(self, stream: Stream) -> None:
        """The whole life of one stream; returns when it is over, whatever ended it."""
        self._active += 1
        self._meter.streams += 1
        lease = Lease()
        watcher = asyncio.create_task(_cut_when_cancelled(stream, lease, asyncio.current_task()))
        try:
            with lease:
                await self._admit(stream)
        except TunnelError as error:
            # The stream is over (reset, or its link gave up): nobody is left to tell.
            stream.cancel(error.code)
        except asyncio.CancelledError:
            lease.cut()
            if not stream.is_cancelled:
                stream.cancel("agent_stopping")
                raise
        finally:
            watcher.cancel()
            self._active -= 1
            self._meter.streams -= 1

    async def _admit(self, stream: Stream) -> None:
        """Refuses what is not served here; everything else goes on to the server."""
        head = stream.opening
        try:
            if self._active > self._max_streams:
                raise TooMany(
                    f"This tunnel answers {self._max_streams} requests already.",
                    code="too_many_streams",
                    retry_after_s=1,
                )
            if head.kind == "raw":
                await self._raw(stream)
            else:
                _check_route(head)
                await self._http(stream)
        except AppError as error:
            if isinstance(error, TunnelError):
                raise
            if isinstance(error, UpstreamUnreachable):
                self._on_trouble()
            await answer_error(stream, error)

    # --- HTTP --------------------------------------------------------------------------------

    async def _http(self, stream: Stream) -> None:
        """Raises UpstreamUnreachable before the answer's head; resets the stream after it."""
        head = stream.opening
        session = self._upstream.session
        try:
            response = await session.request(
                head.method,
                self._upstream.url(head.path),
                headers=to_server(head.headers, key=self._key, request_id=head.request_id),
                data=await self._body(stream),
                allow_redirects=False,
                read_bufsize=READ_BUFFER_BYTES,
                max_line_size=MAX_HEADER_LINE_BYTES,
                max_field_size=MAX_HEADER_LINE_BYTES,
                max_headers=MAX_HEADERS,
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._unreachable(error) from error
        try:
            with _end_of_connection(response.content):
                await self._answer_with(response, stream)
        except (aiohttp.ClientError, OSError) as error:
            self._on_trouble()
            stream.cancel(f"upstream_cut: {type(error).__name__}")
        finally:
            # A fully read answer has given its connection back already; any other is closed.
            response.close()

    async def _answer_with(self, response: aiohttp.ClientResponse, stream: Stream) -> None:
        meter, content = self._meter, response.content
        is_events = response.headers.get("Content-Type", "").startswith("text/event-stream")
        meter.last_answer_at = self._clock.monotonic()
        await stream.respond(Head(response.status, to_hub(response.raw_headers)))
        while chunk := await content.readany():
            meter.bytes_out += len(chunk)
            if is_events:
                meter.events_out += chunk.count(b"data: ")
            await stream.write(chunk)
        meter.last_answer_at = self._clock.monotonic()
        await stream.write_end()

    async def _body(self, stream: Stream) -> AsyncIterator[bytes] | None:
        """The request's body as it comes, or None where there is none."""
        head = stream.opening
        length = value_of(head.headers, "content-length")
        if length == "0" or (length is None and head.method not in _METHODS_WITH_BODY):
            return None
        first = await stream.read()
        if not first and length is None:
            return None
        return self._chunks(stream, first, None if length is None else int(length))

    async def _chunks(
        self, stream: Stream, first: bytes, length: int | None
    ) -> AsyncIterator[bytes]:
        sent, chunk = 0, first
        while chunk:
            sent += len(chunk)
            self._meter.bytes_in += len(chunk)
            yield chunk
            chunk = await stream.read()
        if length is not None and sent != length:
            # The server would wait for the rest for ever.
            raise aiohttp.ClientPayloadError(f"the request had {sent} of {length} bytes")

    def _unreachable(self, error: Exception) -> UpstreamUnreachable:
        return UpstreamUnreachable(
            f"{self._upstream.target} {why_unreachable(error)}.",
            hint="Check that the model server runs in the session.",
        )

    # --- raw ---------------------------------------------------------------------------------

    async def _raw(self, stream: Stream) -> None:
        """Bytes both ways, each direction with its own end."""
        if self._openai:
            raise NotFound(
                "This tunnel carries OpenAI requests only.",
                code="route_not_allowed",
                hint="Start a tunnel without --openai to forward its port.",
            )
        try:
            reader, writer = await self._open_raw()
        except (OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        lease = Lease.current()
        if lease is not None:
            lease.transport = writer.transport
        try:
            await stream.respond(Head(200, ()))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._raw_up(stream, writer))
                both.create_task(self._raw_down(stream, reader))
        except* (OSError, TunnelError) as errors:
            stream.cancel(f"upstream_cut: {type(errors.exceptions[0]).__name__}")
        finally:
            writer.transport.abort()

    async def _open_raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._upstream.target
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if target.socket_path is not None:
                reader, writer = await asyncio.open_unix_connection(target.socket_path)
            else:
                reader, writer = await asyncio.open_connection(target.host, target.port)
        try:
            self._upstream.owners.check_peer(writer.get_extra_info("socket"), target)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _raw_up(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        while chunk := await stream.read():
            self._meter.bytes_in += len(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def _raw_down(self, stream: Stream, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(_RAW_READ_BYTES):
            self._meter.bytes_out += len(chunk)
            await stream.write(chunk)
        await stream.write_end()


def why_unreachable(error: BaseException) -> str:
    """The end of a sentence that begins with the target."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError):
        return "refuses the connection: nothing listens there"
    if isinstance(cause, FileNotFoundError):
        return "does not exist: nothing listens there"
    if isinstance(cause, PermissionError):
        return "may not be opened by this user"
    if isinstance(error, TimeoutError):
        return "does not take the connection"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "was sent a request that is shorter than it said"
    if isinstance(error, aiohttp.ClientResponseError | ValueError):
        return "answers with something that is not HTTP"
    return "closed the connection before it answered"


@contextlib.contextmanager
def _end_of_connection(content: aiohttp.StreamReader) -> Iterator[None]:
    """Makes a lost connection end the reading of its answer.

    aiohttp forgets to when the server breaks HTTP in the middle of a body: it closes the
    connection and leaves the reader waiting for ever.
    """
    lease = Lease.current()
    closed = lease.closed if lease is not None else None

    def fail(_gone: asyncio.Future[None]) -> None:
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection ended"))

    if closed is None:
        yield
        return
    closed.add_done_callback(fail)
    try:
        yield
    finally:
        closed.remove_done_callback(fail)


def _check_route(head: OpenHead) -> None:
    """The hub's check once more: neither its bugs nor its burglars open the rest of a server."""
    if routes.match(head.method, head.path.partition("?")[0]) is None:
        raise NotFound(
            "This route is not served through Underpass.",
            code="route_not_allowed",
            hint="The OpenAI-compatible routes are.",
        )


async def answer_error(stream: Stream, error: AppError) -> None:
    """The agent's own answer: marked as such, with a code and a sentence."""
    # What another user of the machine runs is a fault of the model's side, seen from the hub.
    status = 502 if error.http_status == 403 else error.http_status
    body = json.dumps({"code": error.code, "message": error.message, "hint": error.hint}).encode()
    headers = [
        (AGENT_ERROR, error.code),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
    ]
    if error.retry_after_s is not None:
        headers.append(("retry-after", str(round(error.retry_after_s))))
    await stream.respond(Head(status, tuple(headers)))
    await stream.write(body)
    await stream.write_end()


async def _cut_when_cancelled(
    stream: Stream, lease: Lease, task: asyncio.Task[None] | None
) -> None:
    await stream.wait_cancelled()
    lease.cut()
    if task is not None:
        task.cancel()
