"""uvicorn's HTTP protocol, with an end to what anybody may send before anybody knows who it is, and
a short way out for the pieces of a body.

uvicorn takes a request's head of any size and waits for it for ever, and hands the head of a
WebSocket to a parser that falls silent when a line is too long. Here a head, a chunk's extension or
a trailer is refused beyond MAX_HEAD_BYTES, and a connection without a whole head ends.

uvicorn's `send` is a coroutine: a chunk of a streamed answer costs a task's turn, a message and
some checks before it reaches the socket. `BodySink` is the same without them, in the scope for
whoever pours many small pieces.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from underpass.gateway.relay import BODY_SINK

MAX_HEAD_BYTES = 64 * 1024
"""As read from the socket at once: a little more may come through with the last piece."""
MAX_UPGRADE_LINE_BYTES = 8000
MAX_UPGRADE_LINES = 120
"""Both are a little below what the WebSocket parser takes."""
HEAD_S = 30.0
"""From a connection's start, and from a request's first byte, to the end of its head."""

_REFUSAL = b"The request's head is too large."


class BoundedHttp(HttpToolsProtocol):
    """One connection. State: the bytes since the parser last made something of them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unused_bytes = 0
        self._is_in_head = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection: its first head is waited for."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, a body, or what stands between and after chunks."""
        self._unused_bytes += len(data)
        super().data_received(data)
        if self._unused_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._is_in_head = True
        self._wait_for_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head. Trailers are left out: nothing here waits for them."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._unused_bytes = 0
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            self.scope[BODY_SINK] = BodySink(cycle)  # type: ignore[literal-required]

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._unused_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unused_bytes = 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """On to the WebSocket parser, unless that would not take it."""
        is_odd = len(self.headers) > MAX_UPGRADE_LINES or any(
            len(name) + len(value) > MAX_UPGRADE_LINE_BYTES for name, value in self.headers
        )
        if is_odd or len(self.url) > MAX_UPGRADE_LINE_BYTES:
            self._refuse()
        else:
            super().handle_websocket_upgrade()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        head = (
            "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(_REFUSAL)}\r\nConnection: close\r\n\r\n"
        )
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(head.encode() + _REFUSAL)
        self.transport.close()


class BodySink:
    """The body of one answer whose head was sent, in the framing that the head promised."""

    __slots__ = ("_cycle", "_flow", "_write")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._flow = cycle.flow
        self._write = cycle.transport.write

    def take(self, data: bytes) -> bool:
        """Hands `data`, at least one byte, to the socket; False when its buffer is full."""
        cycle = self._cycle
        if cycle.disconnected:
            return True  # whoever watches the client ends the answer
        if cycle.chunked_encoding:
            self._write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            cycle.expected_content_length -= len(data)
            if cycle.expected_content_length < 0:
                raise RuntimeError("More of a body than its Content-Length.")
            self._write(data)
        return not self._flow.write_paused

    async def ready(self) -> None:
        """Waits until the socket's buffer has room, or the client is gone."""
        if not self._cycle.disconnected:
            await self._flow.drain()
