"""`/api/files`: what people put into their messages. Nobody else's are there, for admins neither.

A file is never a page of the hub: a picture is shown as one, everything else is a download, and
neither may do anything in a browser.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from underpass.chat.files.service import file_out, too_big
from underpass.core.errors import InvalidRequest
from underpass.hub.api.chat_shapes import AttachmentOut
from underpass.hub.services import Reader, ServicesDep, SessionsUser
from underpass.store import FileKind, FileRecord

router = APIRouter(prefix="/files", tags=["files"])

_NO_PAGE = "default-src 'none'; sandbox"


class FileOut(AttachmentOut):
    """A file. `pages` are pages, sheets or slides, where it has some."""

    pages: int | None
    created_at: str | None


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_file(
    request: Request,
    caller: SessionsUser,
    services: ServicesDep,
    name: Annotated[str, Query(description="The file's name.", max_length=1000)] = "",
    temporary: Annotated[
        bool, Query(description="For a temporary chat: in the hub's memory alone.")
    ] = False,
) -> FileOut:
    """Add a file: its bytes are the body, as they are. It goes with the message that has it, or
    after a day without one."""
    files = services.files
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 16 and int(length) > files.max_file_bytes:
        raise too_big(files.max_file_bytes)
    file = await files.upload(caller, name, _body(request), is_temporary=temporary)
    return FileOut.model_validate(file)


@router.get("/{file_id}")
async def show_file(file_id: str, caller: Reader, services: ServicesDep) -> FileOut:
    """One of my files."""
    return FileOut.model_validate(file_out(await services.files.get(caller, file_id)))


@router.get("/{file_id}/content", response_class=StreamingResponse)
async def file_content(file_id: str, caller: Reader, services: ServicesDep) -> StreamingResponse:
    """The file itself: a picture as a picture, anything else as a download."""
    record, content = await services.files.content(caller, file_id)
    is_image = record.kind is FileKind.IMAGE
    headers = {
        "Content-Disposition": _disposition(record, "inline" if is_image else "attachment"),
        "Content-Length": str(record.bytes),
        "Content-Security-Policy": _NO_PAGE,
        "X-Content-Type-Options": "nosniff",
    }
    media_type = record.media_type if is_image else "application/octet-stream"
    return StreamingResponse(content, headers=headers, media_type=media_type)


@router.get("/{file_id}/text", response_class=Response)
async def file_text(file_id: str, caller: Reader, services: ServicesDep) -> Response:
    """What a model reads of the file."""
    text = await services.files.text(caller, file_id)
    headers = {"Content-Security-Policy": _NO_PAGE, "X-Content-Type-Options": "nosniff"}
    return Response(text, headers=headers, media_type="text/plain; charset=utf-8")


@router.delete("/{file_id}", status_code=204)
async def delete_file(file_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Remove a file that no message has."""
    await services.files.remove(caller, file_id)
    return Response(status_code=204)


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for data in request.stream():
            yield data
    except ClientDisconnect:
        # Nobody is there to read it, but the upload has to end as one that broke off.
        raise InvalidRequest("The upload broke off.", hint="Send the file again.") from None


def _disposition(record: FileRecord, how: str) -> str:
    """As RFC 6266 has it: the name in UTF-8, so that nothing in it can end the header."""
    return f"{how}; filename*=UTF-8''{quote(record.name, safe='')}"
