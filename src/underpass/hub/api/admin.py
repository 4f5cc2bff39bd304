"""`/api/admin`: what only admins see: that sessions exist, and the settings in force.

Of a session an admin learns that it is there, whose, where and since when, and can stop it; not what it is
called, what it was asked to run, or a line of its log.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from underpass.config.in_force import in_force
from underpass.core.states import EndReason, SessionStatus
from underpass.hub.api.session_shapes import ClusterRef, OwnerOut
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Admin, ServicesDep

router = APIRouter(prefix="/admin", tags=["admin"])


class SessionShortOut(BaseModel):
    """That a session exists."""

    id: str
    owner: OwnerOut
    status: SessionStatus
    end_reason: EndReason | None
    attached: bool
    cluster: ClusterRef | None
    host: str | None
    created_at: str | None
    ended_at: str | None
    wall_time_ends_at: str | None


class SettingOut(BaseModel):
    """One setting in force. `source`: the flag, the variable or the file's line that it came from."""

    name: str
    value: str
    source: str
    effect: str
    is_default: bool


@router.get("/sessions")
async def list_all_sessions(
    caller: Admin, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[SessionShortOut]:
    """Everybody's sessions, newest first."""
    del caller
    items, cursor = await services.sessions.everybodys(after=after, limit=limit)
    return ListOf(items=[SessionShortOut(**item) for item in items], next=cursor)


@router.post("/sessions/{any_session_id}/stop", status_code=202)
async def stop_any_session(
    any_session_id: str, request: Request, caller: Admin, services: ServicesDep
) -> SessionShortOut:
    """Ask anybody's session to end."""
    shape = await services.sessions.stop_anybodys(any_session_id)
    await services.trail.note(
        "session.stop",
        actor_id=caller.user_id,
        subject=any_session_id,
        address=address_of(request.scope),
        owner_id=shape["owner"]["id"],
    )
    return SessionShortOut(**shape)


@router.get("/settings")
async def list_settings(caller: Admin, services: ServicesDep) -> ListOf[SettingOut]:
    """The settings that this hub runs with, and where each came from. Secrets are not in it."""
    del caller
    return ListOf(
        items=[
            SettingOut(
                name=one.name,
                value=one.value,
                source=one.source,
                effect=one.effect,
                is_default=one.is_default,
            )
            for one in in_force(services.config)
        ]
    )
