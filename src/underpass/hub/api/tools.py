"""`/api/tools`: the settings for people's tools, filled in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from underpass.core.errors import NotFound
from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus
from underpass.gateway import models
from underpass.hub.api.shapes import ListOf
from underpass.hub.services import PublicUrl, Reader, Services, ServicesDep
from underpass.tools import NO_MODEL, PLACEHOLDER, TOOLS, Facts, Tool

router = APIRouter(prefix="/tools", tags=["tools"])

Model = Annotated[
    str | None,
    Query(description="Which model to fill in; without it the first that runs.", max_length=500),
]


class ToolOut(BaseModel):
    """One tool: where its settings go and what they are, with `placeholder` where a key goes.

    `language`: what they are written in, as code blocks name it; empty for words.
    """

    name: str
    title: str
    where: str
    language: str
    settings: str
    placeholder: str
    model: str


@router.get("")
async def list_tools(
    caller: Reader, services: ServicesDep, url: PublicUrl, model: Model = None
) -> ListOf[ToolOut]:
    """All tools that are known here."""
    facts = _facts(services, caller, url, model)
    return ListOf(items=[_out(name, tool, facts) for name, tool in TOOLS.items()])


@router.get("/{name}")
async def show_tool(
    name: str, caller: Reader, services: ServicesDep, url: PublicUrl, model: Model = None
) -> ToolOut:
    """One of them."""
    tool = TOOLS.get(name)
    if tool is None:
        raise NotFound(
            f"No tool '{name[:80]}' is known here.", hint=f"There are {', '.join(TOOLS)}."
        )
    return _out(name, tool, _facts(services, caller, url, model))


def _facts(services: Services, caller: Principal, url: str, model: str | None) -> Facts:
    """A model that is not known is filled in as it was asked for."""
    known = models.listing(services.registry, caller, with_stopped=True)["data"]
    if model is None:
        running = [one for one in known if one["status"] == ProviderStatus.RUNNING]
        chosen: dict[str, Any] = next(iter(running or known), {"id": NO_MODEL})
    else:
        chosen = next((one for one in known if one["id"] == model), {"id": model})
    return Facts(url.rstrip("/"), chosen["id"], chosen.get("max_model_len"))


def _out(name: str, tool: Tool, facts: Facts) -> ToolOut:
    return ToolOut(
        name=name,
        title=tool.title,
        where=tool.where,
        language=tool.language,
        settings=tool.settings(facts),
        placeholder=PLACEHOLDER,
        model=facts.model,
    )
