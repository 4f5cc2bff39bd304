"""`/api/usage`: how much passed through the gateway, summed as one asks for it; also as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from underpass.core.errors import InvalidRequest, NotAllowed
from underpass.core.principal import Principal
from underpass.hub.api.shapes import ListOf
from underpass.hub.services import Reader, Services, ServicesDep
from underpass.store import UsageRecord

router = APIRouter(prefix="/usage", tags=["usage"])

MAX_DAYS = 366
Day = Annotated[
    str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="A day in UTC, `2026-11-23`.")
]
By = Annotated[
    list[Literal["day", "user", "provider", "key", "model", "session", "total"]] | None,
    Query(
        description="What to tell apart; may be repeated. Without it: day, user and provider;"
        " `total` alone: nothing, one sum of all."
    ),
]
Everyone = Annotated[bool, Query(description="All users: for admins.")]

_FIELDS = {
    "day": "day",
    "user": "user_id",
    "provider": "provider_id",
    "key": "key_id",
    "model": "model",
    "session": "session_id",
}
_SUMS = (
    *("requests", "failures", "cancelled", "bytes_in", "bytes_out"),
    *("tokens_in", "tokens_out"),
)


class UsageOut(BaseModel):
    """One sum; what was not told apart is null, and so is a key for what came of the chat.

    Bytes are of bodies, `in` is towards the model; tokens are the servers' own counts.
    `first_byte_s` and `tokens_per_s` are means, null where nothing was measured.
    """

    day: str | None
    user_id: str | None
    provider_id: str | None
    key_id: str | None
    model: str | None
    session_id: str | None
    requests: int
    failures: int
    cancelled: int
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    first_byte_s: float | None
    tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class _Asked:
    since: date
    until: date
    by: tuple[str, ...]


@router.get("")
async def list_usage(
    caller: Reader,
    services: ServicesDep,
    since: Day = None,
    until: Day = None,
    by: By = None,
    everyone: Everyone = False,
) -> ListOf[UsageOut]:
    """My usage of the last 30 days, or of the days asked for."""
    return ListOf(items=await _sums(services, caller, _asked(services, since, until, by), everyone))


@router.get(".csv", response_class=Response)
async def usage_as_csv(
    caller: Reader,
    services: ServicesDep,
    since: Day = None,
    until: Day = None,
    by: By = None,
    everyone: Everyone = False,
) -> Response:
    """The same as a CSV file with a line of names."""
    found = await _sums(services, caller, _asked(services, since, until, by), everyone)
    return Response(
        _as_csv(found),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="usage.csv"'},
    )


async def everything_as_csv(services: Services, user_id: str) -> str:
    """All that a user ever used, told apart by all there is."""
    await services.usage.flush()
    fields = tuple(_FIELDS.values())
    found = await services.store.usage.list(
        since_day="0001-01-01", until_day="9999-12-31", user_id=user_id
    )
    return _as_csv([_sum({field: getattr(one, field) for field in fields}, [one]) for one in found])


def _as_csv(found: Iterable[UsageOut]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(UsageOut.model_fields))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in one} for one in found)
    return text.getvalue()


async def _sums(
    services: Services, caller: Principal, asked: _Asked, everyone: bool
) -> list[UsageOut]:
    if everyone and not caller.acts_as_admin:
        raise NotAllowed("Only an admin may see everybody's usage.", code="admin_only")
    await services.usage.flush()
    found = await services.store.usage.list(
        since_day=asked.since.isoformat(),
        until_day=asked.until.isoformat(),
        user_id=None if everyone else caller.user_id,
    )
    fields = [_FIELDS[name] for name in asked.by if name in _FIELDS]
    groups: dict[tuple[str, ...], list[UsageRecord]] = {}
    for one in found:
        groups.setdefault(tuple(getattr(one, field) for field in fields), []).append(one)
    return [_sum(dict(zip(fields, key, strict=True)), ones) for key, ones in groups.items()]


def _sum(told_apart: dict[str, str], ones: Iterable[UsageRecord]) -> UsageOut:
    records = list(ones)

    def total(name: str) -> float:
        return float(sum(getattr(one, name) for one in records))

    first_bytes, answer_s = total("first_bytes"), total("answer_s")
    return UsageOut(
        **{field: told_apart.get(field) or None for field in _FIELDS.values()},
        **{name: int(total(name)) for name in _SUMS},
        first_byte_s=round(total("first_byte_s") / first_bytes, 4) if first_bytes else None,
        tokens_per_s=round(total("tokens_out") / answer_s, 2) if answer_s else None,
    )


def _asked(services: Services, since: str | None, until: str | None, by: By) -> _Asked:
    today = datetime.fromtimestamp(services.clock.now(), UTC).date()
    first, last = _day(since) or today - timedelta(days=29), _day(until) or today
    if (last - first).days >= MAX_DAYS:
        raise InvalidRequest(f"At most {MAX_DAYS} days at once.", code="too_many_days")
    return _Asked(first, last, tuple(dict.fromkeys(by or ("day", "user", "provider"))))


def _cell(value: object) -> object:
    """A name that begins as a formula does would be one to a spreadsheet."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"There is no day '{text}'.", code="day_invalid") from error
