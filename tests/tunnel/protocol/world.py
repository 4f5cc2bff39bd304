"""A link whose carriers a test may cut at any byte, with a check of every byte that is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.tunnel.protocol.pair import OK, request
from underpass.core.errors import LinkRefused, TunnelError
from underpass.tunnel.protocol import AgentLink, HubLink, LinkSettings, Phase
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.core import LinkCore
from underpass.tunnel.protocol.handshake import HelloReader
from underpass.tunnel.protocol.heads import StreamKind
from underpass.tunnel.protocol.streams import StreamState

_PATTERN = bytes((i * 131 + (i >> 8) * 17 + (i >> 16) * 7) % 256 for i in range(1 << 16)) * 190


def pattern(seed: int, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of an endless text; another text for each seed."""
    shift = (seed * 1009) % 60000
    assert shift + stop <= len(_PATTERN)
    return _PATTERN[shift + start : shift + stop]


@dataclass
class Half:
    """What a test knows of one half: how far it was written and read."""

    seed: int
    written: int = 0
    read: int = 0
    is_ended: bool = False
    is_read_to_end: bool = False


@dataclass
class Talk:
    """One stream at both ends, and what has passed."""

    at_hub: StreamState
    up: Half
    down: Half
    at_agent: StreamState | None = None
    cancelled_with: str | None = None


@dataclass
class Carrier:
    """Bytes on their way; the hub's side reads HELLO first."""

    to_hub: bytearray = field(default_factory=bytearray)
    to_agent: bytearray = field(default_factory=bytearray)
    reader: HelloReader | None = field(default_factory=HelloReader)
    is_hub_side_lost: bool = False


class World:
    """Both cores, at most one carrier that the agent uses, perhaps an older one at the hub."""

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.now = 0.0
        self.settings = settings or LinkSettings()
        self.hub = HubLink("lnk_1", "ses_1", settings=self.settings)
        self.agent = AgentLink(settings=self.settings)
        self.talks: dict[int, Talk] = {}
        self.carrier: Carrier | None = None
        self.hub_carrier: Carrier | None = None
        self.control_up: list[int] = []
        self.control_down: list[int] = []
        self.sent_up = 0
        self.sent_down = 0
        self._tokens = 0

    # --- carriers ----------------------------------------------------------------------------

    def dial(self) -> None:
        """The agent has a new connection; the hub may not know that the old one is dead."""
        self.agent.connect(self.now)
        self.carrier = Carrier()

    def cut(self, *, is_hub_told: bool) -> None:
        """The agent's carrier breaks and what was on it is lost."""
        self.carrier = None
        self._agent(self.agent.carrier_lost(self.now))
        if is_hub_told and self.hub_carrier is not None:
            self.hub_carrier = None
            self._hub(self.hub.carrier_lost(self.now))

    def move(self, to_hub: int, to_agent: int) -> bool:
        """So many bytes arrive on each way, cut wherever that is. False if there were none."""
        carrier = self.carrier
        if carrier is None:
            return False
        carrier.to_hub += self.agent.data_to_send(20 * 1024)
        piece = bytes(carrier.to_hub[:to_hub])
        del carrier.to_hub[:to_hub]
        has_moved = bool(piece)
        if piece:
            self._arrive_at_hub(carrier, piece)
        if self.hub_carrier is carrier:
            carrier.to_agent += self.hub.data_to_send(20 * 1024)
        piece = bytes(carrier.to_agent[:to_agent])
        del carrier.to_agent[:to_agent]
        if piece and self.carrier is carrier:
            self._agent(self.agent.receive_data(piece, self.now))
        return has_moved or bool(piece)

    def settle(self) -> None:
        """Connects if need be, and moves and reads everything until nothing is left."""
        if self.agent.phase is not Phase.UP or self.hub_carrier is not self.carrier:
            self.dial()
        for _ in range(10_000):
            for talk in self.talks.values():
                self.read_up(talk)
                self.read_down(talk)
            if not self.move(1 << 20, 1 << 20):
                return
        raise AssertionError("The two ends never come to rest.")

    # --- streams -----------------------------------------------------------------------------

    def open(self, kind: StreamKind) -> Talk:
        """The hub opens a stream."""
        number = len(self.talks) + 1
        at_hub = self.hub.open(request(number, kind=kind))
        talk = Talk(at_hub, Half(2 * number), Half(2 * number + 1))
        self.talks[at_hub.id] = talk
        return talk

    def write_up(self, talk: Talk, size: int) -> None:
        """The hub writes the request's next bytes."""
        self._write(self.hub, talk.at_hub, talk.up, size)

    def write_down(self, talk: Talk, size: int) -> None:
        """The agent writes the answer's next bytes, behind its head."""
        state = talk.at_agent
        if state is None or state.error is not None:
            return
        if state.head is None:
            self.agent.respond(state, OK)
        self._write(self.agent, state, talk.down, size)

    def end_up(self, talk: Talk) -> None:
        """The request is complete."""
        if talk.at_hub.error is None and not talk.up.is_ended:
            talk.up.is_ended = True
            self.hub.end(talk.at_hub)

    def end_down(self, talk: Talk) -> None:
        """The answer is complete."""
        state = talk.at_agent
        if state is not None and state.error is None and not talk.down.is_ended:
            if state.head is None:
                self.agent.respond(state, OK)
            talk.down.is_ended = True
            self.agent.end(state)

    def read_up(self, talk: Talk) -> None:
        """The agent reads what has come of the request."""
        if talk.at_agent is not None:
            self._read(self.agent, talk.at_agent, talk.up)

    def read_down(self, talk: Talk) -> None:
        """The hub reads what has come of the answer."""
        self._read(self.hub, talk.at_hub, talk.down)

    def pour(self, talk: Talk, *, at_hub: bool, pieces: int) -> None:
        """One side takes up to `pieces` pieces of what has come, by `pour`."""
        core, state = (self.hub, talk.at_hub) if at_hub else (self.agent, talk.at_agent)
        half = talk.down if at_hub else talk.up
        left = pieces

        def take(data: bytes) -> bool:
            nonlocal left
            assert data == pattern(half.seed, half.read, half.read + len(data))
            half.read += len(data)
            left -= 1
            return left > 0

        if state is None:
            return
        try:
            took_all = core.pour(state, take)
        except TunnelError:
            return
        assert took_all == (left > 0)
        if state.receiver.is_done:
            assert half.read == half.written
            half.is_read_to_end = True

    def cancel(self, talk: Talk, *, at_hub: bool) -> None:
        """One side cancels."""
        reason = "by_hub" if at_hub else "by_agent"
        core, state = (self.hub, talk.at_hub) if at_hub else (self.agent, talk.at_agent)
        if state is None or state.id not in core.streams:
            return
        talk.cancelled_with = reason
        events = core.cancel(state, reason)
        (self._hub if at_hub else self._agent)(events)

    # --- checks ------------------------------------------------------------------------------

    def held_bytes(self, core: LinkCore) -> int:
        """Payload bytes that a core keeps for its streams."""
        return sum(
            sum(map(len, s.sender.pending))
            + sum(map(len, s.sender.retained))
            + sum(map(len, s.receiver.chunks))
            for s in core.streams.values()
        )

    def check_bounds(self) -> None:
        """No more is held than windows allow, and no window is lost or invented."""
        for core in (self.hub, self.agent):
            windows = 0
            for state in core.streams.values():
                sender, receiver = state.sender, state.receiver
                assert sender.floor <= sender.consumed <= sender.sent <= sender.written
                assert sum(map(len, sender.pending)) == sender.written - sender.sent
                assert sum(map(len, sender.retained)) == sender.sent - sender.floor
                assert sender.written - sender.consumed <= sender.window.size
                assert sum(map(len, receiver.chunks)) <= receiver.window.size
                windows += sender.window.size + receiver.window.size
            assert core.budget.used == windows
            # One chunk per stream may be consumed in part and is then kept whole.
            assert self.held_bytes(core) <= windows + 16 * 1024 * len(core.streams)

    def check_control(self) -> None:
        """Control messages arrived once each, in order, and none is missing at rest."""
        assert self.control_up == list(range(self.sent_up))
        assert self.control_down == list(range(self.sent_down))

    # --- helpers -----------------------------------------------------------------------------

    def _write(self, core: LinkCore, state: StreamState, half: Half, size: int) -> None:
        if state.error is None and not half.is_ended:
            data = pattern(half.seed, half.written, half.written + size)
            half.written += core.write(state, data)

    def _read(self, core: LinkCore, state: StreamState, half: Half) -> None:
        try:
            while data := core.read(state):
                assert data == pattern(half.seed, half.read, half.read + len(data))
                half.read += len(data)
        except TunnelError:
            return
        if state.receiver.is_done:
            assert half.is_ended
            assert half.read == half.written
            half.is_read_to_end = True

    def _arrive_at_hub(self, carrier: Carrier, piece: bytes) -> None:
        if carrier.reader is None:
            if self.hub_carrier is carrier:
                self._hub(self.hub.receive_data(piece, self.now))
            return
        hello = carrier.reader.feed(piece)
        if hello is None:
            return
        carrier.reader = None
        self._tokens += 1
        token = f"token-number-{self._tokens:04d}-of-the-world"
        try:
            events = self.hub.attach(hello, owner="ses_1", new_token=token, now=self.now)
        except LinkRefused as error:
            raise AssertionError("An honest agent was refused.") from error
        self.hub_carrier = carrier
        self._hub(events)

    def _hub(self, events: list[ev.Event]) -> None:
        for event in events:
            assert not isinstance(event, ev.LinkClosed), event.error
            if isinstance(event, ev.ControlReceived):
                self.control_up.append(event.message["n"])

    def _agent(self, events: list[ev.Event]) -> None:
        for event in events:
            assert not isinstance(event, ev.LinkClosed), event.error
            if isinstance(event, ev.ControlReceived):
                self.control_down.append(event.message["n"])
            if isinstance(event, ev.StreamOpened):
                talk = self.talks[event.stream.id]
                assert talk.at_agent is None, "OPEN took effect twice."
                assert event.stream.opening == talk.at_hub.opening
                talk.at_agent = event.stream
