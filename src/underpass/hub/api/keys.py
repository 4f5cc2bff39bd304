"""`/api/keys`: one's own keys for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from underpass.core.errors import NotAllowed
from underpass.core.principal import NO_LIMITS, Limits, Principal, Scope
from underpass.core.times import iso
from underpass.hub.api.shapes import After, In, Limit, ListOf, PerDay, PerMinute
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Reader, ServicesDep, SessionsUser
from underpass.store import KeyRecord

router = APIRouter(prefix="/keys", tags=["keys"])


class KeyOut(BaseModel):
    """One key. Its secret is shown once, when it is made; `prefix` is how to recognise it."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    model_allow: list[str] | None
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    requests_per_minute: int | None
    tokens_per_day: int | None


class KeyIn(In):
    """A new key. `model_allow`: the only models it may use; null for all."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(default_factory=lambda: [Scope.GATEWAY.value, Scope.READ.value])
    expires_at: datetime | None = None
    model_allow: list[Annotated[str, Field(max_length=500)]] | None = Field(None, max_length=1000)
    requests_per_minute: PerMinute = None
    tokens_per_day: PerDay = None


class NewKeyOut(BaseModel):
    """The key, and its secret for the only time."""

    key: KeyOut
    secret: str


@router.get("")
async def list_keys(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[KeyOut]:
    """My keys, newest first, revoked ones too."""
    page = await services.store.keys.list(caller.user_id, after=after, limit=limit)
    return ListOf(items=[key_out(key) for key in page.items], next=page.next)


@router.post("", status_code=201)
async def create_key(
    body: KeyIn, request: Request, caller: SessionsUser, services: ServicesDep
) -> NewKeyOut:
    """Make a key."""
    _within_reach(caller, body.scopes)
    expires = body.expires_at
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    key, secret = await services.auth.keys.create(
        caller.user_id,
        name=body.name,
        scopes=body.scopes,
        expires_at=None if expires is None else expires.timestamp(),
        model_allow=body.model_allow,
        limits=Limits(body.requests_per_minute, body.tokens_per_day),
    )
    await services.trail.note(
        "key.create",
        actor_id=caller.user_id,
        subject=key.name,
        address=address_of(request.scope),
        key_id=key.id,
        scopes=list(key.scopes),
    )
    return NewKeyOut(key=key_out(key), secret=secret)


@router.get("/{key_id}")
async def show_key(key_id: str, caller: Reader, services: ServicesDep) -> KeyOut:
    """One of my keys."""
    return key_out(await services.auth.keys.of_user(caller.user_id, key_id))


@router.delete("/{key_id}", status_code=204)
async def revoke_key(
    key_id: str, request: Request, caller: SessionsUser, services: ServicesDep
) -> Response:
    """Revoke a key: what it opened ends at once."""
    key = await services.auth.keys.of_user(caller.user_id, key_id)
    await services.auth.keys.revoke(key_id)
    await services.trail.note(
        "key.revoke",
        actor_id=caller.user_id,
        subject=key.name,
        address=address_of(request.scope),
        key_id=key_id,
    )
    return Response(status_code=204)


def key_out(key: KeyRecord) -> KeyOut:
    """A key as the API shows one."""
    return KeyOut(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        model_allow=None if key.model_allow is None else list(key.model_allow),
        created_at=iso(key.created_at),
        expires_at=iso(key.expires_at),
        revoked_at=iso(key.revoked_at),
        last_used_at=iso(key.last_used_at),
        requests_per_minute=key.requests_per_minute,
        tokens_per_day=key.tokens_per_day,
    )


def _within_reach(caller: Principal, scopes: list[str]) -> None:
    """A key can make keys, but none that reaches further than itself."""
    if caller.key_id is None and (Scope.ADMIN not in scopes or caller.is_admin):
        return
    too_far = sorted(set(scopes) & {scope.value for scope in Scope} - caller.scopes)
    is_limited = caller.model_allow is not None or caller.key_limits is not NO_LIMITS
    if too_far or is_limited:
        raise NotAllowed(
            "A key cannot make a key that reaches further than itself.",
            code="scope_missing",
            hint="Sign in to the web page, or leave out: " + (", ".join(too_far) or "keys") + ".",
        )
