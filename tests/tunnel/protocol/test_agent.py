"""The agent's end: connecting, answering, keeping, draining, liveness."""

from __future__ import annotations

import pytest

from tests.tunnel.protocol.pair import OK, LinkedPair, errors_of, kinds, request
from underpass.core.errors import (
    LinkRefused,
    LocalProtocolError,
    ResumeExpired,
    StreamReset,
    TunnelError,
)
from underpass.tunnel.protocol import AgentLink, LinkSettings
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.frames import CREDIT_FRAME, FrameType
from underpass.tunnel.protocol.goodbye import PERMANENT, RESTART, close_frame


def dead(events: list[ev.Event]) -> bool:
    """True when the carrier was declared dead."""
    return "CarrierDead" in kinds(events)


# --- connecting ------------------------------------------------------------------------------


def test_the_hubs_settings_reach_the_agent() -> None:
    """Grace, pings and the number of streams are the hub's to say."""
    pair = LinkedPair(LinkSettings(max_streams=7, grace_s=5, ping_after_s=3, dead_after_s=4))
    pair.agent = AgentLink()
    pair.connect()
    assert pair.agent.settings == LinkSettings(
        max_streams=7, grace_s=5, ping_after_s=3, dead_after_s=4
    )


def test_nothing_but_hello_leaves_before_welcome() -> None:
    """Until the hub has said where streams go on, their bytes stay here."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered()
    pair.lose()
    pair.agent.write(at_agent, b"later")
    pair.hello()
    pair.agent.write(at_agent, b" still")
    assert pair.agent.data_to_send() == b""


def test_a_hub_that_does_not_answer_hello_is_given_up() -> None:
    """Without WELCOME the carrier is dead after 10 s, not before."""
    agent = AgentLink()
    agent.connect(100.0)
    assert agent.next_timer() == 110.0
    assert not dead(agent.tick(109.9))
    assert dead(agent.tick(110.0))


@pytest.mark.parametrize("code", sorted(PERMANENT))
def test_a_permanent_refusal_closes_the_link(code: str) -> None:
    """The agent must not come back, and says why."""
    agent = AgentLink()
    agent.connect(0.0)
    (event,) = agent.receive_data(close_frame(code, "No."), 0.0)
    assert isinstance(event, ev.LinkClosed)
    assert isinstance(event.error, LinkRefused)
    assert event.error.code == code


@pytest.mark.parametrize("code", sorted(RESTART))
def test_a_lost_identity_starts_a_new_link(code: str) -> None:
    """The streams are gone, the agent is not: its next HELLO names no link."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered()
    pair.hello()
    events = pair.agent.receive_data(close_frame(code, "Come as a new link."), pair.now)
    assert dead(events)
    assert isinstance(at_agent.error, StreamReset)
    pair.agent.carrier_lost(pair.now)
    assert pair.hello().link_id is None


# --- streams ---------------------------------------------------------------------------------


def test_a_head_that_was_lost_is_sent_again() -> None:
    """HEAD survives the carrier like data does, and takes effect once."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.open()
    pair.agent.respond(at_agent, OK)
    assert pair.agent.data_to_send()
    pair.lose()
    pair.connect()
    pair.settle()
    assert at_hub.head == OK
    pair.lose()
    pair.connect()
    pair.settle()
    assert kinds(pair.hub_events).count("HeadReceived") == 1


def test_an_end_that_was_lost_is_sent_again() -> None:
    """CREDIT for every byte that crosses END is no receipt for END."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    half_a_window = bytes(128 * 1024)
    pair.agent.write(at_agent, half_a_window)
    pair.to_hub()
    got = 0
    while data := pair.hub.read(at_hub):
        got += len(data)
    pair.agent.end(at_agent)
    assert pair.agent.data_to_send()
    assert pair.to_agent() > 0
    pair.lose()
    pair.connect()
    pair.settle()
    assert pair.hub.read(at_hub) == b""
    assert got == len(half_a_window)
    assert at_hub.receiver.is_done
    assert at_hub.error is None


def test_a_call_is_one_message_each_way_and_cancelled_by_nobody() -> None:
    """The agent says with its answer that it took the whole request; the hub's last word can wait."""
    pair = LinkedPair().connect()
    pair.settle()
    at_hub = pair.hub.open(request())
    pair.hub.write(at_hub, b"question")
    pair.hub.end(at_hub)
    asked = pair.hub.data_to_send()
    assert pair.hub.data_to_send() == b""
    pair.agent_events += pair.agent.receive_data(asked, pair.now)
    at_agent = pair.agent.streams[at_hub.id]
    assert pair.agent.read(at_agent) == b"question"
    pair.agent.acknowledge(at_agent)
    assert not pair.agent.has_urgent, "it goes with the answer"
    pair.agent.respond(at_agent, OK)
    pair.agent.write(at_agent, b"answer")
    pair.agent.end(at_agent)
    answer = pair.agent.data_to_send()
    assert pair.agent.data_to_send() == b""
    pair.hub_events += pair.hub.receive_data(answer, pair.now)
    assert pair.hub.read(at_hub) == b"answer"
    assert pair.hub.read(at_hub) == b""
    assert pair.hub.is_unhurried
    assert pair.hub.has_something
    last = pair.hub.data_to_send()
    assert (last[0], len(last)) == (FrameType.CREDIT, CREDIT_FRAME.size)
    pair.agent_events += pair.agent.receive_data(last, pair.now)
    assert not pair.agent.streams
    assert not pair.hub.streams
    assert pair.agent.data_to_send() == b""


def test_the_first_of_an_answer_waits_for_no_company_and_the_rest_may() -> None:
    """A busy link gathers data; what somebody waits for to see a first word does not."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered()
    pair.agent.write(at_agent, b"first")
    assert pair.agent.has_urgent
    pair.to_hub()
    pair.agent.write(at_agent, b"second")
    assert not pair.agent.has_urgent
    assert not pair.agent.is_unhurried


def test_an_answer_needs_its_head_first_and_once() -> None:
    """Data before the head, and a second head, are our own mistakes."""
    pair = LinkedPair().connect()
    _, at_agent = pair.open()
    with pytest.raises(LocalProtocolError):
        pair.agent.write(at_agent, b"x")
    pair.agent.respond(at_agent, OK)
    with pytest.raises(LocalProtocolError):
        pair.agent.respond(at_agent, OK)


def test_an_agents_cancel_during_an_outage_reaches_the_hub() -> None:
    """The hub hears the agent's reason in the handshake itself."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.lose()
    pair.agent.cancel(at_agent, "upstream_cut")
    pair.connect()
    assert isinstance(at_hub.error, StreamReset)
    assert at_hub.error.reason == "upstream_cut"
    pair.settle()
    assert not pair.agent._cancelled


def test_a_draining_agent_refuses_new_streams_without_beginning_them() -> None:
    """A request that crossed the GOAWAY is refused, so the hub may send it elsewhere."""
    pair = LinkedPair().connect()
    crossing = pair.hub.open(request())
    pair.agent.drain("walltime", 60)
    pair.settle()
    assert isinstance(crossing.error, StreamReset)
    assert crossing.error.reason == "refused"
    assert "StreamOpened" not in kinds(pair.agent_events)
    with pytest.raises(TunnelError) as caught:
        pair.hub.open(request(2))
    assert caught.value.code == "draining"


def test_writing_to_a_failed_stream_raises_its_reason() -> None:
    """After a cancel both halves end with the peer's reason, for readers and writers."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.open()
    pair.agent.respond(at_agent, OK)
    pair.hub.cancel(at_hub, "client_gone")
    pair.settle()
    for call in (lambda: pair.agent.write(at_agent, b"x"), lambda: pair.agent.read(at_agent)):
        with pytest.raises(StreamReset) as caught:
            call()
        assert caught.value.reason == "client_gone"
    assert pair.agent.data_to_send() == b""


# --- keeping ---------------------------------------------------------------------------------


def test_a_durable_answer_stays_until_it_is_released() -> None:
    """Consumed and ended is not stored: the agent forgets on RELEASE only."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered(request(1, durable=True))
    pair.agent.write(at_agent, b"all of it")
    pair.agent.end(at_agent)
    pair.settle()
    assert pair.hub.read(at_hub) == b"all of it"
    assert pair.hub.read(at_hub) == b""
    pair.settle()
    assert at_agent.sender.floor == 0
    assert 1 in pair.agent.streams
    pair.hub.release(at_hub)
    assert pair.hub.data_to_send()
    pair.lose()
    pair.connect()
    assert not pair.agent.streams


def test_kept_answers_are_bounded_in_all_and_the_oldest_gives_way() -> None:
    """Over the link's cap the oldest answer's floor advances; the newest stays whole."""
    settings = LinkSettings(durable_link_bytes=1_000_000, durable_stream_bytes=600_000)
    pair = LinkedPair(settings).connect()
    streams = [pair.answered(request(n, durable=True)) for n in range(3)]
    for at_hub, at_agent in streams:
        for _ in range(50):
            pair.agent.write(at_agent, bytes(10_000))
            pair.settle()
            while pair.hub.read(at_hub):
                pair.settle()
    floors = [at_agent.sender.floor for _, at_agent in streams]
    assert floors[0] > 0
    assert floors[2] == 0
    kept = sum(at_agent.sender.consumed - at_agent.sender.floor for _, at_agent in streams)
    assert kept <= 1_000_000 + 3 * 128 * 1024


def test_durable_answers_outlive_ordinary_ones_in_an_outage() -> None:
    """Ordinary streams end with grace; what a hub asked to keep waits ten minutes for it."""
    pair = LinkedPair().connect()
    _, plain = pair.answered(request(1))
    _, durable = pair.answered(request(2, durable=True))
    pair.lose()
    pair.wait(61)
    assert isinstance(plain.error, ResumeExpired)
    assert durable.error is None
    pair.wait(530)
    assert durable.error is None
    pair.wait(10)
    assert isinstance(durable.error, ResumeExpired)
    assert len(errors_of(pair.agent_events)) == 2


# --- liveness --------------------------------------------------------------------------------


def test_silence_is_pinged_and_an_answer_keeps_the_link() -> None:
    """A quiet link lives for hours on its pings."""
    pair = LinkedPair().connect()
    pair.wait(3600)
    assert not dead(pair.agent_events)
    assert not dead(pair.hub_events)


def test_on_a_quiet_link_only_the_hub_asks() -> None:
    """A question of the hub's is a sign of life for its agent, a second before it would ask."""
    pair = LinkedPair().connect()
    for _ in range(10):
        pair.now += 10
        pair.agent.tick(pair.now)
        assert pair.agent.data_to_send() == b""
        pair.hub.tick(pair.now)
        asked = pair.hub.data_to_send()
        assert asked[0] == 7
        pair.now += 0.5
        pair.agent.receive_data(asked, pair.now)
        pair.now += 0.5
        pair.hub.receive_data(pair.agent.data_to_send(), pair.now)


def test_a_black_hole_is_dead_after_twenty_seconds() -> None:
    """No reset, no close, no bytes: ping at 11 s, dead at 20 s."""
    pair = LinkedPair().connect()
    start = pair.now
    assert pair.agent.next_timer() == start + 11
    assert not dead(pair.agent.tick(start + 11))
    assert pair.agent.data_to_send()[0] == 7
    assert pair.agent.next_timer() == start + 20
    assert not dead(pair.agent.tick(start + 19.9))
    assert dead(pair.agent.tick(start + 20))


def test_any_byte_is_a_sign_of_life() -> None:
    """A frame that has not come to its end counts as well."""
    pair = LinkedPair().connect()
    start = pair.now
    pair.agent.tick(start + 11)
    pair.agent.receive_data(b"\x07", start + 15)
    assert pair.agent.next_timer() == start + 26
