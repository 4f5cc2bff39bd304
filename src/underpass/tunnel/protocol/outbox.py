"""What goes out next: handshake, cancels, credit and heads first, then control, then data.

Data streams take turns, one frame each. One pull is one carrier message of bounded size, so
that a cancel never stands behind more than that.
"""

from __future__ import annotations

from collections import deque

from underpass.tunnel.protocol.chunks import SMALL_MASK, squeeze_now_and_then
from underpass.tunnel.protocol.control import Control
from underpass.tunnel.protocol.frames import (
    CREDIT_FRAME,
    DATA_HEADER,
    HEADER,
    PING_BYTES,
    Flag,
    FrameType,
    cancel_frame,
    credit_frame,
    data_frame,
    end_frame,
    frame,
)
from underpass.tunnel.protocol.limits import MAX_DATA_BYTES
from underpass.tunnel.protocol.streams import StreamState

_DATA = int(FrameType.DATA)
_OVERHEAD = DATA_HEADER.size
# Over the longest CANCEL and the single frames together, so that room never runs below zero.
_SMALL_BYTES = 4096


class Outbox:
    """The queues of one carrier; `clear` for the next one. What must survive is kept elsewhere."""

    __slots__ = (
        "_acks", "_cancels", "_control", "_credits", "_goaway", "_handshake", "_heads",
        "_is_control_credit_due", "_is_ping_due", "_pong", "_releases", "_ring", "is_first_due",
        "is_urgent",
    )  # fmt: skip

    def __init__(self, control: Control) -> None:
        self._control = control
        self.clear()

    def clear(self) -> None:
        """Forgets all that was queued."""
        self._handshake: list[bytes] = []
        self._cancels: dict[int, str] = {}
        self._acks: dict[int, None] = {}
        self._pong: bytes | None = None
        self._is_ping_due = False
        self._is_control_credit_due = False
        self._credits: dict[int, StreamState] = {}
        self._releases: dict[int, None] = {}
        self._goaway: bytes | None = None
        self._heads: dict[int, bytes] = {}
        self._ring: deque[StreamState] = deque()
        # One look tells the hot path that there is nothing but data.
        self.is_first_due = True
        self.is_urgent = True
        """Something waits that no other message should be waited for."""

    # --- queueing ----------------------------------------------------------------------------

    @property
    def is_unhurried(self) -> bool:
        """Whether nothing waits but what may wait a while longer, or nothing at all."""
        return not self.is_urgent and not self._ring

    @property
    def acks(self) -> int:
        """How many cancels wait to be acknowledged."""
        return len(self._acks)

    def handshake(self, frames: list[bytes]) -> None:
        """Frames that go before everything else."""
        self._handshake.extend(frames)
        self._hurry()

    def cancel(self, stream_id: int, reason: str) -> None:
        """CANCEL; what was queued for the stream stays behind."""
        self._cancels[stream_id] = reason
        self._hurry()

    def drop_cancel(self, stream_id: int) -> None:
        """Takes back a CANCEL that has not gone out."""
        self._cancels.pop(stream_id, None)

    def ack_cancel(self, stream_id: int) -> None:
        """CANCEL + ACK."""
        self._acks[stream_id] = None
        self._hurry()

    def ping(self) -> None:
        """PING."""
        self._is_ping_due = True
        self._hurry()

    def pong(self, payload: bytes) -> None:
        """PING + ACK. Only the newest is answered, so a flood of pings takes no memory."""
        self._pong = payload
        self._hurry()

    def credit(self, stream: StreamState) -> None:
        """CREDIT with the values of the moment it is sent.

        Nobody waits for the last one of a half: it goes with the next message.
        """
        self._credits[stream.id] = stream
        self.is_first_due = True
        self.is_urgent = self.is_urgent or not stream.receiver.is_done

    def control_credit(self) -> None:
        """CREDIT of stream 0."""
        self._is_control_credit_due = True
        self._hurry()

    def control(self) -> None:
        """The control stream has something to send."""
        self._hurry()

    def release(self, stream_id: int) -> None:
        """RELEASE."""
        self._releases[stream_id] = None
        self._hurry()

    def goaway(self, whole: bytes) -> None:
        """A GOAWAY frame; a newer one replaces an older one."""
        self._goaway = whole
        self._hurry()

    def head(self, stream_id: int, whole: bytes) -> None:
        """An OPEN or HEAD frame."""
        self._heads[stream_id] = whole
        self._hurry()

    def drop_head(self, stream_id: int) -> bool:
        """Takes back an OPEN or HEAD that has not gone out. True if there was one."""
        return self._heads.pop(stream_id, None) is not None

    def ready(self, stream: StreamState) -> None:
        """The stream has data or its end to send. The first of it does not wait for company."""
        if not stream.sender.sent:
            self.is_urgent = True
        if not stream.is_queued:
            stream.is_queued = True
            self._ring.append(stream)

    # --- sending -----------------------------------------------------------------------------

    def pull_handshake(self, most: int) -> bytes:
        """Only handshake frames: all that may go before WELCOME has come."""
        parts: list[bytes] = []
        self._pull_queue(self._handshake, parts, most)
        return b"".join(parts)

    def pull(self, most: int) -> bytes:
        """The next message, at most `most` bytes; b"" when there is nothing to send."""
        parts: list[bytes] = []
        room = most
        self.is_urgent = False
        if self.is_first_due:
            room = self._pull_first(parts, most)
            # Data must not overtake the OPEN or HEAD of its own stream.
            if self._heads or self._handshake:
                return b"".join(parts)
        ring = self._ring
        pack = DATA_HEADER.pack
        while ring and room > _OVERHEAD:
            stream = ring.popleft()
            sender = stream.sender
            pending = sender.pending
            if len(pending) == 1 and not sender.is_ended and sender.is_told:
                chunk = pending[0]
                size = len(chunk)
                start = sender.sent
                if size + _OVERHEAD <= room and start + size <= sender.limit:
                    pending.clear()
                    parts.append(pack(_DATA, 0, size + 8, stream.id, start))
                    parts.append(chunk)
                    sender.sent = start + size
                    retained = sender.retained
                    retained.append(chunk)
                    if not len(retained) & SMALL_MASK:
                        squeeze_now_and_then(retained)
                    stream.is_queued = False
                    room -= size + _OVERHEAD
                    continue
            room -= self._pull_stream(stream, parts, room)
        return b"".join(parts)

    def _hurry(self) -> None:
        self.is_first_due = self.is_urgent = True

    def _pull_stream(self, stream: StreamState, parts: list[bytes], room: int) -> int:
        """One turn of a stream that needs more than one plain frame. Returns the bytes taken."""
        sender = stream.sender
        taken = 0
        if sender.pending and sender.sent < sender.limit:
            start = sender.sent
            data = sender.next_data(min(MAX_DATA_BYTES, room - _OVERHEAD))
            is_starved = not sender.is_told and not sender.pending
            parts.append(data_frame(stream.id, start, data, Flag.BLOCKED if is_starved else 0))
            sender.is_told = sender.is_told or is_starved
            taken = len(data) + _OVERHEAD
        elif not sender.is_told and not sender.pending:
            parts.append(data_frame(stream.id, sender.sent, b"", Flag.BLOCKED))
            sender.is_told = True
            taken = _OVERHEAD
        is_end_due = sender.is_ended and not sender.pending and not sender.is_end_sent
        if is_end_due and room - taken >= _OVERHEAD:
            parts.append(end_frame(stream.id, sender.written))
            sender.is_end_sent = True
            taken += _OVERHEAD
        stream.is_queued = sender.has_work
        if stream.is_queued:
            self._ring.append(stream)
        return taken

    def _pull_first(self, parts: list[bytes], most: int) -> int:
        """Everything but data, in the order of its weight. Returns the room that is left."""
        room = self._pull_queue(self._handshake, parts, most)
        if self._handshake:
            return room
        room = self._pull_small(parts, room)
        if room <= 0:
            return 0
        while self._heads:
            stream_id, whole = next(iter(self._heads.items()))
            if len(whole) > room:
                return room
            del self._heads[stream_id]
            parts.append(whole)
            room -= len(whole)
        room -= self._pull_control(parts, min(room, most // 2))
        self.is_first_due = self._control.sender.has_work
        return room

    def _pull_small(self, parts: list[bytes], room: int) -> int:
        """Cancels, pings, credit, releases, goaway. Returns the room; 0 if something is left."""
        while self._cancels and room > _SMALL_BYTES:
            stream_id = next(iter(self._cancels))
            parts.append(cancel_frame(stream_id, self._cancels.pop(stream_id)))
            room -= len(parts[-1])
        room -= self._pull_single(parts)
        while self._acks and room > _SMALL_BYTES:
            stream_id, _ = self._acks.popitem()
            parts.append(frame(FrameType.CANCEL, stream_id, flags=Flag.ACK))
            room -= HEADER.size
        while self._credits and room > _SMALL_BYTES:
            stream_id, stream = self._credits.popitem()
            receiver = stream.receiver
            parts.append(credit_frame(stream_id, receiver.consumed, receiver.limit))
            room -= CREDIT_FRAME.size
        while self._releases and room > _SMALL_BYTES:
            stream_id, _ = self._releases.popitem()
            parts.append(frame(FrameType.RELEASE, stream_id))
            room -= HEADER.size
        if self._cancels or self._acks or self._credits or self._releases:
            return 0
        return room

    def _pull_single(self, parts: list[bytes]) -> int:
        """The frames of which there is one at most. Returns their size."""
        single: list[bytes] = []
        if self._pong is not None:
            single.append(frame(FrameType.PING, 0, self._pong, Flag.ACK))
            self._pong = None
        if self._is_ping_due:
            single.append(frame(FrameType.PING, 0, bytes(PING_BYTES)))
            self._is_ping_due = False
        if self._is_control_credit_due:
            receiver = self._control.receiver
            single.append(credit_frame(0, receiver.consumed, receiver.limit))
            self._is_control_credit_due = False
        if self._goaway is not None:
            single.append(self._goaway)
            self._goaway = None
        parts.extend(single)
        return sum(map(len, single))

    def _pull_control(self, parts: list[bytes], room: int) -> int:
        sender = self._control.sender
        taken = 0
        while sender.has_work and room - taken > _OVERHEAD:
            start = sender.sent
            data = sender.next_data(min(MAX_DATA_BYTES, room - taken - _OVERHEAD))
            parts.append(data_frame(0, start, data))
            taken += len(data) + _OVERHEAD
        return taken

    def _pull_queue(self, queue: list[bytes], parts: list[bytes], room: int) -> int:
        while queue and len(queue[0]) <= room:
            room -= len(queue[0])
            parts.append(queue.pop(0))
        return room
