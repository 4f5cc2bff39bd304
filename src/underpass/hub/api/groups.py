"""`/api/groups`: for admins; everybody sees the groups they are in."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from underpass.core.errors import Conflict, InvalidRequest, NotFound
from underpass.core.ids import new_id
from underpass.core.names import checked_name
from underpass.core.times import iso
from underpass.hub.api.shapes import After, In, Limit, ListOf
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Admin, Reader, Services, ServicesDep
from underpass.store import GroupRecord

router = APIRouter(prefix="/groups", tags=["groups"])


class GroupOut(BaseModel):
    """One group. `members` are ids of users, `claimed` those of them whom a sign-in issuer put there;
    both are shown to admins only."""

    id: str
    name: str
    members: list[str] | None
    claimed: list[str] | None
    created_at: str | None


class GroupIn(In):
    """A new group."""

    name: str = Field(max_length=63)
    members: list[str] = Field(default_factory=list, max_length=10_000)


class GroupPatch(In):
    """What to change; what is not given stays. `members` replaces all who are there by hand; who is
    there by an issuer's word stays as long as the issuer says so."""

    name: str | None = Field(None, max_length=63)
    members: list[str] | None = Field(None, max_length=10_000)


@router.get("")
async def list_groups(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[GroupOut]:
    """All groups for an admin; for others those they are in."""
    page = await services.store.groups.list(after=after, limit=limit)
    items = [
        await _group_out(services, group, is_admin=caller.acts_as_admin)
        for group in page.items
        if caller.acts_as_admin or group.id in caller.group_ids
    ]
    return ListOf(items=items, next=page.next)


@router.post("", status_code=201)
async def add_group(
    body: GroupIn, request: Request, caller: Admin, services: ServicesDep
) -> GroupOut:
    """Add a group."""
    group = GroupRecord(
        id=new_id("grp"), name=checked_name(body.name), created_at=services.clock.now()
    )
    try:
        await services.store.groups.add(group)
    except Conflict as error:
        raise Conflict(f"There is a group '{body.name}' already.", code="name_taken") from error
    await _set_members(services, group.id, body.members)
    await _note(services, request, caller.user_id, "group.create", group.name)
    return await _group_out(services, group, is_admin=True)


@router.get("/{group_id}")
async def show_group(group_id: str, caller: Reader, services: ServicesDep) -> GroupOut:
    """One group."""
    if not caller.acts_as_admin and group_id not in caller.group_ids:
        raise NotFound("There is no such group.")
    group = await services.store.groups.get(group_id)
    return await _group_out(services, group, is_admin=caller.acts_as_admin)


@router.patch("/{group_id}")
async def change_group(
    group_id: str, body: GroupPatch, request: Request, caller: Admin, services: ServicesDep
) -> GroupOut:
    """Rename a group, or replace who is in it."""
    group = await services.store.groups.get(group_id)
    if body.name is not None:
        try:
            group = await services.store.groups.update(group_id, name=checked_name(body.name))
        except Conflict as error:
            raise Conflict(f"There is a group '{body.name}' already.", code="name_taken") from error
    if body.members is not None:
        await _set_members(services, group_id, body.members)
    await _note(services, request, caller.user_id, "group.change", group.name)
    return await _group_out(services, group, is_admin=True)


@router.delete("/{group_id}", status_code=204)
async def remove_group(
    group_id: str, request: Request, caller: Admin, services: ServicesDep
) -> Response:
    """Delete a group; its members stay users."""
    group = await services.store.groups.get(group_id)
    members = await services.store.groups.members(group_id)
    await services.store.groups.remove(group_id)
    _tell(services, members)
    await _note(services, request, caller.user_id, "group.remove", group.name)
    return Response(status_code=204)


async def _set_members(services: Services, group_id: str, user_ids: list[str]) -> None:
    groups = services.store.groups
    before = set(await groups.members(group_id))
    # Who is shown because of a claim and sent back with the list is not meant to stay for ever.
    only_claimed = set(await groups.claimed(group_id)) - set(await groups.by_hand(group_id))
    wanted = [one for one in user_ids if one not in only_claimed]
    try:
        await groups.set_members(group_id, tuple(wanted))
    except Conflict as error:
        raise InvalidRequest("One of the members is not a user.", code="user_unknown") from error
    _tell(services, before ^ set(await groups.members(group_id)))


def _tell(services: Services, user_ids: Iterable[str]) -> None:
    """What these users may use has changed: for their next request, and on their open pages."""
    moved = set(user_ids)
    for user_id in moved:
        services.auth.authenticator.forget(user_id=user_id)
    services.feed.resync(moved)


async def _note(
    services: Services, request: Request, actor_id: str, action: str, name: str
) -> None:
    address = address_of(request.scope)
    await services.trail.note(action, actor_id=actor_id, subject=name, address=address)


async def _group_out(services: Services, group: GroupRecord, *, is_admin: bool) -> GroupOut:
    return GroupOut(
        id=group.id,
        name=group.name,
        members=list(await services.store.groups.members(group.id)) if is_admin else None,
        claimed=list(await services.store.groups.claimed(group.id)) if is_admin else None,
        created_at=iso(group.created_at),
    )
