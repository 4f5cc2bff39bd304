"""`/api/tunnels`: ports of sessions that are reachable through the agent's connection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from underpass.core.errors import NotAllowed
from underpass.core.principal import Principal
from underpass.hub.api.session_shapes import TunnelOut
from underpass.hub.api.shapes import After, In, Limit, ListOf
from underpass.hub.services import Reader, Services, ServicesDep, SessionsUser
from underpass.store import TunnelRecord

router = APIRouter(prefix="/tunnels", tags=["tunnels"])


class TunnelIn(In):
    """A further tunnel on a session that runs."""

    session_id: str = Field(max_length=80)
    target: str = Field(min_length=1, max_length=200)
    name: str | None = Field(None, max_length=63)
    openai: bool = False


class TunnelChange(In):
    """What can be changed: the flag (the provider appears or goes), the name."""

    openai: bool | None = None
    name: str | None = Field(None, max_length=63)


@router.get("")
async def list_tunnels(
    caller: Reader,
    services: ServicesDep,
    after: After = None,
    limit: Limit = 100,
    all: Annotated[bool, Query(description="Admins: that each one exists, and no more.")] = False,
) -> ListOf[TunnelOut]:
    """My tunnels, newest first."""
    if all:
        if not caller.acts_as_admin:
            raise NotAllowed("Only an admin may list all tunnels.", code="admin_only")
        found = await services.sessions.all_tunnels(caller)
        return ListOf(items=[TunnelOut(**item) for item in found])
    items, cursor = await services.sessions.list_tunnels(caller, after=after, limit=limit)
    return ListOf(items=[TunnelOut(**item) for item in items], next=cursor)


@router.post("", status_code=201)
async def open_tunnel(body: TunnelIn, caller: SessionsUser, services: ServicesDep) -> TunnelOut:
    """Open a further tunnel on one of my sessions; its agent must allow the target."""
    shape = await services.sessions.open_tunnel(
        caller, body.session_id, name=body.name, target=body.target, openai=body.openai
    )
    await services.trail.note("tunnel.open", actor_id=caller.user_id, subject=shape["id"])
    return TunnelOut(**shape)


@router.get("/{tunnel_id}")
async def show_tunnel(tunnel_id: str, caller: Reader, services: ServicesDep) -> TunnelOut:
    """One tunnel."""
    tunnel = await services.sessions.tunnels.find_for_admin(caller, tunnel_id)
    return await _out(services, caller, tunnel)


@router.patch("/{tunnel_id}")
async def change_tunnel(
    tunnel_id: str, body: TunnelChange, caller: SessionsUser, services: ServicesDep
) -> TunnelOut:
    """Turn the OpenAI flag on or off, or give it another name."""
    tunnels = services.sessions.tunnels
    tunnel = await tunnels.find(caller, tunnel_id)
    live = await services.sessions.live_for_tunnel(tunnel.session_id)
    async with live.lock:
        tunnel = await tunnels.change(live, tunnel, name=body.name, openai=body.openai)
    await services.trail.note(
        "tunnel.change", actor_id=caller.user_id, subject=tunnel_id, openai=body.openai
    )
    return await _out(services, caller, tunnel)


@router.post("/{tunnel_id}/stop")
async def stop_tunnel(tunnel_id: str, caller: SessionsUser, services: ServicesDep) -> TunnelOut:
    """No request passes from now on; the session goes on. An admin may stop anybody's."""
    tunnel = await services.sessions.tunnels.find_for_admin(caller, tunnel_id)
    live = await services.sessions.live_for_tunnel(tunnel.session_id)
    async with live.lock:
        tunnel = await services.sessions.tunnels.stop(live, tunnel)
    await services.trail.note("tunnel.stop", actor_id=caller.user_id, subject=tunnel_id)
    return await _out(services, caller, tunnel)


@router.post("/{tunnel_id}/start")
async def start_tunnel(tunnel_id: str, caller: SessionsUser, services: ServicesDep) -> TunnelOut:
    """Requests pass again; the session has to run."""
    tunnel = await services.sessions.tunnels.find(caller, tunnel_id)
    live = await services.sessions.live_for_tunnel(tunnel.session_id)
    async with live.lock:
        tunnel = await services.sessions.tunnels.start(live, tunnel)
    await services.trail.note("tunnel.start", actor_id=caller.user_id, subject=tunnel_id)
    return await _out(services, caller, tunnel)


@router.delete("/{tunnel_id}", status_code=204)
async def delete_tunnel(tunnel_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Remove a tunnel and its provider for good."""
    tunnel = await services.sessions.tunnels.find(caller, tunnel_id)
    live = await services.sessions.live_for_tunnel(tunnel.session_id)
    async with live.lock:
        await services.sessions.tunnels.delete(live, tunnel)
    await services.trail.note("tunnel.delete", actor_id=caller.user_id, subject=tunnel_id)
    return Response(status_code=204)


async def _out(services: Services, caller: Principal, tunnel: TunnelRecord) -> TunnelOut:
    return TunnelOut(**await services.sessions.tunnels.shape(caller, tunnel))
