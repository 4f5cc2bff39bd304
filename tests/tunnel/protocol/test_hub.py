"""The hub's end: who may attach, what becomes of each stream, tokens, epochs, adoption."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tunnel.protocol.pair import OK, LinkedPair, errors_of, kinds, request
from underpass.core.errors import (
    BadFrame,
    LinkRefused,
    LocalProtocolError,
    ResumeExpired,
    StreamReset,
    TunnelError,
)
from underpass.tunnel.protocol import LinkSettings
from underpass.tunnel.protocol import events as ev
from underpass.tunnel.protocol.frames import FrameType
from underpass.tunnel.protocol.handshake import HalfState, Hello


def refused(pair: LinkedPair, hello: Hello, owner: str = "ses_1") -> str:
    """The code with which the hub turns a HELLO away."""
    before = repr(pair.hub)
    with pytest.raises(LinkRefused) as caught:
        pair.hub.attach(hello, owner=owner, new_token="n" * 32, now=pair.now)
    assert repr(pair.hub) == before
    return caught.value.code


def read_all(pair: LinkedPair, at_hub: object) -> bytes:
    """What the hub can read of a stream now, with credit going back."""
    found = b""
    while data := pair.hub.read(at_hub):  # type: ignore[arg-type]
        found += data
        pair.settle()
    return found


# --- who may attach --------------------------------------------------------------------------


def test_another_version_is_refused() -> None:
    """An agent that speaks no version of ours is told so."""
    pair = LinkedPair()
    hello = pair.hello()
    other = replace(hello, versions=(2, 3))
    assert refused(pair, other) == "version"


def test_another_credential_cannot_take_a_link() -> None:
    """The link's id and token are of no use to another session."""
    pair = LinkedPair().connect()
    assert refused(pair, pair.hello(), owner="ses_2") == "not_allowed"


def test_a_token_is_good_until_the_next_one_was_used() -> None:
    """A replayed token is refused once its successor has been used."""
    pair = LinkedPair().connect()
    old = pair.agent._token
    pair.connect()
    newest = pair.agent._token
    hello = pair.hello()
    pair.attach(hello)
    pair.to_agent()
    assert old != newest
    replay = pair.hello()
    stolen = replace(replay, token=old)
    assert refused(pair, stolen) == "token"


def test_a_lost_welcome_leaves_the_old_token_good() -> None:
    """The agent never saw the new token, so the one that it has still opens the door."""
    pair = LinkedPair().connect()
    for _ in range(3):
        pair.attach(pair.hello())
        pair.hub_events += pair.hub.carrier_lost(pair.now)
    pair.connect()
    assert pair.agent.phase == "up"
    assert not pair.hub_events[-1].is_fresh  # type: ignore[union-attr]


def test_the_hub_keeps_no_token_in_the_clear() -> None:
    """What the hub holds of a token is its hash."""
    pair = LinkedPair().connect()
    held = [value for value in vars(pair.hub).values() if isinstance(value, str | bytes)]
    assert not any(pair.agent._token in str(value) for value in held)


def test_a_weak_token_is_our_own_mistake() -> None:
    """Fewer than 128 bits are refused before anything happens."""
    pair = LinkedPair()
    with pytest.raises(LocalProtocolError):
        pair.hub.attach(pair.hello(), owner="ses_1", new_token="short", now=0.0)


def test_a_newer_epoch_displaces_and_an_older_one_is_refused() -> None:
    """The agent's last connection wins, even when the hub has not noticed the first one's end."""
    pair = LinkedPair().connect()
    late = pair.hello()
    pair.attach(pair.hello())
    assert pair.hub.epoch == 3
    assert refused(pair, late) == "epoch"


def test_one_hello_attaches_once() -> None:
    """The same bytes a second time are refused, though their token is still good."""
    pair = LinkedPair().connect()
    hello = pair.hello()
    pair.attach(hello)
    assert refused(pair, hello) == "epoch"


def test_a_closed_link_sends_the_agent_away_as_new() -> None:
    """After the end of a link its id leads nowhere."""
    pair = LinkedPair().connect()
    pair.hub.close("stopped", "", pair.now)
    assert refused(pair, pair.hello()) == "gone"


def test_a_hello_that_contradicts_itself_closes_the_link() -> None:
    """An agent that has more of control than was ever sent is broken; it is told and let go."""
    pair = LinkedPair().connect()
    hello = replace(pair.hello(), control=HalfState(10, 10, 600_000, has_end=False))
    pair.attach(hello)
    closed = [event for event in pair.hub_events if isinstance(event, ev.LinkClosed)]
    assert [type(event.error) for event in closed] == [BadFrame]
    assert pair.hub.data_to_send()[0] == FrameType.CLOSE
    assert pair.hub.data_to_send() == b""


# --- streams ---------------------------------------------------------------------------------


def test_an_open_that_was_lost_is_sent_again_with_its_data() -> None:
    """A request that never reached the agent is there after the next handshake."""
    pair = LinkedPair().connect()
    stream = pair.hub.open(request())
    pair.hub.write(stream, b"prompt")
    pair.hub.end(stream)
    assert pair.hub.data_to_send()
    pair.lose()
    pair.connect()
    at_agent = pair.agent.streams[stream.id]
    assert at_agent.opening == request()
    assert pair.agent.read(at_agent) == b"prompt"


def test_a_stream_opened_while_down_begins_on_resume() -> None:
    """The hub may open streams in grace; the agent hears of them when it is back."""
    pair = LinkedPair().connect()
    pair.lose()
    stream = pair.hub.open(request())
    pair.connect()
    assert stream.id in pair.agent.streams


def test_a_cancel_during_an_outage_is_delivered_on_resume() -> None:
    """An explicit stop survives the outage; the link's other streams go on."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered(request(1))
    other, other_agent = pair.answered(request(2))
    pair.lose()
    pair.hub.cancel(at_hub, "client_gone")
    pair.connect()
    assert isinstance(at_agent.error, StreamReset)
    assert at_agent.error.reason == "client_gone"
    pair.settle()
    assert not pair.hub._cancelled
    pair.agent.write(other_agent, b"still here")
    pair.settle()
    assert pair.hub.read(other) == b"still here"


def test_an_unsent_open_is_cancelled_without_a_word() -> None:
    """What the agent never heard of needs no CANCEL, before and after an outage."""
    pair = LinkedPair().connect()
    pair.hub.cancel(pair.hub.open(request(1)), "gone")
    pair.lose()
    pair.hub.cancel(pair.hub.open(request(2)), "gone")
    pair.connect()
    pair.settle()
    assert not pair.hub._cancelled
    assert "StreamOpened" not in kinds(pair.agent_events)
    pair.open(request(3))


def test_an_answer_may_end_before_its_request() -> None:
    """The rest of a request is cancelled once its answer is all read."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.open()
    pair.hub.write(at_hub, b"half a prompt")
    pair.agent.respond(at_agent, OK)
    pair.agent.end(at_agent)
    pair.settle()
    assert read_all(pair, at_hub) == b""
    pair.settle()
    assert isinstance(at_agent.error, StreamReset)
    assert at_agent.error.reason == "complete"
    assert not pair.hub.streams
    assert not pair.agent.streams


def test_more_streams_than_the_limit_are_refused_at_the_hub() -> None:
    """Cancelled streams count until the agent has confirmed them."""
    pair = LinkedPair(LinkSettings(max_streams=2)).connect()
    first, _ = pair.open(request(1))
    pair.open(request(2))
    pair.hub.cancel(first, "gone")
    with pytest.raises(TunnelError) as caught:
        pair.hub.open(request(3))
    assert caught.value.code == "too_many_streams"
    pair.settle()
    pair.open(request(3))


def test_a_stream_that_does_not_fit_is_gone_and_the_others_go_on() -> None:
    """A table entry that contradicts the hub's memory costs that stream only."""
    pair = LinkedPair().connect()
    bad, bad_agent = pair.answered(request(1))
    good, good_agent = pair.answered(request(2))
    pair.lose()
    bad_agent.opening = request(77)
    pair.connect()
    assert isinstance(bad.error, StreamReset)
    assert bad.error.reason == "gone"
    assert isinstance(bad_agent.error, StreamReset)
    pair.agent.write(good_agent, b"x")
    pair.settle()
    assert pair.hub.read(good) == b"x"


def test_an_answer_that_was_cut_at_its_front_is_gone() -> None:
    """An agent that cannot send from where the hub is has not got the stream."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.agent.write(at_agent, b"0123456789")
    pair.lose()
    hello = pair.hello()
    (entry,) = hello.table
    pair.attach(replace(hello, table=(replace(entry, floor=1),)))
    assert isinstance(at_hub.error, StreamReset)
    assert at_hub.error.reason == "gone"


# --- grace -----------------------------------------------------------------------------------


def test_grace_ends_with_a_typed_error_on_both_sides() -> None:
    """After 60 s without a carrier every stream fails with ResumeExpired, not a second before."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.lose()
    pair.wait(59.9)
    assert at_hub.error is None
    assert at_agent.error is None
    pair.wait(0.2)
    assert isinstance(at_hub.error, ResumeExpired)
    assert isinstance(at_agent.error, ResumeExpired)
    assert pair.hub.is_closed
    assert isinstance(pair.hub_events[-1], ev.LinkClosed)
    assert not pair.agent.is_closed


def test_failed_attempts_do_not_prolong_grace() -> None:
    """Grace counts from the loss, however often the agent tries."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered()
    pair.lose()
    for _ in range(7):
        pair.wait(9)
        pair.agent.connect(pair.now)
        pair.agent_events += pair.agent.carrier_lost(pair.now)
    assert isinstance(at_agent.error, ResumeExpired)


# --- a hub without memory --------------------------------------------------------------------


def test_a_restarted_hub_adopts_a_durable_answer_at_its_offset() -> None:
    """The new hub gets the head again and every byte from the offset that it had stored."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered(request(1, durable=True))
    answer = bytes(range(256)) * 1000
    pair.agent.write(at_agent, answer[:200_000])
    pair.settle()
    assert read_all(pair, at_hub) == answer[:200_000]
    pair.restart_hub({"req_1": 1234})
    adopted = [e.stream for e in pair.hub_events if isinstance(e, ev.StreamOpened)]
    assert [s.request_id for s in adopted] == ["req_1"]
    assert pair.agent.write(at_agent, answer[200_000:]) == 56_000
    pair.agent.end(at_agent)
    pair.settle()
    assert adopted[0].head == OK
    assert read_all(pair, adopted[0]) == answer[1234:]
    pair.hub.release(adopted[0])
    pair.settle()
    assert not pair.agent.streams
    assert not pair.hub.streams
    assert pair.agent.budget.used == pair.hub.budget.used == 0


def test_an_adopted_stream_survives_further_carriers() -> None:
    """Adoption is a stream like any other afterwards."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered(request(1, durable=True))
    pair.agent.write(at_agent, b"0123456789")
    pair.restart_hub({"req_1": 0})
    (stream,) = pair.hub.streams.values()
    pair.lose()
    pair.connect()
    pair.agent.end(at_agent)
    pair.settle()
    assert read_all(pair, stream) == b"0123456789"


def test_an_adopted_stream_whose_request_is_still_being_read_survives_further_carriers() -> None:
    """The agent has the whole request, its server only a part: that is no contradiction later."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.open(request(1, durable=True))
    pair.hub.write(at_hub, b"question")
    pair.hub.end(at_hub)
    pair.settle()
    pair.agent.respond(at_agent, OK)
    pair.restart_hub({"req_1": 0})
    (stream,) = pair.hub.streams.values()
    pair.lose()
    pair.connect()
    assert pair.agent.read(at_agent) == b"question"
    assert pair.agent.read(at_agent) == b""
    pair.agent.write(at_agent, b"answer")
    pair.agent.end(at_agent)
    pair.settle()
    assert read_all(pair, stream) == b"answer"
    pair.hub.release(stream)
    pair.settle()
    assert not pair.agent.streams
    assert not pair.hub.streams


def lost_welcome(pair: LinkedPair, adopt: dict[str, int]) -> None:
    """The hub restarts and answers the agent's HELLO, but the carrier breaks under its WELCOME."""
    pair.lose()
    pair.hub = pair.new_hub("lnk_2")
    pair.hub_events = []
    pair.attach(pair.hello(), adopt)
    pair.lose()


def test_a_first_welcome_of_a_restarted_hub_that_is_lost_costs_nothing() -> None:
    """The agent still names its old link; what the new one has adopted goes on there."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered(request(1, durable=True))
    _, plain = pair.answered(request(2))
    pair.agent.write(at_agent, b"0123456789")
    pair.settle()
    pair.agent.send_control({"n": 1})
    lost_welcome(pair, {"req_1": 4})
    pair.hub.send_control({"n": 2})
    at_hub = pair.hub.open(request(3))
    hello = pair.hello()
    assert pair.hub.is_begun_by(hello)
    pair.attach(hello, {})
    pair.settle()
    pair.agent.end(at_agent)
    pair.settle()
    assert [e.stream.request_id for e in pair.hub_events if isinstance(e, ev.StreamOpened)] == [
        "req_1"
    ]
    assert read_all(pair, pair.hub.streams[at_agent.id]) == b"456789"
    assert plain.error is not None
    assert at_hub.id in pair.agent.streams
    assert pair.agent.link_id == "lnk_2"
    said = [
        e.message for e in pair.hub_events + pair.agent_events if isinstance(e, ev.ControlReceived)
    ]
    assert said == [{"n": 1}, {"n": 2}]


def test_a_cancel_before_the_first_welcome_arrived_is_told_with_the_next() -> None:
    """A Stop while the agent is on its way back to a restarted hub frees the server all the same."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered(request(1, durable=True))
    lost_welcome(pair, {"req_1": 0})
    pair.hub.cancel(pair.hub.streams[at_agent.id], "stopped")
    pair.connect({})
    pair.settle()
    assert at_agent.error is not None
    assert not pair.agent.streams


def test_who_knows_the_new_link_cannot_begin_it_again() -> None:
    """Once the agent has named the new link, its old name opens nothing; nor does a wrong token."""
    pair = LinkedPair().connect()
    pair.answered(request(1, durable=True))
    pair.lose()
    old = pair.hello()
    pair.agent.carrier_lost(pair.now)
    lost_welcome(pair, {"req_1": 0})
    stranger = replace(old, token="another-token-of-enough-characters", epoch=90)
    assert not pair.hub.is_begun_by(stranger)
    pair.connect({})
    pair.lose()
    pair.connect()
    with pytest.raises(LinkRefused):
        pair.hub.attach(replace(old, epoch=99), owner="ses_1", new_token="t" * 32, now=pair.now)


def test_a_restarted_hub_loses_what_is_not_durable() -> None:
    """An ordinary stream is gone, and so is a durable one that nobody asked for."""
    pair = LinkedPair().connect()
    _, plain = pair.answered(request(1))
    _, unwanted = pair.answered(request(2, durable=True))
    pair.agent_events.clear()
    pair.restart_hub({"req_1": 0})
    assert [type(error) for error in errors_of(pair.agent_events)] == [StreamReset, StreamReset]
    assert plain.error is not None
    assert unwanted.error is not None
    assert not pair.hub.streams


def test_a_request_that_was_cut_by_the_restart_is_not_adopted() -> None:
    """Without the whole request there is no answer to go on with."""
    pair = LinkedPair().connect()
    _, at_agent = pair.open(request(1, durable=True))
    pair.restart_hub({"req_1": 0})
    assert at_agent.error is not None


def test_a_restarted_hub_does_not_use_old_ids_again() -> None:
    """A new stream cannot be taken for one from before the restart."""
    pair = LinkedPair().connect()
    pair.answered(request(1))
    pair.answered(request(2))
    pair.restart_hub()
    stream, _ = pair.open(request(3))
    assert stream.id == 3


def test_an_answer_older_than_what_is_kept_is_not_adopted() -> None:
    """Below the floor there is nothing to send from, so the stream is gone, not torn."""
    pair = LinkedPair(LinkSettings(durable_stream_bytes=100_000)).connect()
    at_hub, at_agent = pair.answered(request(1, durable=True))
    for _ in range(40):
        pair.agent.write(at_agent, bytes(10_000))
        pair.settle()
        read_all(pair, at_hub)
    floor = at_agent.sender.floor
    assert 0 < floor <= at_agent.sender.consumed
    assert at_agent.sender.sent - floor <= 100_000 + 256 * 1024
    pair.restart_hub({"req_1": floor - 1})
    assert at_agent.error is not None


# --- ending ----------------------------------------------------------------------------------


def test_a_draining_hub_opens_nothing_and_finishes_what_runs() -> None:
    """GOAWAY is told, told again after a reconnect, and old streams come to their end."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.hub.drain("restart", 30)
    with pytest.raises(TunnelError) as caught:
        pair.hub.open(request(2))
    assert caught.value.code == "draining"
    pair.settle()
    assert ev.GoAway(False, "restart", 30.0) in pair.agent_events
    pair.agent_events.clear()
    pair.lose()
    pair.connect()
    assert ev.GoAway(False, "restart", 30.0) in pair.agent_events
    pair.hub.drain("restart", is_closing=True)
    pair.settle()
    assert ev.GoAway(True, "restart", 0.0) in pair.agent_events
    pair.agent.write(at_agent, b"end")
    pair.agent.end(at_agent)
    pair.settle()
    assert read_all(pair, at_hub) == b"end"
