"""`/api/users`: for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from underpass.core.errors import Conflict
from underpass.core.principal import Principal
from underpass.core.times import iso
from underpass.hub import removal, user_export
from underpass.hub.api.shapes import After, In, Limit, ListOf
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Admin, Services, ServicesDep
from underpass.store import UserRecord

router = APIRouter(prefix="/users", tags=["users"])


class UserOut(BaseModel):
    """One user. `email` is an address that an admin or a sign-in issuer knows to be theirs."""

    id: str
    name: str
    display_name: str
    email: str | None
    is_admin: bool
    is_disabled: bool
    has_password: bool
    has_two_step: bool
    created_at: str | None


class UserIn(In):
    """A new user. Without a password: signs in through an issuer or a proxy."""

    name: str = Field(max_length=63)
    display_name: str | None = Field(None, max_length=100)
    password: str | None = Field(None, max_length=4096)
    is_admin: bool = False
    email: str | None = Field(None, max_length=255)


class UserPatch(In):
    """What to change; what is not given stays. An `email` of "" takes it away."""

    display_name: str | None = Field(None, min_length=1, max_length=100)
    password: str | None = Field(None, max_length=4096)
    is_admin: bool | None = None
    is_disabled: bool | None = None
    email: str | None = Field(None, max_length=255)


@router.get("")
async def list_users(
    caller: Admin, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[UserOut]:
    """Everybody, newest first."""
    del caller
    page = await services.store.users.list(after=after, limit=limit)
    with_two = await services.store.second_factors.users_with_one([one.id for one in page.items])
    items = [user_out(user, has_two_step=user.id in with_two) for user in page.items]
    return ListOf(items=items, next=page.next)


@router.post("", status_code=201)
async def add_user(body: UserIn, request: Request, caller: Admin, services: ServicesDep) -> UserOut:
    """Add a user."""
    user = await services.auth.accounts.create(
        body.name,
        password=body.password,
        display_name=body.display_name,
        is_admin=body.is_admin,
        email=body.email,
    )
    await services.trail.note(
        "user.create",
        actor_id=caller.user_id,
        subject=user.name,
        address=address_of(request.scope),
        is_admin=user.is_admin,
    )
    return user_out(user)


@router.get("/{user_id}")
async def show_user(user_id: str, caller: Admin, services: ServicesDep) -> UserOut:
    """One user."""
    del caller
    return await _shown(services, await services.store.users.get(user_id))


@router.patch("/{user_id}")
async def change_user(
    user_id: str, body: UserPatch, request: Request, caller: Admin, services: ServicesDep
) -> UserOut:
    """Change a user; disabling one ends their sign-ins, keys and tunnels at once."""
    user = await services.auth.accounts.change(
        user_id,
        display_name=body.display_name,
        is_admin=body.is_admin,
        is_disabled=body.is_disabled,
        email=body.email,
    )
    if body.password is not None:
        await services.auth.accounts.set_password(user_id, body.password)
    if user.is_disabled:
        await removal.end_all(services, user_id, "user_disabled")
    elif body.is_disabled is False:
        await services.providers.take_up_user(user_id)
    changed = sorted(name for name, value in body.model_dump().items() if value is not None)
    await services.trail.note(
        "user.change",
        actor_id=caller.user_id,
        subject=user.name,
        address=address_of(request.scope),
        changed=changed,
    )
    return await _shown(services, user)


@router.delete("/{user_id}", status_code=204)
async def remove_user(
    user_id: str,
    request: Request,
    caller: Admin,
    services: ServicesDep,
    confirm: Annotated[
        str | None, Query(max_length=63, description="One's own name, to remove oneself.")
    ] = None,
) -> Response:
    """Delete a user with their chats, keys and sessions. What runs ends first; nothing can be undone."""
    user = await services.store.users.get(user_id)
    if user_id == caller.user_id and confirm != user.name:
        raise Conflict(
            "This is your own account.",
            code="own_user",
            hint=f"To remove it all the same, say so: confirm={user.name}.",
        )
    await removal.remove(services, user)
    await _note(services, request, caller, "user.remove", user)
    return Response(status_code=204)


@router.get("/{user_id}/export", response_class=StreamingResponse)
async def export_user(
    user_id: str, request: Request, caller: Admin, services: ServicesDep
) -> StreamingResponse:
    """Everything of a disabled user's (or of one's own) as a ZIP: account, chats, usage, audit."""
    user = await services.store.users.get(user_id)
    if not user.is_disabled and user_id != caller.user_id:
        # Chats are their owner's: nobody reads along while they are in use.
        raise Conflict(
            f"{user.name} is not disabled.",
            code="user_not_disabled",
            hint="What a user has is exported when they leave: disable them first.",
        )
    await _note(services, request, caller, "user.export", user)
    return StreamingResponse(
        user_export.export(services, user),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{user.name}.zip"'},
    )


async def _shown(services: Services, user: UserRecord) -> UserOut:
    with_two = await services.store.second_factors.users_with_one([user.id])
    return user_out(user, has_two_step=user.id in with_two)


def user_out(user: UserRecord, *, has_two_step: bool = False) -> UserOut:
    """A user as the API shows one."""
    return UserOut(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        is_admin=user.is_admin,
        is_disabled=user.is_disabled,
        has_password=user.password_hash is not None,
        has_two_step=has_two_step,
        created_at=iso(user.created_at),
    )


async def _note(
    services: Services, request: Request, caller: Principal, action: str, user: UserRecord
) -> None:
    await services.trail.note(
        action,
        actor_id=caller.user_id,
        subject=user.name,
        address=address_of(request.scope),
    )
