"""`/api/audit`: who did what. Admins see all of it, others what they did themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from underpass.core.errors import NotFound
from underpass.core.principal import Principal
from underpass.core.times import iso
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.services import Reader, Services, ServicesDep
from underpass.store import AuditRecord

router = APIRouter(prefix="/audit", tags=["audit"])

EXPORT_PAGE = 500


class AuditOut(BaseModel):
    """One act. `actor_id` is null where nobody was signed in."""

    id: str
    at: str | None
    actor_id: str | None
    action: str
    subject: str
    address: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show of the trail."""

    actor: Annotated[str | None, Query(description="A user's id.", max_length=64)] = None
    action: Annotated[
        str | None, Query(description="`key.create`, or `key.` for all of keys.", max_length=64)
    ] = None
    subject: Annotated[str | None, Query(description="What it was done to.", max_length=200)] = None
    address: Annotated[str | None, Query(description="From where.", max_length=64)] = None
    since: Annotated[datetime | None, Query(description="From this time on.")] = None
    until: Annotated[datetime | None, Query(description="Before this time.")] = None

    def for_store(self, caller: Principal) -> dict[str, Any]:
        """The arguments of the store's list; one who is no admin sees their own acts only."""
        actor = self.actor if caller.acts_as_admin else caller.user_id
        return {
            "actor_id": actor,
            "action": self.action,
            "subject": self.subject,
            "address": self.address,
            "since": _seconds(self.since),
            "until": _seconds(self.until),
        }


Filtered = Annotated[Filters, Depends()]


@router.get("")
async def list_audit(
    caller: Reader,
    services: ServicesDep,
    filters: Filtered,
    after: After = None,
    limit: Limit = 100,
) -> ListOf[AuditOut]:
    """The trail, newest first."""
    page = await services.store.audit.list(**filters.for_store(caller), after=after, limit=limit)
    return ListOf(items=[_audit_out(one) for one in page.items], next=page.next)


@router.get(".jsonl", response_class=StreamingResponse)
async def export_audit(
    caller: Reader, services: ServicesDep, filters: Filtered
) -> StreamingResponse:
    """All of it that fits, one JSON object a line, newest first."""
    wanted = filters.for_store(caller)
    return StreamingResponse(
        lines(services, wanted),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


async def lines(services: Services, wanted: dict[str, Any]) -> AsyncIterator[str]:
    """What fits the store's arguments, one JSON object a line."""
    after: str | None = None
    while True:
        page = await services.store.audit.list(**wanted, after=after, limit=EXPORT_PAGE)
        yield "".join(_audit_out(one).model_dump_json() + "\n" for one in page.items)
        after = page.next
        if after is None:
            return


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


@router.get("/{entry_id}")
async def show_audit(entry_id: str, caller: Reader, services: ServicesDep) -> AuditOut:
    """One act."""
    entry = await services.store.audit.get(entry_id)
    if not caller.acts_as_admin and entry.actor_id != caller.user_id:
        raise NotFound("There is no such audit entry.")
    return _audit_out(entry)


def _audit_out(one: AuditRecord) -> AuditOut:
    return AuditOut(
        id=one.id,
        at=iso(one.at),
        actor_id=one.actor_id,
        action=one.action,
        subject=one.subject,
        address=one.address,
        detail=one.detail,
    )
