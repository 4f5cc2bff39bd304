"""Whether a session is used: by requests through its tunnels, never by connections that stand open.

A warning comes ahead of the stop, and whoever uses the session or keeps it takes both away. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from underpass.tunnel.link import LinkUse

LONGEST_WARNING_S = 300.0


@dataclass(slots=True)
class Use:
    """When a session was last used, as far as its link tells."""

    at: float = 0.0
    """Unix seconds; 0: not since this hub knows it."""
    _opened: int = -1
    _raw_bytes: int = 0

    def look(self, seen: LinkUse, *, is_wanted: bool, now: float) -> None:
        """Takes a picture of the link; `is_wanted`: somebody's message waits for the session."""
        is_new = (seen.opened, seen.raw_bytes) != (self._opened, self._raw_bytes)
        self._opened, self._raw_bytes = seen.opened, seen.raw_bytes
        if is_new or seen.answering or is_wanted:
            self.at = now


def warning_s(idle_s: float) -> float:
    """How long before the stop it is said: a fifth of the time, five minutes at most."""
    return min(LONGEST_WARNING_S, idle_s / 5)


@dataclass(frozen=True, slots=True)
class Unused:
    """What an unused session comes to: `stops_at` is what is promised, None that nothing is."""

    stops_at: float | None = None
    is_over: bool = False
    """Whether it is time."""


def judge(used_at: float, idle_s: float, promised: float | None, now: float) -> Unused:
    """From the last use, the chosen time and what was said before.

    Nothing stops that was not warned: after a hub's long sleep the warning comes first.
    """
    due = used_at + idle_s
    if due - now > warning_s(idle_s):
        return Unused()
    if promised is None:
        return Unused(max(due, now + warning_s(idle_s)))
    return Unused(promised, is_over=now >= promised)
