"""The system's clock runs, the fake one moves only when told."""

import time

from underpass.core.clock import FakeClock, SystemClock


def test_the_system_clock_is_the_machine_s() -> None:
    """Both readings are the standard library's."""
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    assert abs(clock.monotonic() - time.monotonic()) < 5


def test_a_fake_clock_stands_still_until_told() -> None:
    """Tests decide how time goes."""
    clock = FakeClock(10.0)
    assert (clock.now(), clock.monotonic()) == (10.0, 10.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (12.5, 12.5)
