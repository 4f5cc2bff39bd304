"""Throttles: how often something may be tried in a window of time, per key, in memory."""

from __future__ import annotations

import ipaddress
from collections import deque

from underpass.core.clock import Clock
from underpass.core.errors import TooMany
from underpass.core.times import in_words

MAX_KEYS = 10_000
"""Keys that are remembered; beyond it the ones that were quiet longest are forgotten."""


class Throttle:
    """Counts events per key in a sliding window of `window_s` seconds."""

    def __init__(self, clock: Clock, *, limit: int, window_s: float) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._events: dict[str, deque[float]] = {}

    def __repr__(self) -> str:
        return f"Throttle(limit={self._limit}, window_s={self._window_s}, keys={len(self._events)})"

    def wait_s(self, key: str) -> float:
        """How long the next try has to wait; 0 when it may come now."""
        events = self._recent(key)
        if len(events) < self._limit:
            return 0.0
        return max(0.0, events[-self._limit] + self._window_s - self._clock.monotonic())

    def note(self, key: str) -> None:
        """Count one event."""
        events = self._recent(key)
        events.append(self._clock.monotonic())
        while len(events) > self._limit:
            events.popleft()
        # Put last, so that the first key is the one that was quiet longest.
        self._events.pop(key, None)
        self._events[key] = events
        if len(self._events) > MAX_KEYS:
            del self._events[next(iter(self._events))]

    def forget(self, key: str) -> None:
        """Start anew for this key."""
        self._events.pop(key, None)

    def check(self, key: str, what: str) -> None:
        """Raises TooMany, with the seconds to wait, when the key is over its limit."""
        wait_s = self.wait_s(key)
        if wait_s > 0:
            raise TooMany(
                f"Too many {what}.",
                hint=f"Try again in {in_words(wait_s)}.",
                retry_after_s=wait_s,
                code="throttled",
            )

    def _recent(self, key: str) -> deque[float]:
        events = self._events.get(key) or deque()
        oldest = self._clock.monotonic() - self._window_s
        while events and events[0] <= oldest:
            events.popleft()
        return events


class SignInThrottle:
    """Wrong passwords, counted three ways.

    Per name from one address is the limit a person meets. Per address catches one that tries many
    names. Per name from everywhere is far higher, so that nobody can lock a user out with ease.
    """

    WINDOW_S = 15 * 60.0

    def __init__(self, clock: Clock, attempts: int) -> None:
        self._pair = Throttle(clock, limit=attempts, window_s=self.WINDOW_S)
        self._address = Throttle(clock, limit=attempts * 5, window_s=self.WINDOW_S)
        self._name = Throttle(clock, limit=attempts * 20, window_s=self.WINDOW_S)

    def check(self, name: str, address: str) -> None:
        """Raises TooMany when this try has to wait."""
        network = network_of(address)
        self._pair.check(f"{name} {network}", "wrong passwords")
        self._address.check(network, "wrong passwords")
        self._name.check(name, "wrong passwords")

    def failed(self, name: str, address: str) -> None:
        """Count a wrong password."""
        network = network_of(address)
        self._pair.note(f"{name} {network}")
        self._address.note(network)
        self._name.note(name)

    def succeeded(self, name: str, address: str) -> None:
        """A right password: this person from this address starts anew."""
        self._pair.forget(f"{name} {network_of(address)}")


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 host owns a whole /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
