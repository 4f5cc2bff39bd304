"""`/api/audit`: who did what. Admins see all of it, others what they did themselves."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from underpass.core.errors import NotFound
from underpass.core.times import iso
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.services import Reader, ServicesDep
from underpass.store import AuditRecord

router = APIRouter(prefix="/audit", tags=["audit"])


class AuditOut(BaseModel):
    """One act. `actor_id` is null where nobody was signed in."""

    id: str
    at: str | None
    actor_id: str | None
    action: str
    subject: str
    address: str
    detail: dict[str, Any]


@router.get("")
async def list_audit(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[AuditOut]:
    """The trail, newest first."""
    actor_id = None if caller.acts_as_admin else caller.user_id
    page = await services.store.audit.list(actor_id=actor_id, after=after, limit=limit)
    return ListOf(items=[_audit_out(one) for one in page.items], next=page.next)


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
