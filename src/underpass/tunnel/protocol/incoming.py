"""What the peer's frames do to a link: the reading half of `LinkCore`.

Everything here raises `RemoteProtocolError` kinds for what the peer did wrong, and nothing else;
`LinkCore.receive_data` turns them into the end of the link.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from underpass.core.errors import (
    BadFrame,
    FrameTooBig,
    IllegalMove,
    LinkRefused,
    StreamReset,
    TunnelError,
    UnknownStream,
)
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.chunks import SMALL_MASK, squeeze_now_and_then
from underpass.tunnel.protocol.control import Control
from underpass.tunnel.protocol.events import (
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
from underpass.tunnel.protocol.limits import MAX_PAYLOAD_BYTES, OFFSET_BYTES, LinkSettings
from underpass.tunnel.protocol.liveness import Liveness
from underpass.tunnel.protocol.outbox import Outbox
from underpass.tunnel.protocol.phases import LINK_MOVES, Phase
from underpass.tunnel.protocol.streams import StreamState

_DATA = int(FrameType.DATA)


class Incoming(ABC):
    """A link's state, and the handlers of all frames that both ends may get."""

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

    # --- for the two kinds -------------------------------------------------------------------

    @abstractmethod
    def _is_over(self, stream: StreamState) -> bool:
        """True when neither side needs the stream any more."""

    def _after_credit(self, stream: StreamState) -> None:  # noqa: B027 - the hub has nothing to do
        """CREDIT was applied; the agent bounds what it keeps."""

    # --- frames ------------------------------------------------------------------------------

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
        self._events.extend(ControlReceived(message, size) for message, size in messages)

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

    def _end_link(self, error: TunnelError) -> None:
        for stream in list(self._streams.values()):
            self._lose(stream, StreamReset(error.code))
        self._cancelled.clear()
        self._move(Phase.CLOSED)
        self._drop_carrier()
        self._down_since = None
        self._events.append(LinkClosed(error))
