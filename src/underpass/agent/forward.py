"""One stream of the link to the model server and back, byte for byte.

The head goes first, then chunks as they come: what one turn of the loop delivers leaves as one
message, and nothing is ever waited for. A cancelled stream cuts its connection to the server at
once, whether the server thinks, streams or still reads the request: that is what frees the GPU.
A link that is down only makes the writing wait, once as much is kept as may be kept; then the
server is not read from either.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from underpass.agent.connect import (
    CONNECT_TIMEOUT_S,
    Connection,
    ConnectionCut,
    ShortRequest,
    Upstream,
)
from underpass.agent.headers import AGENT_ERROR, to_hub, to_server, value_of
from underpass.agent.http1 import AnswerHead, BadAnswer, request_head
from underpass.agent.meter import Meter
from underpass.core import routes
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import AppError, NotFound, TooMany, TunnelError, UpstreamUnreachable
from underpass.tunnel.link import Head, OpenHead, Stream

MAX_STREAMS = 512
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
        task = asyncio.current_task()
        assert task is not None
        # The task's own clean-up cuts the connection to the server.
        stream.on_cancelled(task.cancel)
        try:
            await self._admit(stream)
        except TunnelError as error:
            # The stream is over (reset, or its link gave up): nobody is left to tell.
            _reset(stream, error.code)
        except asyncio.CancelledError:
            if not stream.is_cancelled:
                _reset(stream, "agent_stopping")
                raise
        finally:
            stream.on_cancelled(None)
            self._active -= 1
            self._meter.streams -= 1

    async def _admit(self, stream: Stream) -> None:
        """Refuses what is not served here; everything else goes on to the server."""
        opening = stream.opening
        try:
            if self._active > self._max_streams:
                raise TooMany(
                    f"This tunnel answers {self._max_streams} requests already.",
                    code="too_many_streams",
                    retry_after_s=1,
                )
            if opening.kind == "raw":
                await self._raw(stream)
            else:
                _check_route(opening)
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
        try:
            connection, head = await self._exchange(stream)
        except (OSError, TimeoutError, BadAnswer, ShortRequest, ValueError) as error:
            raise self._unreachable(error) from error
        try:
            await self._answer_with(connection, head, stream)
        except (OSError, BadAnswer, ShortRequest) as error:
            self._on_trouble()
            _reset(stream, f"upstream_cut: {error}")
        finally:
            self._upstream.give_back(connection)

    async def _exchange(self, stream: Stream) -> tuple[Connection, AnswerHead]:
        """Sends the request; the connection that it took and the answer's head."""
        connection = await self._upstream.connect()
        while True:
            try:
                await self._ask(connection, stream)
                return connection, await connection.answer()
            except ConnectionCut as error:
                self._upstream.give_back(connection)
                # A kept connection may have been closed just then. Asking again is harmless for a
                # GET only: of anything else the server may have begun.
                if stream.opening.method != "GET" or error.has_begun or not connection.is_reused:
                    raise
                connection = await self._upstream.connect(fresh=True)
            except BaseException:
                self._upstream.give_back(connection)
                raise

    async def _ask(self, connection: Connection, stream: Stream) -> None:
        """Sends the request; most bodies are there already and leave with the head."""
        opening = stream.opening
        length = value_of(opening.headers, "content-length")
        first = b""
        has_body = length != "0" and (length is not None or opening.method in _METHODS_WITH_BODY)
        if has_body:
            first = await stream.read()
            self._meter.bytes_in += len(first)
        head = request_head(
            opening.method,
            opening.path,
            self._upstream.host,
            to_server(opening.headers, key=self._key, request_id=opening.request_id),
            is_chunked=bool(first) and length is None,
        )
        is_whole = not first or (length is not None and len(first) == int(length))
        if is_whole:
            connection.ask(opening.method, head, first, None)
            stream.acknowledge()
        elif length is None:
            connection.ask(opening.method, head, b"", _chunked(self._chunks(stream, first, None)))
        else:
            rest = self._chunks(stream, first, int(length))
            connection.ask(opening.method, head, b"", rest)

    async def _answer_with(self, connection: Connection, head: AnswerHead, stream: Stream) -> None:
        self._meter.last_answer_at = self._clock.monotonic()
        await stream.respond(Head(head.status, to_hub(head.headers)))
        flow = _Flow(connection, stream, self._meter, counts=_is_event_stream(head))
        await flow.run()
        self._meter.last_answer_at = self._clock.monotonic()
        await stream.write_end()

    async def _chunks(
        self, stream: Stream, first: bytes, length: int | None
    ) -> AsyncIterator[bytes]:
        sent, chunk = 0, first
        while chunk:
            sent += len(chunk)
            yield chunk
            chunk = await stream.read()
            self._meter.bytes_in += len(chunk)
        if length is not None and sent != length:
            # The server would wait for the rest for ever.
            raise ShortRequest(f"the request had {sent} of {length} bytes")

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
        try:
            await stream.respond(Head(200, ()))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._raw_up(stream, writer))
                both.create_task(self._raw_down(stream, reader))
        except* (OSError, TunnelError) as errors:
            _reset(stream, f"upstream_cut: {type(errors.exceptions[0]).__name__}")
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


class _Flow:
    """One answer's body on its way to the link. `take` runs in the socket's own callback."""

    def __init__(
        self, connection: Connection, stream: Stream, meter: Meter, *, counts: bool
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._meter = meter
        self._counts = counts
        self._held: list[bytes] = []
        self._is_stuck = False

    async def run(self) -> None:
        """Until the answer's end. Raises ConnectionCut, BadAnswer, StreamReset, ResumeExpired."""
        connection = self._connection
        connection.read_into(self._take)
        while True:
            while self._is_stuck:
                held, self._held = b"".join(self._held), []
                await self._stream.write(held)
                if not self._held:
                    self._is_stuck = False
                    connection.resume()
            if connection.error is not None:
                raise connection.error
            if connection.is_complete:
                return
            await connection.sleep()

    def _take(self, piece: bytes) -> None:
        self._meter.bytes_out += len(piece)
        if self._counts:
            self._meter.events_out += piece.count(b"data: ")
        if self._is_stuck:
            self._held.append(piece)
            return
        taken = self._stream.write_now(piece)
        if taken != len(piece):
            # No credit for all of it: the server waits until the link has room again.
            self._held.append(piece[taken:])
            self._is_stuck = True
            self._connection.pause()
            self._connection.wake()


def why_unreachable(error: BaseException) -> str:
    """The end of a sentence that begins with the target."""
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nothing listens there"
    if isinstance(error, FileNotFoundError):
        return "does not exist: nothing listens there"
    if isinstance(error, PermissionError):
        return "may not be opened by this user"
    if isinstance(error, TimeoutError):
        return "does not take the connection"
    if isinstance(error, ShortRequest):
        return "was sent a request that is shorter than it said"
    if isinstance(error, BadAnswer | ValueError):
        return f"answers with something that is not HTTP ({error})"
    return "closed the connection before it answered"


def _is_event_stream(head: AnswerHead) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in head.headers
    )


async def _chunked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body without a length, as Transfer-Encoding: chunked."""
    async for chunk in chunks:
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def _check_route(opening: OpenHead) -> None:
    """The hub's check once more: neither its bugs nor its burglars open the rest of a server."""
    if routes.match(opening.method, opening.path.partition("?")[0]) is None:
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


def _reset(stream: Stream, reason: str) -> None:
    """Ends the stream from the task that serves it, which is not to be cancelled for that."""
    stream.on_cancelled(None)
    stream.cancel(reason)
