"""A stream: a sender, a receiver, and what opened and answered it.

Positions are absolute byte offsets of one half. For a sender:

    floor <= consumed <= sent <= written <= room_end
    [ kept for a restarted hub | in flight, kept | waiting ]

For a receiver:  consumed <= received <= limit.  A sender is done when the peer has consumed its
last byte, a receiver when its reader has. A stream is over when both are (or when it is reset).
"""

from __future__ import annotations

from collections import deque

from underpass.core.errors import BadFrame, LocalProtocolError, TunnelError, WindowExceeded
from underpass.tunnel.protocol.chunks import Chunks, squeeze_now_and_then, take_up_to
from underpass.tunnel.protocol.flow import Budget, Window
from underpass.tunnel.protocol.heads import Head, OpenHead
from underpass.tunnel.protocol.limits import (
    FIRST_WINDOW_BYTES,
    MAX_DATA_BYTES,
    READ_BYTES,
)


class Sender:
    """One half as its writer's side has it: what waits, what is kept, and how far it may go."""

    __slots__ = (
        "consumed", "floor", "is_blocked", "is_done", "is_end_sent", "is_ended", "is_kept",
        "is_told", "limit", "pending", "retained", "room_end", "sent", "window", "written",
    )  # fmt: skip

    def __init__(self, budget: Budget, limit: int, *, is_kept: bool = False) -> None:
        """`limit`: the peer's first credit. `is_kept`: consumed bytes stay until `unkeep`."""
        self.pending: Chunks = deque()
        self.retained: Chunks = deque()
        self.floor = 0
        self.consumed = 0
        self.sent = 0
        self.written = 0
        self.limit = limit
        self.window = Window(budget)
        # Zero until the first write, so that a stream without a body takes no budget.
        self.room_end = 0
        self.is_ended = False
        self.is_end_sent = False
        self.is_done = False
        self.is_blocked = False
        # The peer knows that we wait for its CREDIT, or we do not.
        self.is_told = True
        self.is_kept = is_kept

    def __repr__(self) -> str:
        return (
            f"<Sender {self.floor}<={self.consumed}<={self.sent}<={self.written}"
            f" of {self.limit}{' ended' if self.is_ended else ''}>"
        )

    @property
    def has_work(self) -> bool:
        """True when a frame could go out now."""
        if self.pending:
            return self.sent < self.limit
        return (self.is_ended and not self.is_end_sent) or not self.is_told

    def accept(self, data: bytes, start: int = 0) -> int:
        """Takes what there is room for, from `start` on; marks the half blocked if not all.

        Returns how much was taken.

        Raises LocalProtocolError after the end.
        """
        if self.is_ended:
            raise LocalProtocolError("A write after the end.")
        if self.written + len(data) - start > self.room_end:
            self._make_room(len(data) - start)
        room = self.room_end - self.written
        stop = min(start + room, len(data))
        for cut in range(start, stop, MAX_DATA_BYTES):
            # A copy: the caller may go on using a buffer of its own.
            self.pending.append(bytes(data[cut : min(cut + MAX_DATA_BYTES, stop)]))
        self.written += stop - start
        self.is_blocked = stop < len(data)
        self.is_told = not self.is_blocked
        squeeze_now_and_then(self.pending)
        return stop - start

    def end(self) -> None:
        """No more will be written. May be called twice."""
        self.is_ended = True
        self.is_blocked = False
        self.is_told = True

    def next_data(self, most: int) -> bytes:
        """Moves up to `most` waiting bytes within the limit to what is kept, and returns them."""
        most = min(most, self.limit - self.sent)
        data = take_up_to(self.pending, most)
        self.sent += len(data)
        self.retained.append(data)
        squeeze_now_and_then(self.retained)
        return data

    def append(self, data: bytes) -> None:
        """Takes `data` whatever the credit is: for control, which has a bound of its own."""
        for cut in range(0, len(data), MAX_DATA_BYTES):
            self.pending.append(data[cut : cut + MAX_DATA_BYTES])
        self.written += len(data)
        squeeze_now_and_then(self.pending)

    def on_credit(self, consumed: int, limit: int) -> bool:
        """Frees what was consumed and moves the limit. True when a blocked writer may go on.

        Raises BadFrame when the peer consumed what was not sent.
        """
        if consumed > self.sent:
            raise BadFrame(f"CREDIT for {consumed} bytes where {self.sent} were sent.")
        # Only the answer to END grants nothing. Any other CREDIT for all bytes may have left
        # before END arrived, and a lost END must still be sent again.
        if limit == consumed == self.written and self.is_end_sent:
            self.is_done = True
        # Smaller values are old news, not an error: absolute offsets may be said twice.
        self.consumed = max(self.consumed, consumed)
        self.limit = max(self.limit, limit)
        if not self.is_kept:
            self.trim(self.consumed)
        if self.window.size:
            self.room_end = min(self.limit, self.consumed + self.window.size)
        return self.is_blocked and self.room_end > self.written

    def rewind(self, received: int, consumed: int, limit: int, *, has_end: bool) -> bool:
        """After a new carrier: goes back to what the peer has. False when that is impossible."""
        if not self.floor <= consumed <= received <= self.sent:
            return False
        if has_end and not (self.is_ended and received == self.written):
            return False
        self._unsend(received)
        self.is_end_sent = has_end
        self.is_told = not self.is_blocked
        self.on_credit(consumed, limit)
        self.is_done = has_end and consumed == self.written
        return True

    def restart(self, offset: int, limit: int) -> bool:
        """For a hub without memory: it has `offset` bytes and nothing of our credit counts."""
        if not self.floor <= offset <= self.sent:
            return False
        self.consumed = offset
        self.limit = limit
        self.is_end_sent = False
        self.is_done = False
        self._unsend(offset)
        self.is_told = not self.is_blocked
        self.on_credit(offset, limit)
        return True

    def begin_sent(self, length: int, consumed: int) -> None:
        """A half that was sent and ended in the life of a hub before this one.

        The peer has all of it, so nothing is kept; its reader may still be at `consumed`.
        """
        self.floor = self.consumed = consumed
        self.sent = self.written = length
        self.is_ended = self.is_end_sent = True
        self.is_done = consumed == length

    def unkeep(self) -> None:
        """What was consumed need not stay any more."""
        self.is_kept = False
        self.trim(self.consumed)

    def trim(self, upto: int) -> None:
        """Forgets whole chunks below `upto`."""
        retained = self.retained
        floor = self.floor
        while retained and floor + len(retained[0]) <= upto:
            floor += len(retained.popleft())
        self.floor = floor

    def close(self) -> None:
        """Forgets everything and gives the window back."""
        self.pending.clear()
        self.retained.clear()
        # It may still stand in the outbox's ring, and must have nothing to say there.
        self.is_ended = self.is_end_sent = True
        self.is_blocked = False
        self.is_told = True
        self.window.close()
        self.room_end = 0

    def _make_room(self, wanted: int) -> None:
        """Opens this side's own window, and widens it while only that is in the way."""
        window = self.window
        if window.size == 0:
            window.open()
        while self.consumed + window.size < min(self.limit, self.written + wanted):
            if not window.double():
                break
        self.room_end = min(self.limit, self.consumed + self.window.size)

    def _unsend(self, offset: int) -> None:
        while self.sent > offset:
            chunk = self.retained.pop()
            start = self.sent - len(chunk)
            if start < offset:
                self.retained.append(chunk[: offset - start])
                chunk = chunk[offset - start :]
            self.pending.appendleft(chunk)
            self.sent -= len(chunk)


class Receiver:
    """One half as its reader's side has it: what has come and what the reader has taken."""

    __slots__ = (
        "_limits", "allowed", "chunks", "consumed", "credit_at", "final", "handed",
        "is_credit_wanted", "is_done", "is_wider_wanted", "limit", "received", "window",
    )  # fmt: skip

    def __init__(self, window: Window) -> None:
        """The size of `window` is the credit that the peer has from the start."""
        self.chunks: Chunks = deque()
        self.received = 0
        self.consumed = 0
        # Returned by the last read and not yet counted: "consumed" means handed on.
        self.handed = 0
        self.window = window
        self.limit = window.size
        # Those that the peer may still go by: on a long line it has reached the one before the
        # newest, or the one before that. Each is half a window further, so there are few.
        self._limits = [self.limit]
        # The limit as the hot path checks it: 0 while no data may come at all.
        self.allowed = self.limit
        self.credit_at = window.size // 2
        self.final: int | None = None
        self.is_done = False
        self.is_credit_wanted = False
        self.is_wider_wanted = False

    def __repr__(self) -> str:
        end = "" if self.final is None else f" ends {self.final}"
        return f"<Receiver {self.consumed}<={self.received}<={self.limit}{end}>"

    def on_data(self, offset: int, data: bytes) -> bool:
        """The unhurried way for DATA: duplicates, gaps, overruns. True when bytes were added.

        Raises BadFrame for a gap, data out of place or after the end, and WindowExceeded.
        """
        stop = offset + len(data)
        if offset > self.received:
            raise BadFrame(f"DATA at {offset} where {self.received} was next.")
        if stop <= self.received:
            return False
        if self.final is not None:
            raise BadFrame(f"DATA after the end at {self.final}.")
        if stop > self.allowed:
            if self.allowed < self.limit:
                raise BadFrame("DATA before HEAD.")
            raise WindowExceeded(f"DATA up to {stop}; the limit is {self.limit}.")
        self.chunks.append(data[self.received - offset :])
        squeeze_now_and_then(self.chunks)
        self.received = stop
        return True

    def on_end(self, final: int) -> None:
        """The half is `final` bytes long. Raises BadFrame if that contradicts what came."""
        if final != self.received or (self.final is not None and self.final != final):
            raise BadFrame(f"END at {final} where {self.received} bytes came.")
        if self.allowed < self.limit:
            raise BadFrame("END before HEAD.")
        self.final = final
        # Nothing more may come, so the hot path needs no check of its own for the end.
        self.allowed = self.limit = self.credit_at = final

    def take(self) -> bytes:
        """About `READ_BYTES` of what has come; b"" when there is nothing now. Not yet consumed."""
        chunks = self.chunks
        if not chunks:
            return b""
        data = chunks.popleft()
        if chunks and len(data) < READ_BYTES:
            chunks.appendleft(data)
            data = take_up_to(chunks, READ_BYTES)
        self.handed = len(data)
        return data

    def is_credit_due(self) -> bool:
        """Whether to send CREDIT now; if so, the limit moves and the half may be done."""
        if self.final is not None:
            if self.consumed == self.final and not self.is_done:
                self.is_done = True
                return True
            return False
        is_awaited = self.is_credit_wanted and self.consumed == self.received
        if self.consumed < self.credit_at and not is_awaited:
            return False
        self.is_credit_wanted = False
        self.grant()
        return True

    def on_blocked(self) -> None:
        """The peer has more and waits for CREDIT: it used up the limit, or what it may keep."""
        self.is_credit_wanted = True
        limits = self._limits
        while limits[0] < self.received:
            del limits[0]
        self.is_wider_wanted |= self.received == limits[0]

    def widen(self) -> None:
        """The reader has run dry after the peer was blocked: the window is what limits.

        A reader that never runs dry is the slow one; more window would only be more memory.
        """
        self.is_wider_wanted = False
        if self.window.size < FIRST_WINDOW_BYTES:
            self.window.open()
        else:
            self.window.double()
        self.grant()

    def begin_at(self, offset: int) -> None:
        """Nothing before `offset` will come."""
        self.received = self.consumed = offset
        self.grant()

    def grant(self) -> None:
        """Moves the limit to a window beyond what was consumed; it never goes back."""
        if self.final is None:
            is_open = self.allowed == self.limit
            limits, limit = self._limits, self.consumed + self.window.size
            if limit > self.limit:
                self.limit = limit
                limits.append(limit)
                while limits[0] < self.received:
                    del limits[0]
            if is_open:
                self.allowed = self.limit
            self.credit_at = self.consumed + self.window.size // 2

    def close(self) -> None:
        """Forgets everything and gives the window back."""
        self.chunks.clear()
        self.window.close()


class StreamState:
    """One request and its answer. Only the link's core changes it."""

    __slots__ = (
        "error", "head", "id", "is_durable", "is_queued", "is_released", "opening", "owner",
        "receiver", "sender",
    )  # fmt: skip

    def __init__(
        self, stream_id: int, opening: OpenHead, sender: Sender, receiver: Receiver
    ) -> None:
        self.id = stream_id
        self.opening = opening
        self.sender = sender
        self.receiver = receiver
        self.head: Head | None = None
        self.is_durable = opening.durable
        self.is_released = False
        self.is_queued = False
        self.error: TunnelError | None = None
        """Set once, when the stream ended before its end."""
        self.owner: object = None
        """For the shell: its own object for this stream."""

    def __repr__(self) -> str:
        state = "" if self.error is None else f" {self.error!r}"
        return f"<Stream {self.id} > {self.sender} < {self.receiver}{state}>"

    @property
    def request_id(self) -> str:
        """The hub's id of the request; every hop logs it."""
        return self.opening.request_id

    def fail(self, error: TunnelError) -> None:
        """Ends both halves; what was buffered is gone."""
        if self.error is None:
            self.error = error
        self.close()

    def close(self) -> None:
        """Forgets both halves' bytes and gives their windows back."""
        self.sender.close()
        self.receiver.close()
