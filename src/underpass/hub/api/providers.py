"""`/api/providers`: what chat and the gateway route to."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from underpass.core.errors import NotAllowed, NotFound
from underpass.core.principal import Principal
from underpass.hub.api.session_shapes import ProviderOut
from underpass.hub.api.shapes import In, ListOf
from underpass.hub.auth.requests import address_of
from underpass.hub.services import Reader, Services, ServicesDep, SessionsUser
from underpass.registry.pick import prefixes
from underpass.registry.views import ProviderView

router = APIRouter(prefix="/providers", tags=["providers"])

Words = list[Annotated[str, Field(max_length=512)]]
Headers = dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=4096)]]


class ProviderIn(In):
    """A new custom provider. `check` false: stored without being asked first."""

    name: str = Field(max_length=63)
    base_url: str = Field(max_length=500)
    key: str | None = Field(None, max_length=4096)
    headers: Headers = Field(default_factory=dict, max_length=20)
    ca_pem: str | None = Field(None, max_length=262_144)
    model_allow: Words | None = Field(None, max_length=1000)
    description: str = Field("", max_length=1000)
    check: bool = True


class ProviderPatch(In):
    """What to change; what is not given stays, secrets too, unless the address moves."""

    name: str | None = Field(None, max_length=63)
    base_url: str | None = Field(None, max_length=500)
    key: str | None = Field(None, max_length=4096)
    headers: Headers | None = Field(None, max_length=20)
    ca_pem: str | None = Field(None, max_length=262_144)
    model_allow: Words | None = Field(None, max_length=1000)
    description: str | None = Field(None, max_length=1000)
    check: bool = True


class PermissionsIn(In):
    """Who may use a provider besides its owner: ids or names of users and groups, or everyone."""

    users: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=1000)
    groups: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=1000
    )
    everyone: bool = False


class SubjectOut(BaseModel):
    """A user or a group."""

    id: str
    name: str


class PermissionsOut(BaseModel):
    """Who may use a provider besides its owner."""

    users: list[SubjectOut]
    groups: list[SubjectOut]
    everyone: bool


@router.get("")
async def list_providers(
    caller: Reader,
    services: ServicesDep,
    everyone: Annotated[
        bool, Query(description="Every custom provider, to manage them: for admins.")
    ] = False,
) -> ListOf[ProviderOut]:
    """All that I may use, of both types, my own first."""
    if everyone:
        if not caller.acts_as_admin:
            raise NotAllowed("Only an admin may see everybody's providers.", code="admin_only")
        return ListOf(items=[ProviderOut(**item) for item in services.providers.all()])
    return ListOf(items=[ProviderOut(**item) for item in await visible(services, caller)])


@router.post("", status_code=201)
async def add_provider(
    body: ProviderIn, request: Request, caller: SessionsUser, services: ServicesDep
) -> ProviderOut:
    """Add a custom provider; it is asked for its models first, and an error says what is wrong."""
    shape = await services.providers.add(
        caller, body.model_dump(exclude={"check"}), is_checked=body.check
    )
    await _note(services, request, caller, "provider.create", shape)
    return ProviderOut(**shape)


@router.get("/{provider_id}")
async def show_provider(provider_id: str, caller: Reader, services: ServicesDep) -> ProviderOut:
    """One provider."""
    if caller.acts_as_admin:
        for item in services.providers.all():
            if item["id"] == provider_id:
                return ProviderOut(**item)
    view = services.registry.provider(provider_id, caller)
    return ProviderOut(**await _shape(services, caller, view))


@router.patch("/{provider_id}")
async def change_provider(
    provider_id: str,
    body: ProviderPatch,
    request: Request,
    caller: SessionsUser,
    services: ServicesDep,
) -> ProviderOut:
    """Change a custom provider: its owner, and admins. It is asked anew."""
    changes = body.model_dump(exclude={"check"}, exclude_unset=True)
    for name in ("name", "base_url", "description"):
        if name in changes and changes[name] is None:
            del changes[name]
    shape = await services.providers.change(caller, provider_id, changes, is_checked=body.check)
    await _note(services, request, caller, "provider.change", shape, changed=sorted(changes))
    return ProviderOut(**shape)


@router.delete("/{provider_id}", status_code=204)
async def remove_provider(
    provider_id: str, request: Request, caller: SessionsUser, services: ServicesDep
) -> Response:
    """Remove a custom provider: its owner, and admins. Requests that it answers end."""
    gone = await services.providers.remove(caller, provider_id)
    await _note(services, request, caller, "provider.remove", {"id": gone.id, "name": gone.name})
    return Response(status_code=204)


@router.get("/{provider_id}/permissions")
async def show_permissions(
    provider_id: str, caller: Reader, services: ServicesDep
) -> PermissionsOut:
    """Who may use a custom provider: for its owner, and admins."""
    return PermissionsOut(**await services.providers.permissions(caller, provider_id))


@router.put("/{provider_id}/permissions")
async def share_provider(
    provider_id: str,
    body: PermissionsIn,
    request: Request,
    caller: SessionsUser,
    services: ServicesDep,
) -> ProviderOut:
    """Say who may use a custom provider. One that comes of a tunnel is its owner's alone."""
    shape = await services.providers.share(
        caller, provider_id, users=body.users, groups=body.groups, everyone=body.everyone
    )
    allowed = await services.providers.permissions(caller, provider_id)
    await _note(
        services,
        request,
        caller,
        "provider.share",
        shape,
        users=[one["id"] for one in allowed["users"]],
        groups=[one["id"] for one in allowed["groups"]],
        everyone=body.everyone,
    )
    return ProviderOut(**shape)


async def visible(services: Services, caller: Principal) -> list[dict[str, Any]]:
    """All that the caller may use, of both types, their own first, in the API's shape."""
    found = services.registry.providers_visible_to(caller)
    shown = []
    for view, prefix in prefixes(found, caller.user_name):
        # One that goes while the others are looked at is no reason to show none.
        with suppress(NotFound):
            shown.append(await _shape(services, caller, view, prefix))
    return shown


# --- helpers ---------------------------------------------------------------------------------


async def _shape(
    services: Services, caller: Principal, view: ProviderView, prefix: str | None = None
) -> dict[str, Any]:
    if view.is_shareable:
        return services.providers.shape(view.id, caller, prefix)
    return await services.sessions.provider_shape(view.id, caller, prefix)


async def _note(
    services: Services,
    request: Request,
    caller: Principal,
    action: str,
    shape: dict[str, Any],
    **detail: Any,
) -> None:
    await services.trail.note(
        action,
        actor_id=caller.user_id,
        subject=shape["name"],
        address=address_of(request.scope),
        provider_id=shape["id"],
        **detail,
    )
