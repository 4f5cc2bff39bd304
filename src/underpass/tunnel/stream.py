"""One stream for whoever sends or answers a request: head, bytes, end, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from underpass.core.errors import LocalProtocolError, StreamReset, TunnelError
from underpass.tunnel.protocol.agent import AgentLink
from underpass.tunnel.protocol.goodbye import COMPLETE
from underpass.tunnel.protocol.heads import Head, OpenHead
from underpass.tunnel.protocol.hub import HubLink
from underpass.tunnel.protocol.streams import StreamState

Waiter = asyncio.Future[None] | None


class Sink(Protocol):
    """Takes a stream's bytes in the turn in which they come."""

    def take(self, data: bytes) -> bool:
        """Takes all of `data`, whatever it answers; False: no more before `ready` returned."""

    async def ready(self) -> None:
        """Waits until there is room again; called after a False of `take`, and only then."""


class Driver(Protocol):
    """What a stream needs of its link."""

    core: HubLink | AgentLink

    def flush(self) -> None:
        """There is something to send."""

    def settle(self) -> None:
        """A call into the core may have caused events."""


def stream_of(link: Driver, state: StreamState) -> Stream:
    """The one `Stream` of a core's stream; made at the first call."""
    owner = state.owner
    if isinstance(owner, Stream):
        return owner
    stream = Stream(link, state)
    state.owner = stream
    return stream


class Stream:
    """A request and its answer, at one end. One reader and one writer at a time."""

    __slots__ = (
        "_failed", "_is_sink_full", "_link", "_on_cancelled", "_read_waiter", "_response_waiter",
        "_sink", "_state", "_write_waiter",
    )  # fmt: skip

    def __init__(self, link: Driver, state: StreamState) -> None:
        self._link = link
        self._state = state
        self._read_waiter: Waiter = None
        self._write_waiter: Waiter = None
        self._response_waiter: Waiter = None
        self._failed: asyncio.Event | None = None
        self._on_cancelled: Callable[[], object] | None = None
        self._sink: Sink | None = None
        self._is_sink_full = False

    def __repr__(self) -> str:
        return repr(self._state)

    # --- what it is --------------------------------------------------------------------------

    @property
    def id(self) -> int:
        """Its number on the link."""
        return self._state.id

    @property
    def request_id(self) -> str:
        """The id that every hop logs."""
        return self._state.opening.request_id

    @property
    def opening(self) -> OpenHead:
        """The request's head. Of an adopted stream only the request id is known."""
        return self._state.opening

    @property
    def is_cancelled(self) -> bool:
        """True once the stream ended before its end, on whichever side."""
        return self._state.error is not None

    @property
    def error(self) -> TunnelError | None:
        """Why it ended before its end: StreamReset or ResumeExpired."""
        return self._state.error

    @property
    def bytes_in(self) -> int:
        """Bytes of the peer's half that have come."""
        return self._state.receiver.received

    @property
    def bytes_out(self) -> int:
        """Bytes of this side's half that have been written."""
        return self._state.sender.written

    # --- heads -------------------------------------------------------------------------------

    async def response(self) -> Head:
        """Hub: the answer's head, as soon as it is there. Raises StreamReset, ResumeExpired."""
        state = self._state
        while state.head is None:
            if state.error is not None:
                raise state.error
            waiter = self._response_waiter = _new_waiter(self._response_waiter)
            try:
                await waiter
            finally:
                self._response_waiter = None
        return state.head

    async def respond(self, head: Head) -> None:
        """Agent: answers; data may follow. Raises what `AgentLink.respond` does."""
        core = self._link.core
        if not isinstance(core, AgentLink):
            raise LocalProtocolError("Only an agent answers streams.")
        core.respond(self._state, head)
        self._link.flush()

    # --- bytes -------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Sends `data`; returns at once while there is credit, otherwise waits for it.

        Raises StreamReset or ResumeExpired when the stream has failed.
        """
        link = self._link
        taken = link.core.write(self._state, data)
        link.flush()
        if taken == len(data):
            return
        while taken < len(data):
            waiter = self._write_waiter = _new_waiter(self._write_waiter)
            try:
                await waiter
            finally:
                self._write_waiter = None
            taken += link.core.write(self._state, data, taken)
            link.flush()

    def write_now(self, data: bytes) -> int:
        """Sends what of `data` there is credit for, and returns how many bytes that was.

        For a socket's callback, which cannot wait; the rest goes by `write`. Raises as `write`.
        """
        taken = self._link.core.write(self._state, data)
        self._link.flush()
        return taken

    async def write_end(self) -> None:
        """This half is complete. No error if the peer's answer was complete before it."""
        error = self._state.error
        if isinstance(error, StreamReset) and error.reason == COMPLETE:
            return
        self._link.core.end(self._state)
        self._link.flush()

    async def read(self) -> bytes:
        """What has come, waiting for the first byte of it; b"" at the end.

        What the last read returned counts as consumed from now on. Raises StreamReset or
        ResumeExpired when the stream failed before its end.
        """
        link = self._link
        core = link.core
        state = self._state
        while True:
            data = core.read(state)
            if core.has_urgent:
                link.flush()
            if data:
                return data
            if state.receiver.is_done:
                link.settle()
                return b""
            waiter = self._read_waiter = _new_waiter(self._read_waiter)
            try:
                await waiter
            finally:
                self._read_waiter = None

    def acknowledge(self) -> None:
        """What was read is handed on and nothing will follow, as far as the reader knows: if the end
        is there too, this half is done, without a `read` that finds it."""
        self._link.core.acknowledge(self._state)

    async def pour(self, sink: Sink) -> None:
        """Gives `sink` all that comes until the end, without a task's turn in between.

        What it takes counts as consumed, except for the last piece before a False. In the place
        of `read`, and raises as it does; what a sink raises ends the pouring with that.
        """
        self._sink = sink
        try:
            while not self._pour():
                if not self._is_sink_full:
                    waiter = self._read_waiter = _new_waiter(self._read_waiter)
                    try:
                        await waiter
                    finally:
                        self._read_waiter = None
                if self._is_sink_full:
                    await sink.ready()
                    self._is_sink_full = False
        finally:
            self._sink = None
        self._link.settle()

    def _pour(self) -> bool:
        """Empties the stream into its sink as far as that takes it. True at the end."""
        core, state, sink = self._link.core, self._state, self._sink
        assert sink is not None
        self._is_sink_full = not core.pour(state, sink.take)
        if core.has_urgent:
            self._link.flush()
        return state.receiver.is_done

    # --- ending ------------------------------------------------------------------------------

    def cancel(self, reason: str) -> None:
        """Ends both halves at once, here and at the peer, now or when the link is up again.

        Readers and writers get `StreamReset(reason)`. May be called twice, and after the end.
        """
        core = self._link.core
        core.cancel(self._state, reason)
        self.wake_all()
        self._link.settle()

    def release(self) -> None:
        """Hub: a durable answer is stored, or need not be: the agent may forget it."""
        core = self._link.core
        if isinstance(core, HubLink):
            core.release(self._state)
            self._link.settle()

    async def wait_cancelled(self) -> str:
        """Waits until the stream ends before its end and returns the reason.

        Of a stream that ends well it never returns: race it against the work and cancel it.
        """
        if self._failed is None:
            self._failed = asyncio.Event()
        while self._state.error is None:
            await self._failed.wait()
        error = self._state.error
        return error.reason if isinstance(error, StreamReset) else error.code

    def on_cancelled(self, callback: Callable[[], object] | None) -> None:
        """`callback` is called once if the stream ends before its end, at once if it has already.

        What `wait_cancelled` does, without a task for each stream. None takes it back.
        """
        self._on_cancelled = callback
        if self._state.error is not None:
            self._tell_cancelled()

    def _tell_cancelled(self) -> None:
        callback, self._on_cancelled = self._on_cancelled, None
        if callback is not None:
            callback()

    # --- for the link ------------------------------------------------------------------------

    def wake_reader(self) -> None:
        """There is something to read."""
        if self._sink is not None:
            if self._is_sink_full:
                return
            try:
                if not self._pour() and not self._is_sink_full:
                    return
            except Exception as error:  # noqa: BLE001 - whoever pours gets it, the link goes on
                _fail(self._read_waiter, error)
                return
        _wake(self._read_waiter)

    def wake_writer(self) -> None:
        """There is credit."""
        _wake(self._write_waiter)

    def wake_response(self) -> None:
        """The head is there."""
        _wake(self._response_waiter)

    def wake_all(self) -> None:
        """The stream has failed."""
        _wake(self._read_waiter)
        _wake(self._write_waiter)
        _wake(self._response_waiter)
        if self._failed is not None:
            self._failed.set()
        self._tell_cancelled()


def _new_waiter(current: Waiter) -> asyncio.Future[None]:
    if current is not None:
        raise LocalProtocolError("Two tasks wait for the same half of a stream.")
    return asyncio.get_running_loop().create_future()


def _wake(waiter: Waiter) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _fail(waiter: Waiter, error: Exception) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_exception(error)
