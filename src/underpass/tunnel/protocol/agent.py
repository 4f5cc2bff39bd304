"""The agent's end of a link: connects, answers streams, keeps durable answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from underpass.core.errors import BadFrame, LocalProtocolError, ResumeExpired, StreamReset
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.events import CarrierDead, Event, LinkUp, StreamOpened
from underpass.tunnel.protocol.flow import Window
from underpass.tunnel.protocol.frames import FrameType, frame
from underpass.tunnel.protocol.handshake import (
    HalfState,
    Hello,
    StreamEntry,
    TextCollector,
    Verdict,
    VerdictKind,
    Welcome,
    hello_frames,
    read_welcome,
)
from underpass.tunnel.protocol.heads import Head, decode_open, encode_head
from underpass.tunnel.protocol.limits import AGENT_PATIENCE_S, REQUEST_LIMIT_BYTES, LinkSettings
from underpass.tunnel.protocol.liveness import Liveness
from underpass.tunnel.protocol.phases import Phase
from underpass.tunnel.protocol.streams import Receiver, Sender, StreamState


class AgentLink(LinkCore):
    """One link of an agent, over all its carriers."""

    EXPECTED: ClassVar[Mapping[Phase, frozenset[FrameType]]] = {
        Phase.CONNECTING: frozenset({FrameType.WELCOME, FrameType.CLOSE}),
        Phase.UP: frozenset(
            {
                FrameType.OPEN,
                FrameType.DATA,
                FrameType.END,
                FrameType.CREDIT,
                FrameType.CANCEL,
                FrameType.RELEASE,
                FrameType.PING,
                FrameType.GOAWAY,
                FrameType.CLOSE,
            }
        ),
    }

    def __init__(self, *, settings: LinkSettings | None = None, software: str = "") -> None:
        """`software`: name and version, for the hub's logs. WELCOME replaces what of `settings`
        the hub decides."""
        super().__init__(settings or LinkSettings(), None)
        self._software = software
        self._token = ""
        self._welcome = TextCollector()
        self._welcome_by = math.inf
        self._handlers[FrameType.WELCOME] = self._on_welcome
        self._handlers[FrameType.OPEN] = self._on_open
        self._handlers[FrameType.RELEASE] = self._on_release

    # --- carriers ----------------------------------------------------------------------------

    def connect(self, now: float) -> None:
        """A new carrier is there: queues HELLO. An older carrier counts as lost."""
        self.carrier_lost(now)
        self._move(Phase.CONNECTING)
        self._drop_carrier()
        self.epoch += 1
        self._welcome = TextCollector()
        self._welcome_by = now + self.settings.handshake_s
        # Alive as far as pings go: until WELCOME, `_welcome_by` alone decides.
        self._liveness = Liveness(now, math.inf, math.inf)
        self._outbox.handshake(hello_frames(self._hello()))

    def tick(self, now: float) -> list[Event]:
        """As in `LinkCore`, and gives up waiting for WELCOME."""
        if self.phase is Phase.CONNECTING and now >= self._welcome_by:
            self._events.append(CarrierDead("The hub did not answer HELLO."))
        return super().tick(now)

    # --- streams -----------------------------------------------------------------------------

    def respond(self, stream: StreamState, head: Head) -> None:
        """Answers a stream; its data may follow.

        Raises LocalProtocolError the second time, TunnelError with code `head_too_big` or
        `head_invalid`, and the stream's error if it has failed.
        """
        if stream.error is not None:
            raise stream.error
        if stream.head is not None:
            raise LocalProtocolError("A stream is answered once.")
        payload = encode_head(head)
        stream.head = head
        self._outbox.head(stream.id, frame(FrameType.HEAD, stream.id, payload))

    # --- frames ------------------------------------------------------------------------------

    def _on_open(self, flags: int, stream_id: int, payload: bytes) -> None:
        opening, limit = decode_open(payload)
        if stream_id == 0:
            raise BadFrame("OPEN of the control stream.")
        if stream_id <= self._last_id:
            return
        self._last_id = stream_id
        if self.is_draining or len(self._streams) >= self.settings.max_streams:
            if len(self._cancelled) > 2 * self.settings.max_streams:
                raise BadFrame("More streams than the link takes, again and again.")
            self._tell_cancel(stream_id, goodbye.REFUSED)
            return
        sender = Sender(self.budget, limit, is_kept=opening.durable)
        receiver = Receiver(Window(self.budget, REQUEST_LIMIT_BYTES))
        stream = StreamState(stream_id, opening, sender, receiver)
        self._streams[stream_id] = stream
        self._events.append(StreamOpened(stream))

    def _on_release(self, flags: int, stream_id: int, payload: bytes) -> None:
        if payload:
            raise BadFrame("RELEASE with a payload.")
        stream = self._known(stream_id)
        if stream is not None:
            stream.is_released = True
            stream.sender.unkeep()
            self._settle(stream)

    def _on_welcome(self, flags: int, stream_id: int, payload: bytes) -> None:
        text = self._welcome.add(flags, payload)
        if text is None:
            return
        welcome = read_welcome(text, self.settings)
        if welcome.epoch != self.epoch:
            raise BadFrame("WELCOME for another carrier.")
        if not welcome.is_fresh and welcome.link_id != self.link_id:
            raise BadFrame("WELCOME that goes on with another link.")
        self._go_on(welcome)

    def _on_close(self, flags: int, stream_id: int, payload: bytes) -> None:
        code, message = goodbye.read_close(payload)
        if self.phase is not Phase.CONNECTING or code not in goodbye.RESTART:
            super()._on_close(flags, stream_id, payload)
            return
        self.link_id = None
        self._token = ""
        self._cancelled.clear()
        for stream in list(self._streams.values()):
            self._lose(stream, StreamReset("gone"))
        self._events.append(CarrierDead(message))

    # --- the handshake -----------------------------------------------------------------------

    def _hello(self) -> Hello:
        table = [_entry(stream) for stream in self._streams.values()]
        nothing = HalfState(0, 0, 0, has_end=False)
        table += [
            StreamEntry(stream_id, "", nothing, 0, is_durable=False, cancelled=reason)
            for stream_id, reason in self._cancelled.items()
        ]
        return Hello(
            link_id=self.link_id,
            token=self._token,
            epoch=self.epoch,
            last_opened=self._last_id,
            control=self._control.half(),
            control_floor=self._control.sender.consumed,
            table=tuple(table),
            software=self._software,
        )

    def _go_on(self, welcome: Welcome) -> None:
        self._move(Phase.UP)
        self._down_since = None
        self.link_id = welcome.link_id
        self._token = welcome.token
        self.settings = welcome.settings
        assert self._liveness is not None
        ping_s, dead_s = self.settings.ping_after_s, self.settings.dead_after_s
        # Both ends of an idle link have heard nothing for as long: the hub asks, and that the
        # agent hears it ask is an answer too.
        patience_s = min(AGENT_PATIENCE_S, dead_s / 2)
        self._liveness = Liveness(self._liveness.heard_at, ping_s + patience_s, dead_s - patience_s)
        if welcome.is_fresh:
            self._control.restart(welcome.control)
            self._cancelled.clear()
        else:
            self._control.resume(welcome.control)
        self._events.append(LinkUp(welcome.is_fresh))
        verdicts = {verdict.stream_id: verdict for verdict in welcome.verdicts}
        for stream in list(self._streams.values()):
            self._apply(stream, verdicts.get(stream.id), is_fresh=welcome.is_fresh)
        self._queue_all()

    def _apply(self, stream: StreamState, verdict: Verdict | None, *, is_fresh: bool) -> None:
        if verdict is None or verdict.kind is VerdictKind.GONE:
            self._lose(stream, StreamReset("gone"))
        elif verdict.kind is VerdictKind.CANCELLED:
            self._lose(stream, StreamReset(verdict.reason))
        elif verdict.kind is VerdictKind.COMPLETE:
            self._complete(stream)
        elif verdict.half is not None and self._rewind(stream, verdict.half, is_fresh):
            self._after_credit(stream)
            if stream.head is not None and not verdict.has_head:
                payload = encode_head(stream.head)
                self._outbox.head(stream.id, frame(FrameType.HEAD, stream.id, payload))
            self._settle(stream)
        else:
            # One stream that does not fit is no reason to lose the others.
            self._tell_cancel(stream.id, "gone")
            self._lose(stream, StreamReset("gone"))

    def _complete(self, stream: StreamState) -> None:
        """The hub has all it wants of the stream."""
        if stream.sender.is_ended:
            del self._streams[stream.id]
            stream.close()
        else:
            self._lose(stream, StreamReset(goodbye.COMPLETE))

    def _rewind(self, stream: StreamState, half: HalfState, is_fresh: bool) -> bool:
        if is_fresh:
            return stream.sender.restart(half.received, half.limit)
        return stream.sender.rewind(half.received, half.consumed, half.limit, has_end=half.has_end)

    # --- ending and keeping ------------------------------------------------------------------

    def _may_write(self, stream: StreamState) -> bool:
        return stream.head is not None

    def _is_over(self, stream: StreamState) -> bool:
        sender = stream.sender
        return sender.is_done and stream.receiver.is_done and not sender.is_kept

    def _after_credit(self, stream: StreamState) -> None:
        """Bounds what is kept beyond credit: this stream's, then all, the oldest first."""
        sender = stream.sender
        if not sender.is_kept:
            return
        sender.trim(min(sender.consumed, sender.sent - self.settings.durable_stream_bytes))
        kept = [s.sender for s in self._streams.values() if s.sender.is_kept]
        excess = sum(k.consumed - k.floor for k in kept) - self.settings.durable_link_bytes
        for old in kept:
            if excess <= 0:
                return
            before = old.floor
            old.trim(min(old.consumed, before + excess + 1))
            excess -= old.floor - before

    def _carrier_deadline(self) -> float | None:
        if self.phase is Phase.CONNECTING:
            return self._welcome_by
        return super()._carrier_deadline()

    def _grace_ends(self) -> float | None:
        if self._down_since is None or not self._streams:
            return None
        is_all_kept = all(stream.sender.is_kept for stream in self._streams.values())
        settings = self.settings
        return self._down_since + (settings.durable_grace_s if is_all_kept else settings.grace_s)

    def _expire(self, now: float) -> None:
        assert self._down_since is not None
        durable_ends = self._down_since + self.settings.durable_grace_s
        error = ResumeExpired(f"The hub was away for over {self.settings.grace_s:g} s.")
        for stream in list(self._streams.values()):
            if not stream.sender.is_kept or now >= durable_ends:
                self._lose(stream, error)


def _entry(stream: StreamState) -> StreamEntry:
    receiver = stream.receiver
    has_end = receiver.final is not None
    return StreamEntry(
        stream_id=stream.id,
        request_id=stream.request_id,
        half=HalfState(receiver.received, receiver.consumed, receiver.limit, has_end),
        floor=stream.sender.floor,
        is_durable=stream.sender.is_kept,
    )
