"""`/api/users/{id}/limits` and `/api/groups/{id}/limits`: how much they may ask of models. For admins."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request

from underpass.hub.api.shapes import LimitsShape
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Admin, Services, ServicesDep
from underpass.store import LimitsRecord

router = APIRouter(tags=["limits"])


@router.get("/users/{user_id}/limits")
async def show_user_limits(user_id: str, caller: Admin, services: ServicesDep) -> LimitsShape:
    """A user's own limits; those of their groups hold where there are none."""
    del caller
    await services.store.users.get(user_id)
    return await _show(services, user_id)


@router.put("/users/{user_id}/limits")
async def set_user_limits(
    user_id: str, body: LimitsShape, request: Request, caller: Admin, services: ServicesDep
) -> LimitsShape:
    """Set a user's limits, from the next request on; they count with every key and in the chat."""
    user = await services.store.users.get(user_id)
    await _set(services, user_id, body, [user_id])
    await _note(services, request, caller.user_id, "user.limit", user.name, body)
    return body


@router.get("/groups/{group_id}/limits")
async def show_group_limits(group_id: str, caller: Admin, services: ServicesDep) -> LimitsShape:
    """What each member may ask for, who has no limits of their own."""
    del caller
    await services.store.groups.get(group_id)
    return await _show(services, group_id)


@router.put("/groups/{group_id}/limits")
async def set_group_limits(
    group_id: str, body: LimitsShape, request: Request, caller: Admin, services: ServicesDep
) -> LimitsShape:
    """Set what each member may ask for; of several groups the most generous one counts."""
    group = await services.store.groups.get(group_id)
    await _set(services, group_id, body, await services.store.groups.members(group_id))
    await _note(services, request, caller.user_id, "group.limit", group.name, body)
    return body


async def _show(services: Services, subject_id: str) -> LimitsShape:
    found = await services.store.limits.find(subject_id)
    if found is None:
        return LimitsShape()
    return LimitsShape(
        requests_per_minute=found.requests_per_minute, tokens_per_day=found.tokens_per_day
    )


async def _set(
    services: Services, subject_id: str, body: LimitsShape, user_ids: Iterable[str]
) -> None:
    await services.store.limits.put(
        LimitsRecord(
            id=subject_id,
            requests_per_minute=body.requests_per_minute,
            tokens_per_day=body.tokens_per_day,
        )
    )
    for user_id in user_ids:
        services.auth.authenticator.forget(user_id=user_id)


async def _note(
    services: Services,
    request: Request,
    actor_id: str,
    action: str,
    name: str,
    body: LimitsShape,
) -> None:
    await services.trail.note(
        action,
        actor_id=actor_id,
        subject=name,
        address=address_of(request.scope),
        **body.model_dump(),
    )
