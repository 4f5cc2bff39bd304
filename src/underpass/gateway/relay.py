"""The hot path: a model server's chunk → the client's socket.

A chunk goes to the client's socket in the turn of the event loop in which the link brought it: no
task, no JSON, no log, no timer. The keep-alive looks on from a timer of its own, a few times a
minute.

When the status is settled: the answer's head is passed when it comes, so an error before it is an
HTTP status. Only a client that asked for a stream and has heard nothing for `keepalive_s`
(15 s) gets `200 text/event-stream` and a comment before that; from then on an error is
one last event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from underpass.core.errors import AppError
from underpass.gateway import headers, sse
from underpass.gateway.call import MAX_ERROR_BYTES, Call, DoorAnswer, read_up_to
from underpass.tunnel.link import Sink

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SINK = "underpass.body_sink"
"""Where an ASGI scope has the server's own sink for the pieces of a body, if it has one: it takes
them at once, for what ASGI's `send` needs a task."""

logger = logging.getLogger(__name__)

_QUIET_TICKS = 2
_QUIET_TICKS_BEFORE_HEAD = 3


class Relay:
    """Carries one answer to one client.

    State: `has_begun` (the head was sent), `_is_events` (comments may be put in), `_held` (a piece
    that waits for a comment to get out), and of what was sent only the last bytes, `_tail`.
    """

    def __init__(
        self, send: Send, request_id: str, keepalive_s: float, body: Sink | None = None
    ) -> None:
        """`body`: where the pieces of the body go; None: through `send`."""
        self.has_begun = False
        self.status = 0
        self._send = send
        self._body = body or _ThroughAsgi(send)
        self._held = b""
        self._request_id = request_id
        self._tick_s = keepalive_s / _QUIET_TICKS_BEFORE_HEAD
        self._is_events = False
        self._is_sending = False
        self._is_quiet = False
        self._quiet_ticks = 0
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def run(self, call: Call) -> None:
        """Sends the call and passes its answer on.

        Raises the AppErrors that come before anything was sent; later ones end the answer here.
        """
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick, call)
        try:
            answer = await call.send()
            await self._settle()
            if self.has_begun:
                await self._continue(answer, call.route_name)
            else:
                await self._begin(answer.status, answer.headers)
                await self._pump(answer)
        except AppError as error:
            await self._settle()
            if not self.has_begun:
                raise
            await self._break_off(error, call.route_name)
        finally:
            self._timer.cancel()
            if self._beating is not None:
                self._beating.cancel()

    # --- the answer --------------------------------------------------------------------------

    async def _begin(self, status: int, pairs: tuple[tuple[str, str], ...]) -> None:
        self._is_events = headers.is_event_stream(pairs)
        passed = headers.for_client(
            pairs, request_id=self._request_id, is_event_stream=self._is_events
        )
        self._is_sending = True
        await self._start(status, passed)
        self._is_sending = False

    async def _start(self, status: int, passed: list[tuple[bytes, bytes]]) -> None:
        self.has_begun = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": passed})

    async def _pump(self, answer: DoorAnswer) -> None:
        await answer.pour(self)
        await self._settle()
        await self._finish(b"")

    def take(self, data: bytes) -> bool:
        """The next piece of the body; False when the client must take some of it first."""
        self._is_quiet = False
        self._tail = data[-4:] if len(data) > 3 else (self._tail + data)[-4:]
        if self._beating is not None:
            self._held = data
            return False
        return self._body.take(data)

    async def ready(self) -> None:
        """Waits for the client."""
        self._is_sending = True
        held, self._held = self._held, b""
        if held:
            await self._settle()
        if not held or not self._body.take(held):
            await self._body.ready()
        self._is_sending = False

    async def _continue(self, answer: DoorAnswer, route_name: str) -> None:
        """The head comes after a comment has settled the status: only a stream still fits."""
        if answer.status < 300 and headers.is_event_stream(answer.headers):
            await self._pump(answer)
            return
        text = await read_up_to(answer.read, MAX_ERROR_BYTES)
        answer.cancel("complete")
        await self._settle()
        await self._finish(sse.upstream_error_event(text, answer.status, route_name))

    async def _break_off(self, error: AppError, route_name: str) -> None:
        if self._is_events:
            await self._finish(sse.error_event(error, route_name, self._tail))
            return
        # Nothing can be added to another kind of answer. Not completing it makes the server
        # close the connection, so that nobody takes the part for the whole.
        logger.info("%s broken off: %s", self._request_id, error.code)

    async def _finish(self, last: bytes) -> None:
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    # --- the keep-alive ----------------------------------------------------------------------

    def _tick(self, call: Call) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick, call)
        self._quiet_ticks = self._quiet_ticks + 1 if self._is_quiet or not self.has_begun else 0
        self._is_quiet = True
        if self._beating is not None or self._is_sending:
            return  # a client that does not take what there is needs no comment
        may_beat = self._is_events if self.has_begun else call.is_stream
        least = _QUIET_TICKS if self.has_begun else _QUIET_TICKS_BEFORE_HEAD
        if may_beat and self._quiet_ticks >= least and sse.is_at_boundary(self._tail):
            self._quiet_ticks = 0
            self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        if not self.has_begun:
            self._is_events = True
            await self._start(200, headers.event_stream(self._request_id))
        await self._send({"type": "http.response.body", "body": sse.KEEPALIVE, "more_body": True})
        self._beating = None

    async def _settle(self) -> None:
        """Lets a comment that is being sent get out before anything else."""
        if self._beating is not None:
            await self._beating
            self._beating = None


class _ThroughAsgi:
    """The body's pieces one by one through ASGI's `send`, for servers that know no other way."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._piece = b""

    def take(self, data: bytes) -> bool:
        self._piece = data
        return False

    async def ready(self) -> None:
        piece, self._piece = self._piece, b""
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
