"""Limits over time: requests a minute and tokens a day, of a key and of its user.

Counts are in memory. Windows are the clock's minutes and UTC's days, so that everybody can say when
one resets. A key or user without a limit costs one comparison.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from underpass.core.clock import Clock
from underpass.core.errors import TooMany
from underpass.core.principal import NO_LIMITS, Limits, Principal
from underpass.core.times import in_words, iso

MINUTE_S, DAY_S = 60, 86_400
MAX_SUBJECTS = 20_000

TokensToday = Callable[[str, str], Awaitable[int]]
"""(`key` or `user`, id) → tokens that were used today, from what is stored."""


async def _none_today(kind: str, subject_id: str) -> int:
    del kind, subject_id
    return 0


@dataclass(slots=True)
class _Count:
    window: int
    used: int = 0


class Quotas:
    """State: for each key and user with a limit, its count in the present minute and day."""

    def __init__(self, clock: Clock, tokens_today: TokensToday = _none_today) -> None:
        self.tokens_today = tokens_today
        self._clock = clock
        self._minutes: dict[str, _Count] = {}
        self._days: dict[str, _Count] = {}

    async def take(self, principal: Principal) -> None:
        """Counts one request. Raises TooMany (`rate_limited`, `token_limit_reached`)."""
        if principal.key_limits is NO_LIMITS and principal.user_limits is NO_LIMITS:
            return
        found = _limited(principal)
        for kind, subject_id, limits in found:
            if limits.tokens_per_day is not None:
                day = await self._day(kind, subject_id)
                if day.used >= limits.tokens_per_day:
                    raise self._over(kind, "token_limit_reached", limits.tokens_per_day, DAY_S)
        # No wait from here on: of two requests at once only one gets the last place.
        minutes = [
            (kind, self._minute(subject_id), limits.requests_per_minute)
            for kind, subject_id, limits in found
            if limits.requests_per_minute is not None
        ]
        for kind, minute, most in minutes:
            if minute.used >= most:
                raise self._over(kind, "rate_limited", most, MINUTE_S)
        for _, minute, _ in minutes:
            minute.used += 1

    def spend(self, principal: Principal, tokens: int) -> None:
        """Counts what a request used, after it; the one that goes over a limit still ends well."""
        if principal.key_limits is NO_LIMITS and principal.user_limits is NO_LIMITS:
            return
        today = int(self._clock.now() // DAY_S)
        for _, subject_id, limits in _limited(principal):
            count = self._days.get(subject_id)
            if limits.tokens_per_day is not None and count is not None and count.window == today:
                count.used += tokens

    # --- inside ------------------------------------------------------------------------------

    def _minute(self, subject_id: str) -> _Count:
        window = int(self._clock.now() // MINUTE_S)
        count = self._minutes.get(subject_id)
        if count is None or count.window != window:
            count = self._minutes[subject_id] = _Count(window)
            _bound(self._minutes)
        return count

    async def _day(self, kind: str, subject_id: str) -> _Count:
        window = int(self._clock.now() // DAY_S)
        count = self._days.get(subject_id)
        if count is None or count.window != window:
            used = await self.tokens_today(kind, subject_id)
            known = self._days.get(subject_id)
            if known is not None and known.window == window:
                return known  # another request asked at the same time
            count = self._days[subject_id] = _Count(window, used)
            _bound(self._days)
        return count

    def _over(self, kind: str, code: str, most: int, window_s: int) -> TooMany:
        now = self._clock.now()
        resets_at = (now // window_s + 1) * window_s
        what = f"{most} requests a minute" if window_s == MINUTE_S else f"{most} tokens a day"
        whose = "This key" if kind == "key" else "You"
        has = "has" if kind == "key" else "have"
        return TooMany(
            f"{whose} {has} used the limit of {what}.",
            hint=f"It resets in {in_words(resets_at - now)}.",
            retry_after_s=resets_at - now,
            code=code,
            limit=most,
            resets_at=iso(resets_at),
        )


def _limited(principal: Principal) -> list[tuple[str, str, Limits]]:
    found = [("user", principal.user_id, principal.user_limits)]
    if principal.key_id is not None:
        found.append(("key", principal.key_id, principal.key_limits))
    return [one for one in found if one[2] is not NO_LIMITS]


def _bound(counts: dict[str, _Count]) -> None:
    if len(counts) > MAX_SUBJECTS:
        del counts[next(iter(counts))]
