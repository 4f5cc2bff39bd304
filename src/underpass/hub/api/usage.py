"""`/api/usage`: how much passed through the gateway, per day and provider."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from underpass.core.errors import InvalidRequest, NotAllowed
from underpass.hub.api.shapes import ListOf
from underpass.hub.services import Reader, ServicesDep

router = APIRouter(prefix="/usage", tags=["usage"])

MAX_DAYS = 366
Day = Annotated[
    str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="A day in UTC, `2026-11-23`.")
]


class UsageOut(BaseModel):
    """One day's sum for one user and provider; bytes are of bodies, `in` is towards the model."""

    day: str
    user_id: str
    provider_id: str
    requests: int
    failures: int
    cancelled: int
    bytes_in: int
    bytes_out: int


@router.get("")
async def list_usage(
    caller: Reader,
    services: ServicesDep,
    since: Day = None,
    until: Day = None,
    everyone: Annotated[bool, Query(description="All users: for admins.")] = False,
) -> ListOf[UsageOut]:
    """My usage of the last 30 days, or of the days asked for."""
    if everyone and not caller.acts_as_admin:
        raise NotAllowed("Only an admin may see everybody's usage.", code="admin_only")
    today = datetime.fromtimestamp(services.clock.now(), UTC).date()
    since_day, until_day = _day(since) or today - timedelta(days=29), _day(until) or today
    if (until_day - since_day).days >= MAX_DAYS:
        raise InvalidRequest(f"At most {MAX_DAYS} days at once.", code="too_many_days")
    await services.usage.flush()
    found = await services.store.usage.list(
        since_day=since_day.isoformat(),
        until_day=until_day.isoformat(),
        user_id=None if everyone else caller.user_id,
    )
    return ListOf(
        items=[
            UsageOut(
                day=one.day,
                user_id=one.user_id,
                provider_id=one.provider_id,
                requests=one.requests,
                failures=one.failures,
                cancelled=one.cancelled,
                bytes_in=one.bytes_in,
                bytes_out=one.bytes_out,
            )
            for one in found
        ]
    )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"There is no day '{text}'.", code="day_invalid") from error
