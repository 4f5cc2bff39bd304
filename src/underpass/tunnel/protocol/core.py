"""What both ends of a link share: reading frames, streams, timers. No I/O; time is an argument.

Rules: bytes of the peer never raise. A wrong frame closes the link: `receive_data` answers with
`LinkClosed(error)`, and `data_to_send` has one last CLOSE. Wrong calls of ours raise
`LocalProtocolError`. A carrier is ordered and reliable until it is lost, so what was queued for
one carrier is forgotten with it and made anew from the streams' offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

from underpass.core.errors import (
    BadFrame,
    FrameTooBig,
    IllegalMove,
    LinkRefused,
    LocalProtocolError,
    RemoteProtocolError,
    StreamReset,
    TunnelError,
    UnknownStream,
)
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.chunks import SMALL_MASK, squeeze_now_and_then
from underpass.tunnel.protocol.control import Control
from underpass.tunnel.protocol.events import (
    CarrierDead,
    ControlReceived,
    Event,
    GoAway,
    LinkClosed,
    StreamFailed,
    StreamWritable,
)
from underpass.tunnel.protocol.flow import Budget
from underpass.tunnel.protocol.frames import (
    DATA_HEADER,
    HEADER,
    PING_BYTES,
    Flag,
    FrameType,
    check_header,
    read_credit,
    read_offset,
    read_reason,
)
from underpass.tunnel.protocol.limits import (
    MAX_DATA_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOAD_BYTES,
    OFFSET_BYTES,
    LinkSettings,
)
from underpass.tunnel.protocol.liveness import Due, Liveness
from underpass.tunnel.protocol.outbox import Outbox
from underpass.tunnel.protocol.streams import StreamState

_DATA = int(FrameType.DATA)


class Phase(StrEnum):
    """Where a link is in its life."""

    NEW = "new"
    CONNECTING = "connecting"
    """Agent: HELLO is out, WELCOME is not in."""
    UP = "up"
    DOWN = "down"
    """No carrier; streams wait for the next one until grace ends."""
    CLOSED = "closed"


LINK_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.NEW: frozenset({Phase.CONNECTING, Phase.UP, Phase.CLOSED}),
    Phase.CONNECTING: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    # A newer carrier displaces an older one at once, without a moment of DOWN.
    Phase.UP: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    Phase.DOWN: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    Phase.CLOSED: frozenset({Phase.CLOSED}),
}


class LinkCore:
    """One end of a link; `HubLink` and `AgentLink` are the two kinds.

    The shell's moves: `receive_data`, `data_to_send`, `carrier_lost`, `next_timer` with `tick`,
    and for streams `write`, `end`, `read`, `cancel`. All return at once. Those that return
    events expect the shell to act on them; `take_readable` tells which streams got data.
    """

    EXPECTED: ClassVar[Mapping[Phase, frozenset[FrameType]]]
    """Which frames this end may get in which phase; any other is a `BadFrame`."""

    def __init__(self, settings: LinkSettings, budget: Budget | None) -> None:
        """`budget`: the one above this link's, for a hub with many links."""
        self.settings = settings
        self.phase = Phase.NEW
        self.link_id: str | None = None
        self.epoch = 0
        self.is_draining = False
        """This side has said GOAWAY."""
        self.is_peer_draining = False
        self.budget = Budget(settings.link_budget_bytes, budget)
        self._streams: dict[int, StreamState] = {}
        self._cancelled: dict[int, str] = {}
        """Our cancels that the peer has not acknowledged; they survive carriers."""
        self._last_id = 0
        """The highest stream id of this link so far."""
        self._control = Control()
        self._outbox = Outbox(self._control)
        self._events: list[Event] = []
        self._readable: list[StreamState] = []
        self._buffer = b""
        self._liveness: Liveness | None = None
        self._down_since: float | None = None
        self._goaway: bytes | None = None
        self._farewell = b""
        self._handlers: dict[FrameType, Callable[[int, int, bytes], None]] = {
            FrameType.DATA: self._on_data,
            FrameType.END: self._on_end,
            FrameType.CREDIT: self._on_credit,
            FrameType.CANCEL: self._on_cancel,
            FrameType.PING: self._on_ping,
            FrameType.GOAWAY: self._on_goaway,
            FrameType.CLOSE: self._on_close,
        }

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} {self.link_id} {self.phase} epoch {self.epoch}: {len(self._streams)}>"

    @property
    def streams(self) -> Mapping[int, StreamState]:
        """The live streams by id."""
        return self._streams

    @property
    def is_closed(self) -> bool:
        """True once the link is over for good."""
        return self.phase is Phase.CLOSED

    @property
    def has_urgent(self) -> bool:
        """True when something other than data waits to be sent, such as credit."""
        return self._outbox.is_first_due

    # --- bytes -------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Takes bytes of the carrier, cut anywhere. Never raises for what the peer sent."""
        if self._liveness is None:
            return []
        self._liveness.heard(now)
        try:
            self._parse(self._buffer + data if self._buffer else data)
        except RemoteProtocolError as error:
            self._close(error, now)
        return self.take_events()

    def data_to_send(self, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
        """The next message for the carrier, or b"". Pull only when the carrier is ready for it.

        `max_bytes` must be over 20 KiB, so that every frame fits.
        """
        if self.phase is Phase.UP:
            return self._outbox.pull(max_bytes)
        if self.phase is Phase.CONNECTING:
            return self._outbox.pull_handshake(max_bytes)
        farewell, self._farewell = self._farewell, b""
        return farewell

    def carrier_lost(self, now: float) -> list[Event]:
        """The carrier is gone; streams wait for the next one."""
        if self.phase in (Phase.UP, Phase.CONNECTING):
            if self.phase is Phase.UP:
                self._down_since = now
            self._move(Phase.DOWN)
            self._drop_carrier()
        return self.take_events()

    def take_readable(self) -> list[StreamState]:
        """The streams that had nothing to read and have something now, since the last call."""
        readable = self._readable
        if readable:
            self._readable = []
        return readable

    def take_events(self) -> list[Event]:
        """What has happened since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    # --- time --------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When to call `tick` next, on the clock of `now`; None while nothing is due ever."""
        times = [at for at in (self._grace_ends(), self._carrier_deadline()) if at is not None]
        return min(times) if times else None

    def tick(self, now: float) -> list[Event]:
        """Does what is due: pings, declares the carrier dead, ends grace."""
        if self._liveness is not None:
            due = self._liveness.due(now)
            if due is Due.PING:
                self._outbox.ping()
            elif due is Due.DEAD:
                self._events.append(CarrierDead(self._silence()))
        grace_ends = self._grace_ends()
        if grace_ends is not None and now >= grace_ends:
            self._expire(now)
        return self.take_events()

    # --- streams -----------------------------------------------------------------------------

    def write(self, stream: StreamState, data: bytes, start: int = 0) -> int:
        """Takes as much of `data`, from `start` on, as credit allows; returns how much that was.

        After less than all, `StreamWritable` tells when to go on. Raises StreamReset or
        ResumeExpired when the stream failed, LocalProtocolError after the end.
        """
        sender = stream.sender
        size = len(data)
        if (
            0 < size <= MAX_DATA_BYTES
            and not start
            and size <= sender.room_end - sender.written
            and not sender.is_ended
            and type(data) is bytes
        ):
            pending = sender.pending
            pending.append(data)
            sender.written += size
            if not len(pending) & SMALL_MASK:
                squeeze_now_and_then(pending)
            if not stream.is_queued:
                self._outbox.ready(stream)
            return size
        return self._write_slowly(stream, data, start)

    def end(self, stream: StreamState) -> None:
        """This half is complete. Raises like `write`; may be called twice."""
        self._check_writable(stream)
        stream.sender.end()
        self._outbox.ready(stream)

    def read(self, stream: StreamState) -> bytes:
        """What has come, b"" if nothing is there now; counts the last read as consumed.

        Raises StreamReset or ResumeExpired when the stream failed before its end.
        """
        receiver = stream.receiver
        if receiver.handed and stream.error is None:
            receiver.consumed += receiver.handed
            receiver.handed = 0
            if receiver.consumed >= receiver.credit_at or receiver.is_credit_wanted:
                self._advance(stream)
        if receiver.chunks:
            return receiver.take()
        if stream.error is not None and not receiver.is_done:
            raise stream.error
        if receiver.is_wider_wanted and receiver.final is None:
            receiver.widen()
            self._outbox.credit(stream)
        return b""

    def cancel(self, stream: StreamState, reason: str) -> list[Event]:
        """Ends both halves now; the peer is told even if the link is down. May be called twice."""
        if self._streams.pop(stream.id, None) is not None:
            self._tell_cancel(stream.id, reason)
            stream.fail(StreamReset(reason))
            self._events.append(StreamFailed(stream))
        return self.take_events()

    def send_control(self, message: dict[str, Any]) -> None:
        """Queues one control message; it survives lost carriers.

        Raises TunnelError: `control_too_big`, or `control_full` when too much waits already.
        """
        self._control.queue(message)
        self._outbox.control()

    # --- ending ------------------------------------------------------------------------------

    def drain(self, reason: str, seconds_left: float = 0.0, *, is_closing: bool = False) -> None:
        """Says GOAWAY: no new streams; with `is_closing`, the carrier will be closed next."""
        self.is_draining = True
        self._goaway = goodbye.goaway_frame(reason, seconds_left, is_closing=is_closing)
        self._outbox.goaway(self._goaway)

    def close(self, code: str, message: str, now: float) -> list[Event]:
        """Ends the link on both sides; every stream is reset with `code` as its reason."""
        self._close(TunnelError(message, code=code), now)
        return self.take_events()

    # --- for the two kinds -------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        """Grace has ended."""
        raise NotImplementedError

    def _grace_ends(self) -> float | None:
        raise NotImplementedError

    def _is_over(self, stream: StreamState) -> bool:
        """True when neither side needs the stream any more."""
        raise NotImplementedError

    def _after_credit(self, stream: StreamState) -> None:
        """CREDIT was applied; the agent bounds what it keeps."""

    def _may_write(self, stream: StreamState) -> bool:
        """False while the stream's own head has not been given."""
        return True

    def _silence(self) -> str:
        return "Nothing came from the peer for too long."

    # --- reading frames ----------------------------------------------------------------------

    def _parse(self, buffer: bytes) -> None:
        position = 0
        end = len(buffer)
        streams = self._streams
        unpack = DATA_HEADER.unpack_from
        is_up = self.phase is Phase.UP
        while end - position >= HEADER.size:
            if buffer[position] == _DATA and is_up and end - position >= DATA_HEADER.size:
                _, flags, length, stream_id, offset = unpack(buffer, position)
                stop = position + HEADER.size + length
                stream = streams.get(stream_id)
                if stream is not None and not flags and stop <= end:
                    receiver = stream.receiver
                    after = offset + length - OFFSET_BYTES
                    if (
                        offset == receiver.received
                        and offset < after <= receiver.allowed
                        and length <= MAX_PAYLOAD_BYTES
                    ):
                        receiver.received = after
                        chunks = receiver.chunks
                        if not chunks:
                            self._readable.append(stream)
                        chunks.append(buffer[position + DATA_HEADER.size : stop])
                        if not len(chunks) & SMALL_MASK:
                            squeeze_now_and_then(chunks)
                        position = stop
                        continue
            kind, flags, length, stream_id = HEADER.unpack_from(buffer, position)
            if length > MAX_PAYLOAD_BYTES:
                raise FrameTooBig(f"A frame of {length} bytes; the limit is {MAX_PAYLOAD_BYTES}.")
            known = check_header(kind, flags)
            stop = position + HEADER.size + length
            if stop > end:
                break
            self._dispatch(known, flags, stream_id, buffer[position + HEADER.size : stop])
            position = stop
            if self.phase is Phase.CLOSED:
                return
            is_up = self.phase is Phase.UP
        self._buffer = buffer[position:]

    def _dispatch(self, kind: FrameType, flags: int, stream_id: int, payload: bytes) -> None:
        if kind not in self.EXPECTED.get(self.phase, frozenset()):
            raise BadFrame(f"{kind.name} while the link is {self.phase}.")
        self._handlers[kind](flags, stream_id, payload)

    def _known(self, stream_id: int) -> StreamState | None:
        """The stream; None when it was and is no more. Raises UnknownStream if it never was."""
        stream = self._streams.get(stream_id)
        if stream is None and not 0 < stream_id <= self._last_id:
            raise UnknownStream(f"Stream {stream_id} was never opened.")
        return stream

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) < OFFSET_BYTES:
            raise BadFrame("DATA without its offset.")
        offset = read_offset(payload[:OFFSET_BYTES])
        data = payload[OFFSET_BYTES:]
        if stream_id == 0:
            self._on_control(offset, data)
            return
        stream = self._known(stream_id)
        if stream is None:
            return
        receiver = stream.receiver
        was_empty = not receiver.chunks
        if receiver.on_data(offset, data) and was_empty:
            self._readable.append(stream)
        if flags & Flag.BLOCKED:
            receiver.on_blocked()
            self._advance(stream)

    def _on_control(self, offset: int, data: bytes) -> None:
        messages = self._control.on_data(offset, data)
        if messages:
            # At once, not at half a window: what the peer keeps it would say again to a hub
            # that was restarted.
            self._outbox.control_credit()
        self._events.extend(ControlReceived(message) for message in messages)

    def _on_end(self, flags: int, stream_id: int, payload: bytes) -> None:
        final = read_offset(payload)
        if stream_id == 0:
            raise BadFrame("END of the control stream.")
        stream = self._known(stream_id)
        if stream is None:
            return
        stream.receiver.on_end(final)
        if not stream.receiver.chunks:
            self._readable.append(stream)
            self._advance(stream)

    def _on_credit(self, flags: int, stream_id: int, payload: bytes) -> None:
        consumed, limit = read_credit(payload)
        if stream_id == 0:
            self._control.sender.on_credit(consumed, limit)
            self._outbox.control()
            return
        stream = self._known(stream_id)
        if stream is None:
            return
        if stream.sender.on_credit(consumed, limit):
            self._events.append(StreamWritable(stream))
        self._after_credit(stream)
        if stream.sender.has_work:
            self._outbox.ready(stream)
        self._settle(stream)

    def _on_cancel(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._known(stream_id)
        if flags & Flag.ACK:
            if payload:
                raise BadFrame("An acknowledged CANCEL with a payload.")
            self._cancelled.pop(stream_id, None)
            return
        reason = read_reason(payload)
        if self._outbox.acks > 4 * self.settings.max_streams:
            raise BadFrame("More cancels than there can be streams.")
        self._outbox.ack_cancel(stream_id)
        if stream is not None:
            self._lose(stream, StreamReset(reason))

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != PING_BYTES or stream_id != 0:
            raise BadFrame("A PING that is not 8 bytes on stream 0.")
        if not flags & Flag.ACK:
            self._outbox.pong(payload)

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        reason, seconds_left = goodbye.read_goaway(payload)
        self.is_peer_draining = True
        self._events.append(GoAway(bool(flags & Flag.CLOSING), reason, seconds_left))

    def _on_close(self, flags: int, stream_id: int, payload: bytes) -> None:
        code, message = goodbye.read_close(payload)
        kind = LinkRefused if code in goodbye.PERMANENT else TunnelError
        self._end_link(kind(message, code=code))

    # --- helpers -----------------------------------------------------------------------------

    def _move(self, phase: Phase) -> None:
        if phase not in LINK_MOVES[self.phase]:
            raise IllegalMove(f"A link cannot go from {self.phase} to {phase}.")
        self.phase = phase

    def _drop_carrier(self) -> None:
        self._liveness = None
        self._buffer = b""
        self._outbox.clear()
        self.is_peer_draining = False

    def _carrier_deadline(self) -> float | None:
        return None if self._liveness is None else self._liveness.deadline()

    def _write_slowly(self, stream: StreamState, data: bytes, start: int) -> int:
        self._check_writable(stream)
        if start >= len(data):
            return 0
        taken = stream.sender.accept(data, start)
        if stream.sender.has_work:
            self._outbox.ready(stream)
        return taken

    def _check_writable(self, stream: StreamState) -> None:
        if stream.error is not None:
            raise stream.error
        if not self._may_write(stream):
            raise LocalProtocolError("Data before the answer's head.")

    def _advance(self, stream: StreamState) -> None:
        receiver = stream.receiver
        # Bytes that the reader still holds are not consumed.
        if not receiver.handed and receiver.is_credit_due():
            self._outbox.credit(stream)
            if receiver.is_done:
                self._settle(stream)

    def _settle(self, stream: StreamState) -> None:
        """Forgets the stream if it is over."""
        if stream.id in self._streams and self._is_over(stream):
            del self._streams[stream.id]
            stream.close()

    def _lose(self, stream: StreamState, error: TunnelError) -> None:
        """The stream is gone for a reason of the peer's or of time's."""
        if self._streams.pop(stream.id, None) is not None:
            self._outbox.drop_head(stream.id)
            stream.fail(error)
            self._events.append(StreamFailed(stream))

    def _tell_cancel(self, stream_id: int, reason: str) -> None:
        self._outbox.drop_head(stream_id)
        self._cancelled[stream_id] = reason
        self._outbox.cancel(stream_id, reason)

    def _queue_all(self) -> None:
        """After a handshake: everything that this carrier has to carry."""
        for stream_id, reason in self._cancelled.items():
            self._outbox.cancel(stream_id, reason)
        if self._goaway is not None:
            self._outbox.goaway(self._goaway)
        for stream in self._streams.values():
            stream.is_queued = False
            sender = stream.sender
            if sender.is_blocked and sender.room_end > sender.written:
                self._events.append(StreamWritable(stream))
            if sender.has_work:
                self._outbox.ready(stream)
        self._outbox.control()

    def _close(self, error: TunnelError, now: float) -> None:
        """Ends the link from this side, with a last word to the peer if there is a carrier."""
        if self.phase is not Phase.CLOSED:
            farewell = goodbye.close_frame(error.code, error.message)
            has_carrier = self._liveness is not None
            self._end_link(error)
            self._farewell = farewell if has_carrier else b""

    def _end_link(self, error: TunnelError) -> None:
        for stream in list(self._streams.values()):
            self._lose(stream, StreamReset(error.code))
        self._cancelled.clear()
        self._move(Phase.CLOSED)
        self._drop_carrier()
        self._down_since = None
        self._events.append(LinkClosed(error))
