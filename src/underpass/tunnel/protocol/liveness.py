"""Whether the peer is there: any byte counts, silence gets a ping, more silence is death."""

from __future__ import annotations

from enum import Enum, auto


class Due(Enum):
    """What silence asks for now."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()


class Liveness:
    """The silence of one carrier. Times are seconds of the caller's clock."""

    __slots__ = ("_dead_after_s", "_is_pinged", "_ping_after_s", "heard_at")

    def __init__(self, now: float, ping_after_s: float, dead_after_s: float) -> None:
        self._ping_after_s = ping_after_s
        self._dead_after_s = dead_after_s
        self._is_pinged = False
        self.heard_at = now

    def heard(self, now: float) -> None:
        """Bytes came."""
        self.heard_at = now
        self._is_pinged = False

    def deadline(self) -> float:
        """When to look again."""
        wait = self._ping_after_s + (self._dead_after_s if self._is_pinged else 0.0)
        return self.heard_at + wait

    def due(self, now: float) -> Due:
        """What to do now; PING is said once per silence."""
        if now < self.deadline():
            return Due.NOTHING
        if self._is_pinged:
            return Due.DEAD
        self._is_pinged = True
        return Due.PING
