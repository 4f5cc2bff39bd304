"""`/api/users`: for admins."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from underpass.core.errors import Conflict
from underpass.core.times import iso
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
    created_at: str | None


class UserIn(In):
    """A new user. Without a password: signs in by a one-time link."""

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
    return ListOf(items=[user_out(user) for user in page.items], next=page.next)


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
    return user_out(await services.store.users.get(user_id))


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
        await _end_all(services, user_id, "user_disabled")
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
    return user_out(user)


@router.delete("/{user_id}", status_code=204)
async def remove_user(
    user_id: str, request: Request, caller: Admin, services: ServicesDep
) -> Response:
    """Delete a user with their chats, keys and sessions."""
    if user_id == caller.user_id:
        raise Conflict("You cannot delete yourself.", code="own_user")
    user = await services.store.users.get(user_id)
    await _let_go(services, user_id)
    await services.auth.accounts.remove(user_id)
    await services.trail.note(
        "user.remove",
        actor_id=caller.user_id,
        subject=user.name,
        address=address_of(request.scope),
    )
    return Response(status_code=204)


def user_out(user: UserRecord) -> UserOut:
    """A user as the API shows one."""
    return UserOut(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        is_admin=user.is_admin,
        is_disabled=user.is_disabled,
        has_password=user.password_hash is not None,
        created_at=iso(user.created_at),
    )


async def _end_all(services: Services, user_id: str, code: str) -> None:
    """What runs by this user's right ends now: links, runs of the chat, requests, providers."""
    await services.links.close_of_user(user_id, code)
    await services.chats.runs.stop_of_user(user_id)
    services.door.visits.end_of_user(user_id, code)
    await services.providers.let_go_of_user(user_id)


async def _let_go(services: Services, user_id: str) -> None:
    """A user who goes must not leave jobs running that nobody could stop any more."""
    live = [
        one for one in await services.store.sessions.all(is_live=True) if one.owner_id == user_id
    ]
    if live:
        raise Conflict(
            f"This user has {len(live)} running session{'s' if len(live) > 1 else ''}.",
            code="sessions_running",
            hint="Disable the user, stop the sessions, then delete.",
        )
    await _end_all(services, user_id, "user_removed")
    for view in services.registry.all_providers():
        if view.owner_id == user_id:
            services.registry.drop_provider(view.id)
