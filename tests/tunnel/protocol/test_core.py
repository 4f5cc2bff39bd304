"""Two cores against each other: any cut, any loss, any number of carriers."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.tunnel.protocol.pair import OK, LinkedPair, request
from tests.tunnel.protocol.world import Talk, World, pattern
from underpass.core.errors import StreamReset
from underpass.tunnel.protocol import LinkSettings
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.heads import StreamKind

EXAMPLES = int(os.environ.get("UNDERPASS_EXAMPLES", "120"))

# Sizes around frames, windows and the caps; small ones are the usual case.
SIZES = st.one_of(
    st.integers(1, 300), st.sampled_from([16_375, 16_376, 16_377, 65_536, 100_000, 400_000])
)
BYTES = st.one_of(st.integers(1, 40), st.integers(1, 2000), st.just(1 << 20))


class AnyCarrier(RuleBasedStateMachine):
    """Both ends, and a network that does what it likes."""

    world: World

    @initialize(small=st.booleans())
    def begin(self, small: bool) -> None:
        """A link with the usual budget, or one where budgets are used up at once."""
        budget = 64 * 1024 if small else 64 * 1024 * 1024
        self.world = World(LinkSettings(link_budget_bytes=budget))
        self.world.settle()

    def talk(self, pick: int) -> Talk:
        """One of the streams."""
        talks = list(self.world.talks.values())
        return talks[pick % len(talks)]

    has_talks = precondition(lambda self: bool(self.world.talks))

    @precondition(lambda self: len(self.world.talks) < 12)
    @rule(kind=st.sampled_from(StreamKind), size=st.integers(0, 3000), is_whole=st.booleans())
    def open(self, kind: StreamKind, size: int, is_whole: bool) -> None:
        """The hub sends a request, perhaps not yet all of it."""
        talk = self.world.open(kind)
        if size:
            self.world.write_up(talk, size)
        if is_whole:
            self.world.end_up(talk)

    @has_talks
    @rule(pick=st.integers(0, 99), size=SIZES)
    def write_up(self, pick: int, size: int) -> None:
        """More of a request."""
        self.world.write_up(self.talk(pick), size)

    @has_talks
    @rule(pick=st.integers(0, 99), size=SIZES)
    def write_down(self, pick: int, size: int) -> None:
        """More of an answer."""
        self.world.write_down(self.talk(pick), size)

    @has_talks
    @rule(pick=st.integers(0, 99), at_hub=st.booleans())
    def end(self, pick: int, at_hub: bool) -> None:
        """A half is complete."""
        (self.world.end_up if at_hub else self.world.end_down)(self.talk(pick))

    @has_talks
    @rule(pick=st.integers(0, 99), at_hub=st.booleans())
    def read(self, pick: int, at_hub: bool) -> None:
        """One side reads all that it has."""
        (self.world.read_down if at_hub else self.world.read_up)(self.talk(pick))

    @has_talks
    @rule(pick=st.integers(0, 99), at_hub=st.booleans(), pieces=st.integers(1, 5))
    def pour(self, pick: int, at_hub: bool, pieces: int) -> None:
        """One side pours what it has into a sink that is full after some pieces."""
        self.world.pour(self.talk(pick), at_hub=at_hub, pieces=pieces)

    @has_talks
    @rule(pick=st.integers(0, 99), at_hub=st.booleans())
    def cancel(self, pick: int, at_hub: bool) -> None:
        """One side cancels."""
        self.world.cancel(self.talk(pick), at_hub=at_hub)

    @precondition(lambda self: self.world.sent_up + self.world.sent_down < 40)
    @rule(is_up=st.booleans())
    def control(self, is_up: bool) -> None:
        """A control message."""
        world = self.world
        if is_up:
            world.agent.send_control({"n": world.sent_up})
            world.sent_up += 1
        else:
            world.hub.send_control({"n": world.sent_down, "text": "x" * 17_000})
            world.sent_down += 1

    @rule(to_hub=BYTES, to_agent=BYTES)
    def move(self, to_hub: int, to_agent: int) -> None:
        """Some bytes arrive."""
        self.world.move(to_hub, to_agent)

    @rule(is_hub_told=st.booleans())
    def cut(self, is_hub_told: bool) -> None:
        """The carrier breaks; perhaps only the agent notices."""
        self.world.cut(is_hub_told=is_hub_told)

    @rule()
    def dial(self) -> None:
        """The agent connects anew, whatever became of the old carrier."""
        self.world.dial()

    @invariant()
    def is_bounded(self) -> None:
        """Nothing holds more than its window."""
        if hasattr(self, "world"):
            self.world.check_bounds()

    def teardown(self) -> None:
        """With one good carrier, everything that was not cancelled comes to its end."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.settle()
        for talk in world.talks.values():
            if talk.cancelled_with is None:
                world.end_up(talk)
        world.settle()
        for talk in world.talks.values():
            if talk.cancelled_with is None:
                world.end_down(talk)
        world.settle()
        world.check_control()
        for talk in world.talks.values():
            self.check_end(talk)
        assert not world.hub.streams
        assert not world.agent.streams
        assert not world.hub._cancelled
        assert not world.agent._cancelled
        assert world.hub.budget.used == world.agent.budget.used == 0

    def check_end(self, talk: Talk) -> None:
        """Read to the end on both sides, or failed on both for the reason that was given."""
        if talk.cancelled_with is None:
            assert talk.down.is_read_to_end
            assert talk.down.read == talk.down.written
            # An answer may end before its request was read.
            assert talk.up.read == talk.up.written or talk.at_hub.error is not None
            return
        reasons = {"by_hub", "by_agent", "complete"}
        assert isinstance(talk.at_hub.error, StreamReset) or talk.down.is_read_to_end
        if talk.at_hub.error is not None:
            assert isinstance(talk.at_hub.error, StreamReset)
            assert talk.at_hub.error.reason in reasons
        if talk.at_agent is not None and talk.at_agent.error is not None:
            assert isinstance(talk.at_agent.error, StreamReset)
            assert talk.at_agent.error.reason in reasons


def test_each_byte_is_read_once_in_order_over_any_carriers() -> None:
    """Any cut and any loss: the reader gets each byte once, in order, within the bound."""
    run_state_machine_as_test(
        AnyCarrier,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SIZES),
        st.tuples(st.just("move"), BYTES),
        st.tuples(st.sampled_from(["read", "lose", "restart"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_a_durable_answer_is_stored_whole_over_any_restarts(steps: list[tuple[str, int]]) -> None:
    """Hubs that die at any byte: each goes on where the last one's store ends, with no gap."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered(request(1, durable=True))
    stored = bytearray()
    written = 0

    def read() -> None:
        while data := pair.hub.read(at_hub):
            stored.extend(data)

    for what, size in [*steps, ("restart", 0)]:
        if what == "write":
            written += pair.agent.write(at_agent, pattern(1, written, written + size))
        elif what == "move":
            data = pair.agent.data_to_send()
            pair.hub.receive_data(data[:size], pair.now)
            if len(data) > size:
                pair.lose()
                pair.connect()
        elif what == "read":
            read()
            pair.to_agent()
        elif what == "lose":
            pair.lose()
            pair.connect()
        else:
            pair.restart_hub({"req_1": len(stored)})
            (at_hub,) = [e.stream for e in pair.hub_events if isinstance(e, ev.StreamOpened)]
    pair.agent.end(at_agent)
    for _ in range(200):
        pair.settle()
        read()
    assert at_hub.head == OK
    assert at_hub.receiver.is_done
    assert bytes(stored) == pattern(1, 0, written)
    pair.hub.release(at_hub)
    pair.settle()
    assert not pair.agent.streams
    assert pair.agent.budget.used == pair.hub.budget.used == 0
