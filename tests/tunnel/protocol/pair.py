"""Two cores joined in memory: what one sends, the other gets, cut and lost as a test likes."""

from __future__ import annotations

from collections.abc import Mapping

from underpass.core.errors import TunnelError
from underpass.tunnel.protocol import AgentLink, Budget, Head, HubLink, LinkSettings, OpenHead
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.handshake import Hello, HelloReader
from underpass.tunnel.protocol.heads import StreamKind
from underpass.tunnel.protocol.streams import StreamState

OK = Head(200, (("content-type", "text/event-stream"),))


def request(
    number: int = 1, *, durable: bool = False, kind: StreamKind = StreamKind.HTTP
) -> OpenHead:
    """A request's head with the id `req_<number>`."""
    return OpenHead(
        kind, "tun_1", f"req_{number}", "POST", "/v1/chat/completions",
        (("accept", "text/event-stream"),), durable,
    )  # fmt: skip


class LinkedPair:
    """An agent and a hub, with a clock of their own. Both ends are checked by each test."""

    def __init__(
        self, settings: LinkSettings | None = None, *, budget: Budget | None = None
    ) -> None:
        self.settings = settings or LinkSettings()
        self.now = 1000.0
        self.budget = budget
        self.agent = AgentLink(settings=self.settings, software="test")
        self.hub = self.new_hub()
        self.agent_events: list[ev.Event] = []
        self.hub_events: list[ev.Event] = []
        self._tokens = 0
        self._hubs = 1

    def new_hub(self, link_id: str = "lnk_1") -> HubLink:
        """A hub's end that remembers nothing."""
        return HubLink(link_id, "ses_1", settings=self.settings, budget=self.budget)

    # --- carriers ----------------------------------------------------------------------------

    def hello(self) -> Hello:
        """A new carrier: the agent's HELLO as the hub reads it."""
        self.agent.connect(self.now)
        reader = HelloReader()
        while True:
            hello = reader.feed(self.agent.data_to_send())
            if hello is not None:
                return hello

    def attach(self, hello: Hello, adopt: Mapping[str, int] | None = None) -> None:
        """The hub takes the carrier."""
        self._tokens += 1
        token = f"token-number-{self._tokens:04d}-of-the-pair"
        self.hub_events += self.hub.attach(
            hello, owner="ses_1", new_token=token, now=self.now, adopt=adopt
        )

    def connect(self, adopt: Mapping[str, int] | None = None) -> LinkedPair:
        """A whole handshake."""
        self.attach(self.hello(), adopt)
        self.to_agent()
        return self

    def lose(self) -> None:
        """The carrier is gone, with all that was on it."""
        self.agent_events += self.agent.carrier_lost(self.now)
        self.hub_events += self.hub.carrier_lost(self.now)

    def restart_hub(self, adopt: Mapping[str, int] | None = None) -> None:
        """The hub's process dies; a new one takes the agent's next carrier."""
        self.agent_events += self.agent.carrier_lost(self.now)
        self._hubs += 1
        self.hub = self.new_hub(f"lnk_{self._hubs}")
        self.hub_events = []
        self.connect(adopt)

    # --- bytes -------------------------------------------------------------------------------

    def to_agent(self) -> int:
        """Moves all that the hub has to send; returns the bytes."""
        moved = 0
        while data := self.hub.data_to_send():
            moved += len(data)
            self.agent_events += self.agent.receive_data(data, self.now)
        return moved

    def to_hub(self) -> int:
        """Moves all that the agent has to send; returns the bytes."""
        moved = 0
        while data := self.agent.data_to_send():
            moved += len(data)
            self.hub_events += self.hub.receive_data(data, self.now)
        return moved

    def settle(self) -> None:
        """Moves bytes both ways until both are silent."""
        while self.to_agent() + self.to_hub():
            pass

    def wait(self, seconds: float) -> None:
        """Time passes; both ends do what is due, at each moment it is due."""
        until = self.now + seconds
        while True:
            times = [self.agent.next_timer(), self.hub.next_timer()]
            due = [at for at in times if at is not None and at <= until]
            if not due:
                break
            self.now = max(self.now, min(due))
            self.agent_events += self.agent.tick(self.now)
            self.hub_events += self.hub.tick(self.now)
            self.settle()
            if any(isinstance(e, ev.CarrierDead) for e in self.agent_events + self.hub_events):
                break
        self.now = max(self.now, until)

    # --- streams -----------------------------------------------------------------------------

    def open(self, head: OpenHead | None = None) -> tuple[StreamState, StreamState]:
        """A stream that both ends know: the hub's state and the agent's."""
        at_hub = self.hub.open(head or request())
        self.settle()
        return at_hub, self.agent.streams[at_hub.id]

    def answered(self, head: OpenHead | None = None) -> tuple[StreamState, StreamState]:
        """A stream whose request is complete and whose head has come."""
        at_hub, at_agent = self.open(head)
        self.hub.end(at_hub)
        self.agent.respond(at_agent, OK)
        self.settle()
        return at_hub, at_agent


def errors_of(events: list[ev.Event]) -> list[TunnelError | None]:
    """The errors of the streams that failed, in order."""
    return [event.stream.error for event in events if isinstance(event, ev.StreamFailed)]


def kinds(events: list[ev.Event]) -> list[str]:
    """The events' names, in order."""
    return [type(event).__name__ for event in events]
