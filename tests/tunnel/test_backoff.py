"""When the agent dials again."""

import random

from underpass.tunnel.backoff import Backoff


def most(_low: float, high: float) -> float:
    """The longest wait that chance allows."""
    return high


def test_soon_at_first_then_doubling_to_thirty_seconds() -> None:
    """The first retry is within 50–250 ms, the ceiling doubles to 30 s and stays there."""
    backoff = Backoff(most)
    waits = [backoff.next_wait_s(0.0) for _ in range(12)]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]


def test_full_jitter() -> None:
    """Later waits are spread from zero to the ceiling; the first never undercuts 50 ms."""
    chance = random.Random(7)
    firsts = [Backoff(chance.uniform).next_wait_s(0.0) for _ in range(500)]
    assert min(firsts) >= 0.05
    assert max(firsts) <= 0.25
    backoff = Backoff(chance.uniform)
    later = [backoff.next_wait_s(0.0) for _ in range(500)][10:]
    assert min(later) < 1
    assert max(later) > 29


def test_only_a_steady_connection_starts_anew() -> None:
    """Up for 30 s: the row starts again. Lost sooner: it goes on, at 1 s at most."""
    backoff = Backoff(most)
    for _ in range(8):
        backoff.next_wait_s(0.0)
    backoff.connected(100.0)
    assert backoff.next_wait_s(129.0) == 1
    backoff.connected(200.0)
    assert backoff.next_wait_s(230.0) == 0.25


def test_a_line_that_flaps() -> None:
    """A hundred drops right after connecting never wait for long, and never all at once."""
    backoff = Backoff(most)
    waits = []
    for at in range(100):
        backoff.connected(float(at))
        waits.append(backoff.next_wait_s(at + 0.5))
    assert waits[:3] == [0.25, 0.5, 1]
    assert max(waits) == 1


def test_retry_after_is_obeyed_and_spread() -> None:
    """The hub's wish comes on top of the jitter, up to five minutes."""
    backoff = Backoff(most)
    assert backoff.next_wait_s(0.0, retry_after_s=7.0) == 7.25
    assert backoff.next_wait_s(0.0, retry_after_s=86_400.0) == 300.5
    assert backoff.next_wait_s(0.0, retry_after_s=-5.0) == 1
