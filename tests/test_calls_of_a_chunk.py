"""A guard for the core's hot path that counts calls for each chunk, which no machine makes slower.

Each Python call is about 50 ns and each call into C about 30; both are the same in every run. A bound
is what was counted and a little: whoever adds a call to the path of a chunk meets it here.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from tests.tunnel.protocol.pair import LinkedPair, request

CHUNK = b"x" * 200
ROUNDS = 200


def calls_within(work: Callable[[], None]) -> Counter[str]:
    """How often Python (`call`) and C (`c_call`) functions are called while `work` runs."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        found[event] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def take(data: bytes) -> bool:
    """A sink that is never full."""
    return True


@pytest.mark.parametrize(
    ("streams", "at_agent", "at_hub"),
    [(25, (2.6, 19.0), (2.6, 9.0)), (1, (9.0, 24.0), (11.0, 12.5))],
    ids=["25 streams", "one stream"],
)
def test_a_chunk_costs_no_more_calls_than_it_did(
    streams: int, at_agent: tuple[float, float], at_hub: tuple[float, float]
) -> None:
    """One chunk of each stream, gathered into one message, written, read and poured; CREDIT too."""
    pair = LinkedPair().connect()
    states = [pair.answered(request(number)) for number in range(streams)]
    messages: list[bytes] = []
    answers: list[bytes] = []

    def send() -> None:
        for _, state in states:
            pair.agent.write(state, CHUNK)
        while data := pair.agent.data_to_send():
            messages.append(data)

    def receive() -> None:
        for data in messages:
            pair.hub.receive_data(data, 1.0)
        for state in pair.hub.take_readable():
            pair.hub.pour(state, take)
        while data := pair.hub.data_to_send():
            answers.append(data)

    def take_credit() -> None:
        for data in answers:
            pair.agent.receive_data(data, 1.0)

    sent: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for _ in range(ROUNDS):
        messages.clear()
        answers.clear()
        sent += calls_within(send)
        received += calls_within(receive)
        sent += calls_within(take_credit)
    chunks = streams * ROUNDS
    for found, (python, c) in ((sent, at_agent), (received, at_hub)):
        each = (found["call"] / chunks, found["c_call"] / chunks)
        assert each[0] <= python, each
        assert each[1] <= c, each
