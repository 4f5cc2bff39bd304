"""`/api/me`: the caller, their password, and where they are signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from underpass import __version__
from underpass.core.errors import NotFound
from underpass.core.times import iso
from underpass.hub.api.shapes import In, LimitsShape, ListOf
from underpass.hub.auth.requests import address_of
from underpass.hub.services import BrowserOnly, Caller, PublicUrl, ServicesDep

router = APIRouter(prefix="/me", tags=["me"])


class HubOut(BaseModel):
    """The hub that answers."""

    version: str
    url: str
    name: str


class MeOut(BaseModel):
    """Who calls. `scopes` is how far this key or sign-in reaches."""

    id: str
    name: str
    display_name: str
    is_admin: bool
    has_password: bool
    scopes: list[str]
    limits: LimitsShape = LimitsShape()
    hub: HubOut


class MeIn(In):
    """What one may change about oneself."""

    display_name: str = Field(min_length=1, max_length=100)


class PasswordIn(In):
    """The password one has, and the one to have."""

    current: str = Field(max_length=4096)
    new: str = Field(max_length=4096)


class SignInOut(BaseModel):
    """One browser that is signed in. `current`: the one that asks."""

    id: str
    created_at: str | None
    last_seen_at: str | None
    expires_at: str | None
    user_agent: str
    address: str
    current: bool


@router.get("")
async def me(caller: Caller, services: ServicesDep, url: PublicUrl) -> MeOut:
    """Who am I?"""
    user = await services.store.users.get(caller.user_id)
    return MeOut(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        is_admin=user.is_admin,
        has_password=user.password_hash is not None,
        scopes=sorted(caller.scopes),
        limits=LimitsShape(
            requests_per_minute=caller.user_limits.requests_per_minute,
            tokens_per_day=caller.user_limits.tokens_per_day,
        ),
        hub=HubOut(version=__version__, url=url, name=services.config.name),
    )


@router.patch("")
async def change_me(
    body: MeIn, caller: BrowserOnly, services: ServicesDep, url: PublicUrl
) -> MeOut:
    """Change how I am shown."""
    await services.auth.accounts.change(caller.principal.user_id, display_name=body.display_name)
    return await me(caller.principal, services, url)


@router.post("/password", status_code=204)
async def change_password(
    body: PasswordIn, request: Request, caller: BrowserOnly, services: ServicesDep
) -> Response:
    """A new password; every other browser is signed out."""
    principal, address = caller.principal, address_of(request.scope)
    await services.auth.accounts.check_password(principal.user_name, body.current, address)
    await services.auth.accounts.set_password(principal.user_id, body.new, keep=caller.id)
    await services.trail.note(
        "password.change",
        actor_id=principal.user_id,
        subject=principal.user_name,
        address=address,
    )
    return Response(status_code=204)


@router.get("/sign-ins")
async def list_sign_ins(caller: BrowserOnly, services: ServicesDep) -> ListOf[SignInOut]:
    """The browsers that are signed in as me."""
    found = await services.store.browser_sessions.of_user(caller.principal.user_id)
    return ListOf(
        items=[
            SignInOut(
                id=one.id,
                created_at=iso(one.created_at),
                last_seen_at=iso(one.last_seen_at),
                expires_at=iso(one.expires_at),
                user_agent=one.user_agent,
                address=one.address,
                current=one.id == caller.id,
            )
            for one in found
        ]
    )


@router.delete("/sign-ins/{sign_in_id}", status_code=204)
async def end_sign_in(sign_in_id: str, caller: BrowserOnly, services: ServicesDep) -> Response:
    """Sign one of my browsers out."""
    found = await services.store.browser_sessions.find(sign_in_id)
    if found is None or found.user_id != caller.principal.user_id:
        raise NotFound("There is no such sign-in.")
    await services.auth.sign_ins.end(sign_in_id)
    return Response(status_code=204)
