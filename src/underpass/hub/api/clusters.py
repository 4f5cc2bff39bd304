"""`/api/clusters`: places where sessions run."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from underpass.hub.api.session_shapes import ClusterOut, JoinedOut
from underpass.hub.api.shapes import In, ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/clusters", tags=["clusters"])


class ClusterIn(In):
    """A machine that joins; it then dials in with the token."""

    name: str | None = Field(None, max_length=63)
    kind: str = Field("local", max_length=32)
    host: str = Field(min_length=1, max_length=255)
    replace: bool = False


@router.get("")
async def list_clusters(caller: Reader, services: ServicesDep) -> ListOf[ClusterOut]:
    """The clusters that I may use: the hub's own where it is open to me, and mine."""
    found = await services.sessions.places.visible_to(caller)
    return ListOf(items=[ClusterOut(**item) for item in found])


@router.post("", status_code=201)
async def join_cluster(body: ClusterIn, caller: SessionsUser, services: ServicesDep) -> JoinedOut:
    """Let a machine join; one that was there before keeps its id."""
    cluster, token = await services.sessions.places.join(
        caller, name=body.name, kind=body.kind, host=body.host, replace=body.replace
    )
    await services.trail.note("cluster.join", actor_id=caller.user_id, subject=cluster["id"])
    return JoinedOut(cluster=ClusterOut(**cluster), token=token)


@router.get("/{cluster_id}")
async def show_cluster(cluster_id: str, caller: Reader, services: ServicesDep) -> ClusterOut:
    """One cluster, by id or name."""
    return ClusterOut(**await services.sessions.places.show(caller, cluster_id))


@router.delete("/{cluster_id}", status_code=204)
async def remove_cluster(cluster_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Forget a cluster that joined. Its machine is turned away from then on."""
    found = await services.sessions.places.find(caller, cluster_id)
    await services.sessions.places.remove(caller, cluster_id)
    link = services.links.of(found.id)
    if link is not None:
        await link.close("The cluster was removed.", code="revoked")
    await services.trail.note("cluster.remove", actor_id=caller.user_id, subject=found.id)
    return Response(status_code=204)
