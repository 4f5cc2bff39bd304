"""Limits over time."""

import asyncio

import pytest

from underpass.core.clock import FakeClock
from underpass.core.errors import TooMany
from underpass.core.principal import Limits, Principal
from underpass.gateway.quota import Quotas

KEY = Principal("usr_1", "ann", key_id="key_1", key_limits=Limits(requests_per_minute=2))


async def refusal(quotas: Quotas, principal: Principal) -> TooMany:
    with pytest.raises(TooMany) as caught:
        await quotas.take(principal)
    return caught.value


async def test_requests_a_minute() -> None:
    """The third in a minute is told when it resets, and then it goes on."""
    clock = FakeClock(1_700_000_005.0)  # 25 s into a minute
    quotas = Quotas(clock)
    for _ in range(2):
        await quotas.take(KEY)
    over = await refusal(quotas, KEY)
    assert (over.code, over.http_status, over.retry_after_s) == ("rate_limited", 429, 35.0)
    assert over.fields == {"limit": 2, "resets_at": "2023-11-14T22:14:00.000Z"}
    clock.advance(35)
    await quotas.take(KEY)


async def test_a_key_and_its_user_are_counted_apart() -> None:
    """Two keys share what their user has; a refused request counts nowhere."""
    quotas = Quotas(FakeClock())
    both = Limits(requests_per_minute=3)
    one = Principal("u", "ann", key_id="k1", key_limits=Limits(2), user_limits=both)
    other = Principal("u", "ann", key_id="k2", user_limits=both)
    await quotas.take(one)
    await quotas.take(one)
    assert "This key has used" in (await refusal(quotas, one)).message
    await quotas.take(other)
    assert "You have used" in (await refusal(quotas, other)).message


async def test_tokens_a_day() -> None:
    """From what is stored of today; over the limit until midnight UTC."""
    asked: list[tuple[str, str]] = []

    async def today(kind: str, subject_id: str) -> int:
        asked.append((kind, subject_id))
        await asyncio.sleep(0)
        return 90 if len(asked) <= 2 else 0

    clock = FakeClock(1_700_000_000.0)
    quotas = Quotas(clock, today)
    caller = Principal("u", "ann", key_id="k", key_limits=Limits(tokens_per_day=100))
    await asyncio.gather(quotas.take(caller), quotas.take(caller))
    quotas.spend(caller, 10)
    over = await refusal(quotas, caller)
    assert (over.code, over.fields["resets_at"]) == (
        "token_limit_reached",
        "2023-11-15T00:00:00.000Z",
    )
    clock.advance(86_400)
    await quotas.take(caller)
    assert set(asked) == {("key", "k")}


async def test_without_a_limit_nothing_is_counted() -> None:
    """Nor kept."""
    quotas = Quotas(FakeClock())
    free = Principal("u", "ann", key_id="k")
    for _ in range(1000):
        await quotas.take(free)
    quotas.spend(free, 10**9)
    assert not quotas._minutes
    assert not quotas._days
