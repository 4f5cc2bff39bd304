"""`/api/providers`: what chat and the gateway route to."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from underpass.core.errors import Conflict
from underpass.hub.api.session_shapes import ProviderOut
from underpass.hub.api.shapes import In, ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/providers", tags=["providers"])


class PermissionsIn(In):
    """Who may use a provider besides its owner: ids of users and groups, or everyone."""

    users: list[str] = Field(default_factory=list, max_length=10_000)
    groups: list[str] = Field(default_factory=list, max_length=10_000)
    everyone: bool = False


@router.get("")
async def list_providers(caller: Reader, services: ServicesDep) -> ListOf[ProviderOut]:
    """All that I may use, of both types, my own first."""
    found = await services.sessions.providers(caller)
    return ListOf(items=[ProviderOut(**item) for item in found])


@router.get("/{provider_id}")
async def show_provider(provider_id: str, caller: Reader, services: ServicesDep) -> ProviderOut:
    """One provider."""
    return ProviderOut(**await services.sessions.provider_shape(provider_id, caller))


@router.put("/{provider_id}/permissions")
async def share_provider(
    provider_id: str, body: PermissionsIn, caller: SessionsUser, services: ServicesDep
) -> ProviderOut:
    """Share a custom provider. One that comes of a tunnel is its owner's alone."""
    view = services.registry.provider(provider_id, caller)
    del body
    if not view.is_shareable:
        raise Conflict(
            f"'{view.name}' comes of your own session's tunnel and cannot be shared.",
            code="tunnel_not_shareable",
            hint="Add the server as a custom provider, where it can be reached, to share it.",
        )
    raise Conflict(
        "Custom providers cannot be changed here yet.",
        code="custom_providers_missing",
        hint="This hub knows providers that come of tunnels.",
    )
