"""Stream 0: messages in order, once each, bounded."""

from __future__ import annotations

import pytest

from tests.tunnel.protocol.pair import LinkedPair
from underpass.core.errors import TunnelError
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.limits import CONTROL_BACKLOG_BYTES, MAX_CONTROL_BYTES


def numbers(events: list[ev.Event]) -> list[int]:
    """The `n` of each control message."""
    return [event.message["n"] for event in events if isinstance(event, ev.ControlReceived)]


def test_what_is_said_before_the_first_carrier_arrives() -> None:
    """An agent may queue its offers before it has ever connected."""
    pair = LinkedPair()
    pair.agent.send_control({"n": 1})
    pair.connect()
    pair.settle()
    assert numbers(pair.hub_events) == [1]


def test_a_message_cut_by_a_lost_carrier_arrives_once() -> None:
    """The carrier breaks in the middle of a message; it is whole after the next handshake."""
    pair = LinkedPair().connect()
    pair.agent.send_control({"n": 1, "text": "x" * 100_000})
    pair.agent.send_control({"n": 2})
    data = pair.agent.data_to_send()
    pair.hub_events += pair.hub.receive_data(data[:20_000], pair.now)
    pair.lose()
    pair.connect()
    pair.settle()
    assert numbers(pair.hub_events) == [1, 2]


def test_a_restarted_hub_gets_only_what_was_not_consumed() -> None:
    """Old messages are not said again to a new hub; those on their way are."""
    pair = LinkedPair().connect()
    for number in range(3):
        pair.agent.send_control({"n": number})
    pair.settle()
    pair.agent.send_control({"n": 3})
    assert pair.agent.data_to_send()
    pair.hub.send_control({"n": 100})
    pair.to_agent()
    pair.restart_hub()
    pair.hub.send_control({"n": 200})
    pair.settle()
    assert numbers(pair.hub_events) == [3]
    assert numbers(pair.agent_events) == [100, 200]


def test_a_restarted_hub_gets_a_message_whole_that_the_old_one_had_in_part() -> None:
    """What was received of a message is not consumed before its last byte."""
    pair = LinkedPair().connect()
    pair.agent.send_control({"n": 1})
    pair.agent.send_control({"n": 2, "text": "x" * 100_000})
    pair.hub_events += pair.hub.receive_data(pair.agent.data_to_send()[:20_000], pair.now)
    pair.to_agent()
    pair.restart_hub()
    pair.settle()
    assert numbers(pair.hub_events) == [2]


def test_a_message_over_the_limit_is_refused_where_it_is_made() -> None:
    """Its sender gets the error; the largest that is allowed passes."""
    pair = LinkedPair().connect()
    with pytest.raises(TunnelError) as caught:
        pair.hub.send_control({"text": "x" * MAX_CONTROL_BYTES})
    assert caught.value.code == "control_too_big"
    pair.hub.send_control({"n": 1, "t": "x" * (MAX_CONTROL_BYTES - len('{"n":1,"t":""}'))})
    pair.settle()
    assert numbers(pair.agent_events) == [1]


def test_the_backlog_is_bounded_during_an_outage() -> None:
    """A sender that nobody hears gets an error instead of memory."""
    pair = LinkedPair().connect()
    pair.lose()
    with pytest.raises(TunnelError) as caught:
        for number in range(100_000):
            pair.agent.send_control({"n": number, "line": "x" * 1000})
    assert caught.value.code == "control_full"
    sender = pair.agent._control.sender
    assert sender.written - sender.consumed <= CONTROL_BACKLOG_BYTES + 4
    pair.connect()
    pair.settle()
    assert numbers(pair.hub_events) == list(range(len(numbers(pair.hub_events))))
    assert sender.consumed == sender.written
