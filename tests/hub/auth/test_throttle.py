"""How often something may be tried."""

import pytest

from underpass.core.clock import FakeClock
from underpass.core.errors import TooMany
from underpass.hub.auth import throttle as module
from underpass.hub.auth.throttle import SignInThrottle, Throttle, network_of


def test_the_window_slides() -> None:
    """The next try may come when the oldest is out of the window."""
    clock = FakeClock()
    throttle = Throttle(clock, limit=2, window_s=60)
    throttle.note("a")
    clock.advance(10)
    throttle.note("a")
    assert throttle.wait_s("a") == 50
    assert throttle.wait_s("b") == 0
    clock.advance(49)
    with pytest.raises(TooMany) as caught:
        throttle.check("a", "tries")
    assert caught.value.retry_after_s == 1
    clock.advance(1)
    throttle.check("a", "tries")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many keys the quietest is forgotten."""
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    throttle = Throttle(FakeClock(), limit=1, window_s=60)
    for key in ("a", "b", "c", "a", "d"):
        throttle.note(key)
    assert [throttle.wait_s(key) > 0 for key in "abcd"] == [True, False, True, True]


def test_nobody_can_lock_a_user_out_with_ease() -> None:
    """Wrong passwords from one address leave the user free everywhere else."""
    throttle = SignInThrottle(FakeClock(), attempts=3)
    for _ in range(3):
        throttle.failed("alice", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.check("alice", "192.0.2.1")
    throttle.check("alice", "192.0.2.2")
    throttle.check("bob", "192.0.2.1")


def test_trying_many_names_from_one_address_has_a_limit_too() -> None:
    """A list of names is no way around it."""
    throttle = SignInThrottle(FakeClock(), attempts=3)
    for number in range(15):
        throttle.failed(f"user{number}", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.check("somebody", "192.0.2.1")


def test_trying_one_name_from_everywhere_has_a_limit_too() -> None:
    """Far higher, but it is there."""
    throttle = SignInThrottle(FakeClock(), attempts=3)
    for number in range(60):
        throttle.failed("alice", f"192.0.2.{number}")
    with pytest.raises(TooMany):
        throttle.check("alice", "198.51.100.1")


def test_getting_it_right_starts_anew() -> None:
    """For that person from that address."""
    throttle = SignInThrottle(FakeClock(), attempts=2)
    throttle.failed("alice", "192.0.2.1")
    throttle.succeeded("alice", "192.0.2.1")
    throttle.failed("alice", "192.0.2.1")
    throttle.check("alice", "192.0.2.1")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::7", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
        ("", ""),
    ],
)
def test_an_ipv6_host_owns_a_whole_network(address: str, network: str) -> None:
    """Counting single IPv6 addresses would count nothing."""
    assert network_of(address) == network
