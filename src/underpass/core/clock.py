"""Time as something that is handed in: what decides never looks at the clock itself."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`now` for what is stored and shown, `monotonic` for how long something took."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds from some fixed point; never steps back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from some fixed point; never steps back."""
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told: for tests."""

    def __init__(self, start_s: float = 1_700_000_000.0) -> None:
        self.time_s = start_s

    def now(self) -> float:
        """The time it was set to."""
        return self.time_s

    def monotonic(self) -> float:
        """The time it was set to."""
        return self.time_s

    def advance(self, seconds: float) -> None:
        """Moves both readings on."""
        self.time_s += seconds
