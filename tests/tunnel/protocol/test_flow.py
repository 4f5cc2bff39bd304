"""Windows and budgets: growth while they limit, caps above them, and nobody stops."""

from __future__ import annotations

import tracemalloc

from tests.tunnel.protocol.pair import OK, LinkedPair, request
from underpass.tunnel.protocol import Budget, LinkSettings
from underpass.tunnel.protocol.flow import Window
from underpass.tunnel.protocol.limits import (
    FIRST_WINDOW_BYTES,
    LEAST_WINDOW_BYTES,
    LINK_BUDGET_BYTES,
    MAX_WINDOW_BYTES,
    REQUEST_LIMIT_BYTES,
)
from underpass.tunnel.protocol.streams import StreamState


def pump(pair: LinkedPair, at_hub: StreamState, at_agent: StreamState, size: int) -> None:
    """The agent sends `size` bytes to a hub that reads at once."""
    data = bytes(size)
    sent = got = 0
    while got < size:
        sent += pair.agent.write(at_agent, data, sent)
        pair.settle()
        while chunk := pair.hub.read(at_hub):
            got += len(chunk)
        pair.settle()


def test_a_budget_gives_a_share_and_takes_back() -> None:
    """An eighth of what is free at most, the least in any case, and nothing is lost."""
    above = Budget(1_000_000)
    budget = Budget(800_000, above)
    assert budget.take(1_000_000) == 100_000
    assert above.used == 100_000
    assert budget.take(50_000) == 50_000
    budget.charge(700_000)
    assert budget.free == 0
    assert budget.take(1_000, least=16) == 16
    budget.give(100_000 + 50_000 + 700_000 + 16)
    assert (budget.used, above.used) == (0, 0)


def test_the_hubs_budget_bounds_every_link() -> None:
    """What one link took, another does not find."""
    hub = Budget(8 * FIRST_WINDOW_BYTES)
    one, other = Window(Budget(LINK_BUDGET_BYTES, hub)), Window(Budget(LINK_BUDGET_BYTES, hub))
    one.open()
    hub.charge(hub.free)
    other.open()
    assert (one.size, other.size) == (FIRST_WINDOW_BYTES, LEAST_WINDOW_BYTES)
    assert not other.double()


def test_a_window_grows_while_it_limits_and_stops_at_four_mebibytes() -> None:
    """A fast reader behind a fast writer gets more credit, up to the cap."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pump(pair, at_hub, at_agent, 200_000)
    assert at_hub.receiver.window.size == FIRST_WINDOW_BYTES
    pump(pair, at_hub, at_agent, 60_000_000)
    assert at_hub.receiver.window.size == MAX_WINDOW_BYTES
    assert at_agent.sender.window.size == MAX_WINDOW_BYTES


def test_a_window_grows_on_a_long_line() -> None:
    """The peer stops at a limit that the reader has moved on meanwhile: that is what limits then."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    data = bytes(60_000_000)
    sent = got = turns = 0
    while got < len(data):
        sent += pair.agent.write(at_agent, data, sent)
        # All that the agent can send arrives before any of the hub's CREDIT is back.
        while message := pair.agent.data_to_send():
            pair.hub_events += pair.hub.receive_data(message, pair.now)
            while chunk := pair.hub.read(at_hub):
                got += len(chunk)
        pair.to_agent()
        turns += 1
    assert at_hub.receiver.window.size == MAX_WINDOW_BYTES
    assert turns < 60, "a window of 256 KiB would take over 200 round trips"


def test_a_slow_reader_does_not_get_a_larger_window() -> None:
    """A buffer that is full is the reader's doing; more of it would only be memory."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    data = bytes(3_000_000)
    sent = 0
    while sent < len(data):
        sent += pair.agent.write(at_agent, data, sent)
        pair.settle()
        pair.hub.read(at_hub)
    assert at_hub.receiver.window.size == FIRST_WINDOW_BYTES
    assert at_hub.receiver.received - at_hub.receiver.consumed <= FIRST_WINDOW_BYTES


def test_a_slow_stream_leaves_the_others_their_credit() -> None:
    """Nobody reads the first stream; the second one moves megabytes all the same."""
    pair = LinkedPair().connect()
    _, stuck = pair.answered(request(1))
    at_hub, at_agent = pair.answered(request(2))
    pair.agent.write(stuck, bytes(10_000_000))
    pump(pair, at_hub, at_agent, 5_000_000)
    assert stuck.sender.written == FIRST_WINDOW_BYTES


def test_every_stream_goes_on_when_the_budget_is_used_up() -> None:
    """With next to no budget streams are slow, never stopped; both directions."""
    pair = LinkedPair(LinkSettings(link_budget_bytes=1)).connect()
    pairs = [pair.answered(request(n)) for n in range(5)]
    for at_hub, at_agent in pairs:
        pump(pair, at_hub, at_agent, 300_000)
        assert at_hub.receiver.window.size == LEAST_WINDOW_BYTES
    at_hub, at_agent = pair.open(request(9))
    data = bytes(300_000)
    sent = got = 0
    while got < len(data):
        sent += pair.hub.write(at_hub, data, sent)
        pair.settle()
        while chunk := pair.agent.read(at_agent):
            got += len(chunk)
        pair.settle()


def test_a_lost_word_that_the_sender_is_blocked_is_said_again() -> None:
    """A sender that may keep less than the receiver grants depends on being heard."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.agent.budget.charge(LINK_BUDGET_BYTES)
    data = bytes(2 * LEAST_WINDOW_BYTES)
    assert pair.agent.write(at_agent, data) == LEAST_WINDOW_BYTES
    assert pair.agent.data_to_send()
    pair.lose()
    pair.connect()
    pair.settle()
    got = 0
    for _ in range(3):
        got += len(pair.hub.read(at_hub))
        pair.settle()
    assert got == LEAST_WINDOW_BYTES
    assert pair.agent.write(at_agent, data, got) == LEAST_WINDOW_BYTES


def test_windows_are_given_back_when_a_stream_fails() -> None:
    """Cancelled in the middle, both ends hold nothing."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    pair.agent.write(at_agent, bytes(1_000_000))
    pair.settle()
    pair.hub.cancel(at_hub, "gone")
    pair.settle()
    assert pair.hub.budget.used == pair.agent.budget.used == 0
    assert not at_agent.sender.pending
    assert not at_agent.sender.retained
    assert not at_hub.receiver.chunks


def test_the_stated_bound_holds_when_everything_is_full() -> None:
    """Budget, what windows take beyond it, and a chunk per stream that is consumed in part."""
    streams = 60
    settings = LinkSettings(max_streams=streams, link_budget_bytes=4 << 20)
    pair = LinkedPair(settings).connect()
    pairs = [pair.open(request(n)) for n in range(streams)]
    for at_hub, at_agent in pairs:
        pair.agent.respond(at_agent, OK)
        for _ in range(40):
            pair.hub.write(at_hub, bytes(33_333))
            pair.agent.write(at_agent, bytes(33_333))
        pair.settle()
        pair.hub.read(at_hub)
        pair.agent.read(at_agent)
    pair.settle()
    beyond = {
        pair.hub: 3 * LEAST_WINDOW_BYTES * streams,
        pair.agent: (2 * LEAST_WINDOW_BYTES + REQUEST_LIMIT_BYTES) * streams,
    }
    for core in (pair.hub, pair.agent):
        bound = settings.link_budget_bytes + beyond[core]
        assert core.budget.used <= bound - LEAST_WINDOW_BYTES * streams
        held = sum(
            sum(map(len, [*s.sender.pending, *s.sender.retained, *s.receiver.chunks]))
            for s in core.streams.values()
        )
        assert settings.link_budget_bytes // 4 < held <= bound


def test_small_chunks_do_not_weigh_more_than_twice_their_bytes() -> None:
    """Objects included: a window full of 20-byte tokens is bounded in real memory too."""
    pair = LinkedPair().connect()
    pairs = [pair.answered(request(n)) for n in range(20)]
    pair.lose()
    tracemalloc.start()
    try:
        written = 0
        for _, at_agent in pairs:
            while taken := pair.agent.write(at_agent, bytes(bytearray(20))):
                written += taken
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written == 20 * FIRST_WINDOW_BYTES
    assert used <= 2 * written


def test_a_link_down_keeps_a_window_and_no_more() -> None:
    """During an outage the agent's writer stops at what credit lets it keep."""
    pair = LinkedPair().connect()
    _, at_agent = pair.answered()
    pair.lose()
    taken = sum(pair.agent.write(at_agent, bytes(10_000)) for _ in range(1000))
    assert taken == FIRST_WINDOW_BYTES
