"""When to dial again: soon at first, then ever more spread out, for ever.

The first retry comes after 50–250 ms, so that a hub that restarts is found at once; then full
jitter between 0 and a ceiling that doubles up to 30 s, so that a thousand agents do not knock
together. Only a connection that stayed up for 30 s starts the row anew. One that is lost sooner
says that the line is bad, not that the hub is gone: the ceiling then climbs to 1 s at most, so
that streams go on soon.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_MIN_S = 0.05
FIRST_MAX_S = 0.25
CEILING_S = 30.0
STEADY_AFTER_S = 30.0
# As a number of failures: 0.25 s doubled so often is the ceiling.
_FLAPPING_FAILURES = 2
# A hub may ask for patience, not for silence until next week.
LONGEST_RETRY_AFTER_S = 300.0


class Backoff:
    """The row of waits. `uniform(low, high)` is the only chance in it; time is handed in."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._failures = 0
        self._up_since: float | None = None

    def connected(self, now: float) -> None:
        """A connection is up as of `now` (monotonic seconds)."""
        self._up_since = now

    def next_wait_s(self, now: float, retry_after_s: float | None = None) -> float:
        """A connection or an attempt failed at `now`: seconds to wait before the next one."""
        if self._up_since is not None:
            is_steady = now - self._up_since >= STEADY_AFTER_S
            self._failures = 0 if is_steady else min(self._failures, _FLAPPING_FAILURES)
        self._up_since = None
        wait_s = self._draw()
        self._failures += 1
        if retry_after_s is None:
            return wait_s
        # Jitter on top, or everybody who was sent away comes back in the same moment.
        return min(max(retry_after_s, 0.0), LONGEST_RETRY_AFTER_S) + wait_s

    def _draw(self) -> float:
        if self._failures == 0:
            return self._uniform(FIRST_MIN_S, FIRST_MAX_S)
        # 2 ** 7 quarter seconds are 32 s: beyond that the exponent need not grow.
        ceiling = min(FIRST_MAX_S * 2.0 ** min(self._failures, 7), CEILING_S)
        return self._uniform(0.0, ceiling)
