"""`/api/templates`: what sessions can be started from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from underpass.core.errors import NotFound
from underpass.hub.api.session_shapes import TemplateOut
from underpass.hub.api.shapes import ListOf
from underpass.hub.services import Reader, ServicesDep

router = APIRouter(prefix="/templates", tags=["sessions"])

Cluster = Annotated[
    str | None, Query(description="Name or id; without it the hub's own.", max_length=80)
]


@router.get("")
async def list_templates(
    caller: Reader, services: ServicesDep, cluster: Cluster = None
) -> ListOf[TemplateOut]:
    """All templates, and whether the cluster can run each."""
    found = await services.sessions.list_templates(caller, cluster)
    return ListOf(items=[TemplateOut(**item) for item in found])


@router.get("/{name}")
async def show_template(
    name: str, caller: Reader, services: ServicesDep, cluster: Cluster = None
) -> TemplateOut:
    """One template."""
    for item in await services.sessions.list_templates(caller, cluster):
        if item["name"] == name:
            return TemplateOut(**item)
    raise NotFound(f"There is no template '{name[:80]}'.")
