"""What both ends of a link share: reading frames, streams, timers. No I/O; time is an argument.

Rules: bytes of the peer never raise. A wrong frame closes the link: `receive_data` answers with
`LinkClosed(error)`, and `data_to_send` has one last CLOSE. Wrong calls of ours raise
`LocalProtocolError`. A carrier is ordered and reliable until it is lost, so what was queued for
one carrier is forgotten with it and made anew from the streams' offsets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from underpass.core.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    StreamReset,
    TunnelError,
)
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.chunks import SMALL_MASK, squeeze_now_and_then
from underpass.tunnel.protocol.events import (
    CarrierDead,
    Event,
    StreamFailed,
    StreamWritable,
)
from underpass.tunnel.protocol.incoming import Incoming
from underpass.tunnel.protocol.limits import (
    MAX_DATA_BYTES,
    MAX_MESSAGE_BYTES,
)
from underpass.tunnel.protocol.liveness import Due
from underpass.tunnel.protocol.phases import Phase
from underpass.tunnel.protocol.streams import StreamState


class LinkCore(Incoming):
    """One end of a link; `HubLink` and `AgentLink` are the two kinds.

    The shell's moves: `receive_data`, `data_to_send`, `carrier_lost`, `next_timer` with `tick`,
    and for streams `write`, `end`, `read`, `cancel`. All return at once. Those that return
    events expect the shell to act on them; `take_readable` tells which streams got data.
    """

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
        """True when something waits to be sent that should not be gathered with what comes next:
        anything but data, and the first data of a stream."""
        return self._outbox.is_urgent

    @property
    def is_unhurried(self) -> bool:
        """True when nothing waits to be sent, or only what nobody waits for at the other end."""
        return self._outbox.is_unhurried

    @property
    def has_something(self) -> bool:
        """True when anything but data waits to be sent, be it in no hurry."""
        return self._outbox.is_first_due

    @property
    def opened(self) -> int:
        """How many streams the link has had so far; it only grows."""
        return self._last_id

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

    def pour(self, stream: StreamState, take: Callable[[bytes], bool]) -> bool:
        """Hands all that has come to `take`, which answers whether it takes more; its last answer.

        The same as a `read` after each piece, for less. Raises as `read` does.
        """
        receiver = stream.receiver
        chunks = receiver.chunks
        if len(chunks) == 1 and not receiver.handed:
            data = chunks.popleft()
            if not take(data):
                receiver.handed = len(data)
                return False
            receiver.consumed += len(data)
            if receiver.consumed < receiver.credit_at and not (
                receiver.is_credit_wanted or receiver.is_wider_wanted
            ):
                return True
            self._advance(stream)
        while data := self.read(stream):
            if not take(data):
                return False
        return True

    def acknowledge(self, stream: StreamState) -> None:
        """The reader has handed on all there is, and the end is there: no `read` need find it.

        The peer then hears that all was taken with the next message, and not by a cancel of ours.
        """
        receiver = stream.receiver
        if receiver.final is not None and not receiver.chunks and stream.error is None:
            receiver.consumed += receiver.handed
            receiver.handed = 0
            self._advance(stream)

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

    @abstractmethod
    def _expire(self, now: float) -> None:
        """Grace has ended."""

    @abstractmethod
    def _grace_ends(self) -> float | None:
        """When it does, if no carrier comes; None while nothing is lost."""

    def _may_write(self, stream: StreamState) -> bool:
        """False while the stream's own head has not been given."""
        return True

    def _silence(self) -> str:
        return "Nothing came from the peer for too long."

    # --- helpers -----------------------------------------------------------------------------

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
