"""`/api/chats/…/export` and `/api/chats/import`: chats as files."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from underpass.core.errors import InvalidRequest
from underpass.hub.api.chat_shapes import ChatOut
from underpass.hub.api.shapes import ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/chats", tags=["chats"])

_IS_MARKDOWN = {"application/json": False, "text/markdown": True}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in _IS_MARKDOWN
        },
    }
}


@router.get("/export", response_class=StreamingResponse)
async def export_chats(caller: Reader, services: ServicesDep) -> StreamingResponse:
    """All my chats, temporary ones aside, as one JSON document."""
    return StreamingResponse(
        services.chats.transfer.export_all(caller),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="chats.json"'},
    )


@router.post("/import", status_code=201, openapi_extra=_BODY)
async def import_chats(
    request: Request, caller: SessionsUser, services: ServicesDep
) -> ListOf[ChatOut]:
    """Have the chats of an export as new chats of mine: all of them, or none."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _IS_MARKDOWN:
        raise InvalidRequest(
            "An import is a JSON or a Markdown export.",
            hint="Send it with Content-Type application/json or text/markdown.",
        )
    found = await services.chats.transfer.import_chats(
        caller, await request.body(), is_markdown=_IS_MARKDOWN[media_type]
    )
    return ListOf[ChatOut].model_validate(found)


@router.get("/{chat_id}/export", response_class=Response)
async def export_chat(
    chat_id: str,
    caller: Reader,
    services: ServicesDep,
    format: Literal["markdown", "json"] = "markdown",
    leaf_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """A chat as a file: Markdown for one branch, JSON for all of it (or for one branch)."""
    file = await services.chats.transfer.export(
        caller, chat_id, is_markdown=format == "markdown", leaf_id=leaf_id
    )
    headers = {"Content-Disposition": file.disposition}
    return Response(file.content, media_type=file.media_type, headers=headers)
