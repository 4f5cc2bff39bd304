"""The hub's end of a link: opens streams, judges the agent's table, gives out tokens."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import ClassVar

from underpass.core.errors import (
    LinkRefused,
    LocalProtocolError,
    RemoteProtocolError,
    ResumeExpired,
    StreamReset,
    TunnelError,
)
from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.events import Event, HeadReceived, LinkUp, StreamFailed, StreamOpened
from underpass.tunnel.protocol.flow import Budget, Window
from underpass.tunnel.protocol.frames import FrameType, frame
from underpass.tunnel.protocol.handshake import (
    HalfState,
    Hello,
    StreamEntry,
    Verdict,
    VerdictKind,
    Welcome,
    hash_token,
    welcome_frames,
)
from underpass.tunnel.protocol.heads import OpenHead, StreamKind, decode_head, encode_open
from underpass.tunnel.protocol.limits import (
    CONTROL_WINDOW_BYTES,
    MAX_STREAM_ID,
    REQUEST_LIMIT_BYTES,
    VERSION,
    LinkSettings,
)
from underpass.tunnel.protocol.liveness import Liveness
from underpass.tunnel.protocol.phases import Phase
from underpass.tunnel.protocol.streams import Receiver, Sender, StreamState

_LEAST_TOKEN_CHARS = 22  # 128 bits in base64


class HubLink(LinkCore):
    """One agent's link at the hub. It lives from its first `attach` until grace has ended."""

    EXPECTED: ClassVar[Mapping[Phase, frozenset[FrameType]]] = {
        Phase.UP: frozenset(
            {
                FrameType.HEAD,
                FrameType.DATA,
                FrameType.END,
                FrameType.CREDIT,
                FrameType.CANCEL,
                FrameType.PING,
                FrameType.GOAWAY,
                FrameType.CLOSE,
            }
        )
    }

    def __init__(
        self,
        link_id: str,
        owner: str,
        *,
        settings: LinkSettings | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`link_id`: new, never one that an agent named. `owner`: whose credential the link is
        bound to (the session's id). `budget`: the hub's, above all links."""
        super().__init__(settings or LinkSettings(), budget)
        self.link_id: str = link_id
        self.owner = owner
        self._issued = b""
        self._previous = b""
        self._began_from: tuple[str, bytes] | None = None
        """The link (and its token's hash) that the agent had at a hub before this one, until the
        agent shows that it knows this one."""
        self._handlers[FrameType.HEAD] = self._on_head

    # --- carriers ----------------------------------------------------------------------------

    def attach(
        self,
        hello: Hello,
        *,
        owner: str,
        new_token: str,
        now: float,
        adopt: Mapping[str, int] | None = None,
    ) -> list[Event]:
        """Takes a new carrier, displacing an older one, and queues WELCOME.

        `adopt` counts only on the first carrier of a link, when the agent may know streams from
        before the hub's restart: request id → the offset that the hub has stored.

        Raises LinkRefused, with nothing changed: `version`, `not_allowed` (another owner),
        `gone` (this link is over or another one), `token`, `epoch`. A HELLO that contradicts
        itself closes the link, as any wrong frame does.
        """
        if len(new_token) < _LEAST_TOKEN_CHARS:
            raise LocalProtocolError("A link's token needs 128 random bits.")
        self._check(hello, owner)
        is_new, is_retold = self.phase is Phase.NEW, self.is_begun_by(hello)
        if is_new and hello.link_id:
            self._began_from = (hello.link_id, hash_token(hello.token))
        elif not is_new and not is_retold:
            self._began_from = None
        is_fresh = is_new or is_retold
        self._rotate(hello.token, new_token)
        self._move(Phase.UP)
        self.epoch = hello.epoch
        self._down_since = None
        self._drop_carrier()
        self._liveness = Liveness(now, self.settings.ping_after_s, self.settings.dead_after_s)
        try:
            if is_retold:
                verdicts = self._resume_untold(hello, adopt or {})
            else:
                verdicts = self._resume(hello, adopt or {}, is_fresh=is_fresh)
        except RemoteProtocolError as error:
            self._close(error, now)
            return self.take_events()
        self._outbox.handshake(
            welcome_frames(
                Welcome(
                    link_id=self.link_id,
                    token=new_token,
                    epoch=hello.epoch,
                    is_fresh=is_fresh,
                    control=self._control.half(),
                    settings=self.settings,
                    verdicts=verdicts,
                )
            )
        )
        self._queue_all()
        self._events.insert(0, LinkUp(is_fresh))
        return self.take_events()

    def is_begun_by(self, hello: Hello) -> bool:
        """Whether this link began with the same agent's HELLO, whose WELCOME it never got.

        It then still names the link that it had at a hub before the restart.
        """
        if self._began_from is None or self.phase is Phase.CLOSED:
            return False
        link_id, token = self._began_from
        return hello.link_id == link_id and hmac.compare_digest(hash_token(hello.token), token)

    # --- streams -----------------------------------------------------------------------------

    def open(self, head: OpenHead) -> StreamState:
        """Opens a stream, also while the link is down (the agent hears of it on resume).

        Raises TunnelError with code `link_closed`, `draining`, `too_many_streams`,
        `head_too_big` or `head_invalid`.
        """
        self._check_open()
        window = Window(self.budget)
        window.open()
        try:
            payload = encode_open(head, window.size)
        except TunnelError:
            window.close()
            raise
        self._last_id += 1
        sender = Sender(self.budget, REQUEST_LIMIT_BYTES)
        stream = StreamState(self._last_id, head, sender, _answer(window))
        self._streams[stream.id] = stream
        self._outbox.head(stream.id, frame(FrameType.OPEN, stream.id, payload))
        return stream

    def release(self, stream: StreamState) -> None:
        """The answer is stored, or need not be: the agent may forget what was consumed."""
        if stream.is_durable and not stream.is_released:
            stream.is_released = True
            if stream.id in self._streams:
                self._outbox.release(stream.id)
                self._settle(stream)

    def cancel(self, stream: StreamState, reason: str) -> list[Event]:
        """As in `LinkCore`; an agent that has never heard of the stream is not told."""
        was_unsent = self._outbox.drop_head(stream.id)
        events = super().cancel(stream, reason)
        if was_unsent:
            self._untell_cancel(stream.id)
        return events

    # --- frames ------------------------------------------------------------------------------

    def _on_head(self, flags: int, stream_id: int, payload: bytes) -> None:
        head = decode_head(payload)
        stream = self._known(stream_id)
        if stream is not None and stream.head is None:
            stream.head = head
            stream.receiver.allowed = stream.receiver.limit
            self._events.append(HeadReceived(stream))

    def _settle(self, stream: StreamState) -> None:
        is_answered = stream.receiver.is_done and (not stream.is_durable or stream.is_released)
        is_http = stream.opening.kind is StreamKind.HTTP
        if is_answered and is_http and not stream.sender.is_done and stream.id in self._streams:
            # An answer may end before its request does; nobody will read the rest.
            self._tell_cancel(stream.id, goodbye.COMPLETE)
            stream.error = StreamReset(goodbye.COMPLETE)
            stream.sender.is_done = True
            self._events.append(StreamFailed(stream))
        super()._settle(stream)

    def _is_over(self, stream: StreamState) -> bool:
        is_stored = not stream.is_durable or stream.is_released
        return stream.receiver.is_done and stream.sender.is_done and is_stored

    # --- time --------------------------------------------------------------------------------

    def _grace_ends(self) -> float | None:
        return None if self._down_since is None else self._down_since + self.settings.grace_s

    def _expire(self, now: float) -> None:
        error = ResumeExpired(f"The agent was away for over {self.settings.grace_s:g} s.")
        for stream in list(self._streams.values()):
            self._lose(stream, error)
        self._end_link(error)

    # --- the handshake -----------------------------------------------------------------------

    def _check(self, hello: Hello, owner: str) -> None:
        if VERSION not in hello.versions:
            raise LinkRefused(
                f"The hub speaks version {VERSION} of the tunnel's protocol.",
                code="version",
                hint="Install the same version of Underpass in the session and at the hub.",
            )
        if owner != self.owner:
            raise LinkRefused("This link belongs to another credential.", code="not_allowed")
        if self.phase is Phase.NEW:
            return
        if not self.is_begun_by(hello):
            self._check_token(hello)
        if hello.epoch <= self.epoch:
            raise LinkRefused("A newer carrier has this link already.", code="epoch")

    def _check_token(self, hello: Hello) -> None:
        if self.phase is Phase.CLOSED or hello.link_id != self.link_id:
            raise LinkRefused("This link is over.", code="gone")
        given = hash_token(hello.token)
        # Both are compared, always: the time taken tells nothing.
        is_issued = hmac.compare_digest(given, self._issued)
        is_previous = hmac.compare_digest(given, self._previous)
        if not (is_issued or is_previous):
            raise LinkRefused("The link's token is not the newest one.", code="token")

    def _rotate(self, used: str, new: str) -> None:
        # The used one stays good until the new one is first used: WELCOME may be lost.
        if self._issued:
            self._previous = hash_token(used)
        self._issued = hash_token(new)

    def _resume(
        self, hello: Hello, adopt: Mapping[str, int], *, is_fresh: bool
    ) -> tuple[Verdict, ...]:
        if is_fresh:
            self._last_id = hello.last_opened
            self._control.receive_anew(hello.control_floor)
            return tuple(self._judge_unknown(entry, adopt) for entry in hello.table)
        self._control.resume(hello.control)
        verdicts = tuple(self._judge(entry) for entry in hello.table)
        self._reopen(hello)
        return verdicts

    def _resume_untold(self, hello: Hello, adopt: Mapping[str, int]) -> tuple[Verdict, ...]:
        """The agent of a fresh link again, which has heard nothing of it: all is said anew, and
        what was adopted stays adopted."""
        self._control.resume(HalfState(0, 0, CONTROL_WINDOW_BYTES, has_end=False))
        self._control.receive_anew(hello.control_floor)
        verdicts = tuple(
            self._judge(entry)
            if entry.stream_id in self._streams or entry.stream_id in self._cancelled
            else self._judge_unknown(entry, adopt)
            for entry in hello.table
        )
        self._reopen(hello)
        return verdicts

    def _judge(self, entry: StreamEntry) -> Verdict:
        stream = self._streams.get(entry.stream_id)
        if entry.cancelled is not None:
            if stream is not None:
                self._lose(stream, StreamReset(entry.cancelled))
            return Verdict(entry.stream_id, VerdictKind.CANCELLED, reason=entry.cancelled)
        if entry.stream_id in self._cancelled:
            reason = self._cancelled[entry.stream_id]
            return Verdict(entry.stream_id, VerdictKind.CANCELLED, reason=reason)
        if stream is None:
            was_here = entry.stream_id <= self._last_id
            return Verdict(entry.stream_id, VerdictKind.COMPLETE if was_here else VerdictKind.GONE)
        half = entry.half
        is_same = stream.request_id == entry.request_id
        if not (
            is_same
            and entry.floor <= stream.receiver.received
            and stream.sender.rewind(half.received, half.consumed, half.limit, has_end=half.has_end)
        ):
            self._lose(stream, StreamReset("gone"))
            return Verdict(entry.stream_id, VerdictKind.GONE)
        if stream.is_released:
            self._outbox.release(stream.id)
        return _go_on(stream)

    def _judge_unknown(self, entry: StreamEntry, adopt: Mapping[str, int]) -> Verdict:
        """A hub without memory: only durable answers whose request it had sent whole go on."""
        offset = adopt.get(entry.request_id)
        is_adoptable = entry.is_durable and entry.half.has_end and entry.cancelled is None
        if offset is None or not is_adoptable or entry.floor > offset:
            return Verdict(entry.stream_id, VerdictKind.GONE)
        if entry.stream_id > self._last_id or len(self._streams) >= self.settings.max_streams:
            return Verdict(entry.stream_id, VerdictKind.GONE)
        window = Window(self.budget)
        window.open()
        receiver = _answer(window)
        receiver.begin_at(offset)
        opening = OpenHead(StreamKind.HTTP, "", entry.request_id, "", "", (), durable=True)
        sender = Sender(self.budget, entry.half.limit)
        sender.begin_sent(entry.half.received, entry.half.consumed)
        stream = StreamState(entry.stream_id, opening, sender, receiver)
        self._streams[stream.id] = stream
        self._events.append(StreamOpened(stream))
        return _go_on(stream)

    def _reopen(self, hello: Hello) -> None:
        """The streams that are not in the agent's table: not yet seen, or already forgotten."""
        listed = {entry.stream_id for entry in hello.table}
        for stream in [s for s in self._streams.values() if s.id not in listed]:
            if stream.id > hello.last_opened:
                if not stream.sender.rewind(0, 0, REQUEST_LIMIT_BYTES, has_end=False):
                    self._lose(stream, StreamReset("gone"))
                    continue
                payload = encode_open(stream.opening, stream.receiver.limit)
                self._outbox.head(stream.id, frame(FrameType.OPEN, stream.id, payload))
            elif stream.receiver.is_done:
                # The agent forgets an answer only when we have confirmed the whole of it.
                del self._streams[stream.id]
                stream.close()
            else:
                self._lose(stream, StreamReset("gone"))
        for stream_id in [i for i in self._cancelled if i > hello.last_opened]:
            self._untell_cancel(stream_id)

    def _untell_cancel(self, stream_id: int) -> None:
        self._cancelled.pop(stream_id, None)
        self._outbox.drop_cancel(stream_id)

    def _check_open(self) -> None:
        if self.phase in (Phase.NEW, Phase.CLOSED):
            raise TunnelError(f"The link is {self.phase}.", code="link_closed")
        if self.is_draining or self.is_peer_draining:
            raise TunnelError("The link takes no new requests.", code="draining", retry_after_s=1)
        if len(self._streams) + len(self._cancelled) >= self.settings.max_streams:
            raise TunnelError(
                f"The link carries {self.settings.max_streams} requests already.",
                code="too_many_streams",
                retry_after_s=1,
            )
        if self._last_id >= MAX_STREAM_ID:
            raise TunnelError("The link has used all of its stream ids.", code="draining")


def _answer(window: Window) -> Receiver:
    receiver = Receiver(window)
    # No data before HEAD.
    receiver.allowed = 0
    return receiver


def _go_on(stream: StreamState) -> Verdict:
    receiver = stream.receiver
    half = HalfState(
        receiver.received, receiver.consumed, receiver.limit, receiver.final is not None
    )
    has_head = stream.head is not None
    return Verdict(stream.id, VerdictKind.CONTINUE, half=half, has_head=has_head)
