"""The asyncio shell of the protocol: one `Link` drives one core over any number of carriers.

Everything is decided in the core, at once. The shell waits: for the carrier, for credit, for
data. Each carrier has one reader and one writer task; what is written within one turn of the
event loop leaves as one message, and on a busy link so does what is written within `GATHER_S` of
the message before. `write` and `read` make no future when they need not wait.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from underpass.core.errors import (
    LinkRefused,
    LocalProtocolError,
    RemoteProtocolError,
    TunnelError,
)
from underpass.tunnel.carrier import (
    FAREWELL_S,
    LONG_TURN_BYTES,
    Carrier,
    CarrierClosed,
    deliver,
    receive_hello,
    refuse,
)
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.agent import AgentLink
from underpass.tunnel.protocol.events import GoAway
from underpass.tunnel.protocol.handshake import Hello
from underpass.tunnel.protocol.heads import Head, Headers, OpenHead, StreamKind
from underpass.tunnel.protocol.hub import HubLink
from underpass.tunnel.stream import Sink, Stream, stream_of

__all__ = [
    "Carrier",
    "CarrierClosed",
    "GoAway",
    "Head",
    "Headers",
    "Link",
    "LinkState",
    "LinkStats",
    "LinkUse",
    "OpenHead",
    "Sink",
    "Stream",
    "StreamKind",
    "goodbye",
    "receive_hello",
    "refuse",
]

GATHER_S = 0.001
"""Least time between two messages of nothing but data on a busy link: it sends a thousand messages a
second however many streams it carries, and messages are what it costs. A quiet link waits for nothing."""
UNHURRIED_S = 0.02
"""The longest that a last CREDIT waits for a message to go with: until then the peer only keeps what
it need not."""
BUSY_WRITES, BUSY_S = 25, 0.01
"""A link is busy after so many writes in the so many seconds before: 2,500 chunks a second, of which
a dozen streams is the least that comes to."""

# WebSocket close codes (RFC 6455).
_CODE_DONE = 1000
_CODE_GOING_AWAY = 1001
_CODE_PROTOCOL = 1002
_CODE_POLICY = 1008


class LinkState(StrEnum):
    """What a link is for its owner. After CLOSED, `Link.close_error` says why."""

    UP = "up"
    DOWN = "down"
    """No carrier: not yet, or lost and in grace."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LinkUse:
    """Whether a link is used. A raw stream may stand open for days: only its bytes tell."""

    opened: int
    """Streams that were ever opened; it only grows."""
    streams: int
    """Those that are open, raw ones among them."""
    answering: int
    """Requests that are under way."""
    raw_bytes: int
    """What has passed through the raw streams that are open."""


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Since the link began: bytes of the carriers' messages, and live streams now."""

    bytes_in: int
    bytes_out: int
    streams: int


class Link:
    """One agent's link at either end. All methods belong to one event loop."""

    def __init__(
        self,
        protocol: HubLink | AgentLink,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_stream: Callable[[Stream], None] | None = None,
        on_control: Callable[[dict[str, Any]], None] | None = None,
        on_state: Callable[[LinkState], None] | None = None,
        on_goaway: Callable[[GoAway], None] | None = None,
    ) -> None:
        """The callbacks run in the reader's turn and must return at once.

        on_stream: agent: the hub opened a stream; hub: a durable one was adopted.
        """
        self.core = protocol
        self.close_error: TunnelError | None = None
        self.is_fresh = True
        """Of the newest handshake: the peer knew nothing of before; say again what it must know."""
        self.control_bytes_in = 0
        """Of all control messages that `on_control` was told of, the present one included."""
        self._clock = clock
        self._on_stream = on_stream
        self._on_control = on_control
        self._on_state = on_state
        self._on_goaway = on_goaway
        self._state = LinkState.DOWN
        self._run: _Run | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._bytes_in = 0
        self._bytes_out = 0

    def __repr__(self) -> str:
        return f"<Link {self._state} {self.core!r}>"

    # --- what it is --------------------------------------------------------------------------

    @property
    def state(self) -> LinkState:
        """UP, DOWN or CLOSED."""
        return self._state

    @property
    def is_up(self) -> bool:
        """True while a carrier is attached and the handshake is done."""
        return self._state is LinkState.UP

    @property
    def is_closed(self) -> bool:
        """True once the link is over for good."""
        return self.core.is_closed

    @property
    def link_id(self) -> str | None:
        """The hub's id of the link; None at an agent that was never connected."""
        return self.core.link_id

    @property
    def owner(self) -> str:
        """Hub: whose credential the link is bound to."""
        return self.core.owner if isinstance(self.core, HubLink) else ""

    @property
    def streams(self) -> Mapping[int, Stream]:
        """The live streams by id, as they are now."""
        return {number: stream_of(self, state) for number, state in self.core.streams.items()}

    @property
    def stats(self) -> LinkStats:
        """Bytes and streams, for status pages and metrics."""
        return LinkStats(self._bytes_in, self._bytes_out, len(self.core.streams))

    @property
    def use(self) -> LinkUse:
        """What passes right now, for who wants to know whether anybody needs the link."""
        raw = [s for s in self.core.streams.values() if s.opening.kind is StreamKind.RAW]
        return LinkUse(
            opened=self.core.opened,
            streams=len(self.core.streams),
            answering=len(self.core.streams) - len(raw),
            raw_bytes=sum(one.receiver.received + one.sender.written for one in raw),
        )

    # --- carriers ----------------------------------------------------------------------------

    async def serve(
        self,
        carrier: Carrier,
        *,
        hello: Hello | None = None,
        owner: str = "",
        adopt: Mapping[str, int] | None = None,
    ) -> None:
        """Drives the link over `carrier` until that is lost, displaced or closed; closes it.

        Hub: `hello`, `owner` and `adopt` as `HubLink.attach` takes them.

        Raises LinkRefused when coming back is useless (at the hub: when it refused), and
        RemoteProtocolError or LocalProtocolError when one side broke the protocol. Returns in
        all other cases: look at `is_closed`.
        """
        run = _Run(carrier)
        try:
            events = self._begin(hello, owner, adopt)
        except LinkRefused as error:
            await refuse(carrier, error.code, error.message)
            raise
        displaced, self._run = self._run, run
        if displaced is not None:
            displaced.end(_CODE_GOING_AWAY, "displaced by a newer connection")
        self._act(events)
        self._arm()
        reader = asyncio.ensure_future(self._read_carrier(run))
        writer = asyncio.ensure_future(self._write_carrier(run))
        try:
            first = {reader, writer, run.ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._finish(run, reader, writer)
        fault = self.close_error
        if isinstance(fault, LinkRefused | RemoteProtocolError | LocalProtocolError):
            raise fault

    def drain(
        self, reason: str = "", seconds_left: float = 0.0, *, is_closing: bool = False
    ) -> None:
        """Says GOAWAY and takes no new streams. `is_closing`: the carrier will be closed next."""
        self.core.drain(reason, seconds_left, is_closing=is_closing)
        self.flush()

    async def close(self, reason: str, *, code: str = "bye") -> None:
        """Ends the link on both sides; streams are reset with `code`.

        With a code of `goodbye.PERMANENT` (`stopped`, `revoked`) the agent does not come back.
        """
        run = self._run
        self._act(self.core.close(code, reason, self._clock()))
        if run is not None:
            await asyncio.wait({run.finished})

    # --- streams and control -----------------------------------------------------------------

    async def open(self, head: OpenHead) -> Stream:
        """Hub: opens a stream, also while the link is down. Raises what `HubLink.open` does."""
        if not isinstance(self.core, HubLink):
            raise LocalProtocolError("Only a hub opens streams.")
        stream = stream_of(self, self.core.open(head))
        self.flush()
        return stream

    def send_control(self, message: dict[str, Any]) -> None:
        """Queues one control message. Raises TunnelError: `control_full`, `control_too_big`."""
        self.core.send_control(message)
        self.flush()

    # --- for Stream and tests ----------------------------------------------------------------

    def flush(self) -> None:
        """There is something to send: wakes the writer, at the latest when `GATHER_S` are over."""
        run = self._run
        if run is None:
            return
        now = self._clock()
        is_busy = run.is_busy(now)
        if run.idle is None or run.idle.done():
            return
        if self.core.is_unhurried:
            if self.core.has_something and run.unhurried is None:
                loop = asyncio.get_running_loop()
                run.unhurried = loop.call_later(UNHURRIED_S, run.wake_writer)
            return
        if not is_busy or self.core.has_urgent or now >= run.sent_at + GATHER_S:
            run.idle.set_result(None)
        elif run.gathering is None:
            wait_s = run.sent_at + GATHER_S - now
            run.gathering = asyncio.get_running_loop().call_later(wait_s, run.wake_writer)

    def settle(self) -> None:
        """Acts on what a call into the core has caused, and sends what it has queued."""
        self._act(self.core.take_events())
        self.flush()

    def poll(self) -> None:
        """Does what is due by the clock. A timer calls it; a test with its own clock may."""
        self._act(self.core.tick(self._clock()))
        self.flush()
        self._arm()

    # --- helpers -----------------------------------------------------------------------------

    def _begin(
        self, hello: Hello | None, owner: str, adopt: Mapping[str, int] | None
    ) -> list[ev.Event]:
        now = self._clock()
        core = self.core
        if isinstance(core, HubLink):
            if hello is None:
                raise LocalProtocolError("A hub serves a carrier after its HELLO.")
            token = secrets.token_urlsafe(32)
            return core.attach(hello, owner=owner, new_token=token, now=now, adopt=adopt)
        core.connect(now)
        return core.take_events()

    async def _read_carrier(self, run: _Run) -> None:
        core, clock = self.core, self._clock

        def take(data: bytes) -> None:
            if self._run is not run:
                return  # displaced, and about to be cancelled
            self._bytes_in += len(data)
            events = core.receive_data(data, clock())
            for state in core.take_readable():
                if isinstance(state.owner, Stream):
                    state.owner.wake_reader()
            if events:
                self._act(events)
            if core.has_urgent:
                self.flush()

        await deliver(run.carrier, take)

    async def _write_carrier(self, run: _Run) -> None:
        core = self.core
        loop = asyncio.get_running_loop()
        while self._run is run:
            data = core.data_to_send()
            if not data:
                if core.is_closed:
                    return
                run.idle = loop.create_future()
                await run.idle
                continue
            run.sent_at = self._clock()
            self._bytes_out += len(data)
            try:
                await run.carrier.send(data)
            except CarrierClosed:
                return
            if len(data) > LONG_TURN_BYTES:
                # A fast carrier never makes us wait; readers and cancels need their turn too.
                await asyncio.sleep(0)

    async def _finish(
        self, run: _Run, reader: asyncio.Task[None], writer: asyncio.Task[None]
    ) -> None:
        if self.core.is_closed and self._run is run and not run.ended.done():
            # The reader may be the first to stop; the last word still has to leave.
            await asyncio.wait({writer}, timeout=FAREWELL_S)
        if self._run is run:
            self._run = None
            self._act(self.core.carrier_lost(self._clock()))
            self._set_state(LinkState.CLOSED if self.core.is_closed else LinkState.DOWN)
            self._arm()
        for timer in (run.gathering, run.unhurried):
            if timer is not None:
                timer.cancel()
        reader.cancel()
        writer.cancel()
        results = await asyncio.gather(reader, writer, return_exceptions=True)
        code, reason = run.close_with
        if isinstance(self.close_error, RemoteProtocolError):
            code, reason = _CODE_PROTOCOL, "protocol error"
        try:
            await run.carrier.close(code, reason)
        finally:
            if not run.finished.done():
                run.finished.set_result(None)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _act(self, events: list[ev.Event]) -> None:
        for event in events:
            match event:
                case ev.StreamOpened(state):
                    self._call(self._on_stream, stream_of(self, state))
                case ev.HeadReceived(state):
                    stream_of(self, state).wake_response()
                case ev.StreamWritable(state):
                    stream_of(self, state).wake_writer()
                case ev.StreamFailed(state):
                    stream_of(self, state).wake_all()
                case ev.ControlReceived(message, size):
                    self.control_bytes_in += size
                    self._call(self._on_control, message)
                case ev.GoAway():
                    self._call(self._on_goaway, event)
                case ev.LinkUp(is_fresh):
                    self.is_fresh = is_fresh
                    self._set_state(LinkState.UP)
                    self._arm()
                case ev.CarrierDead(reason):
                    if self._run is not None:
                        self._run.end(_CODE_GOING_AWAY, reason)
                case ev.LinkClosed(error):
                    self._on_closed(error)

    def _on_closed(self, error: TunnelError) -> None:
        self.close_error = error
        if self._run is not None:
            self.flush()
            run = self._run
            asyncio.get_running_loop().call_later(FAREWELL_S, run.end, _CODE_POLICY, error.code)
        self._set_state(LinkState.CLOSED)
        self._arm()

    def _set_state(self, state: LinkState) -> None:
        if state is not self._state and self._state is not LinkState.CLOSED:
            self._state = state
            self._call(self._on_state, state)

    def _call(self, callback: Callable[[Any], None] | None, argument: Any) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception as error:  # noqa: BLE001 - one owner's fault must not stop the link
            asyncio.get_running_loop().call_exception_handler(
                {"message": "A callback of a link failed.", "exception": error}
            )

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.core.next_timer()
        if at is not None and at != float("inf"):
            delay_s = max(0.0, at - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.poll)


class _Run:
    """One carrier's turn on the link."""

    __slots__ = (
        "_was_busy", "_window_at", "_writes", "carrier", "close_with", "ended", "finished",
        "gathering", "idle", "sent_at", "unhurried",
    )  # fmt: skip

    def __init__(self, carrier: Carrier) -> None:
        loop = asyncio.get_running_loop()
        self.carrier = carrier
        self.idle: asyncio.Future[None] | None = None
        self.ended: asyncio.Future[None] = loop.create_future()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.close_with = (_CODE_DONE, "")
        self.sent_at = float("-inf")
        self.gathering: asyncio.TimerHandle | None = None
        self.unhurried: asyncio.TimerHandle | None = None
        self._window_at = float("-inf")
        self._writes = 0
        self._was_busy = False

    def is_busy(self, now: float) -> bool:
        """Counts a write; whether there were many in the window before this one."""
        if now - self._window_at >= BUSY_S:
            self._was_busy = self._writes > BUSY_WRITES and now - self._window_at < 2 * BUSY_S
            self._window_at = now
            self._writes = 0
        self._writes += 1
        return self._was_busy

    def wake_writer(self) -> None:
        """Waiting for company is over."""
        for timer in (self.gathering, self.unhurried):
            if timer is not None:
                timer.cancel()
        self.gathering = self.unhurried = None
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    def end(self, code: int, reason: str) -> None:
        """Stops driving the carrier; it is closed with `code`."""
        if not self.ended.done():
            self.close_with = (code, reason)
            self.ended.set_result(None)
