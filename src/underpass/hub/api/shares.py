"""`/api/shares`: what others let me read, and `/api/chats/…/share`: what I let others read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from underpass.hub.api.chat_shapes import SharedOut, ShareIn, ShareOut, TranscriptOut
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.services import PublicUrl, Reader, ServicesDep, SessionsUser

router = APIRouter(tags=["shares"])


@router.put("/chats/{chat_id}/share")
async def share_chat(
    chat_id: str, body: ShareIn, caller: SessionsUser, services: ServicesDep, url: PublicUrl
) -> ShareOut:
    """Let users whom I name read a branch as it is now; what comes later stays mine."""
    shared = await services.chats.sharing.share(caller, chat_id, body.users, leaf_id=body.leaf_id)
    return _share_out(shared, url)


@router.get("/chats/{chat_id}/share")
async def show_share(
    chat_id: str, caller: Reader, services: ServicesDep, url: PublicUrl
) -> ShareOut:
    """Who may read a chat of mine, and how far."""
    return _share_out(await services.chats.sharing.get(caller, chat_id), url)


@router.delete("/chats/{chat_id}/share", status_code=204)
async def stop_sharing(chat_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """End a share: nobody reads it any more."""
    await services.chats.sharing.stop(caller, chat_id)
    return Response(status_code=204)


@router.get("/shares")
async def list_shares(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[SharedOut]:
    """What others share with me, newest first."""
    found = await services.chats.sharing.list(caller, after=after, limit=limit)
    return ListOf[SharedOut].model_validate(found)


@router.get("/shares/{share_id}")
async def read_share(share_id: str, caller: Reader, services: ServicesDep) -> TranscriptOut:
    """Read a transcript that is mine or that names me; for everybody else it is not there."""
    return TranscriptOut.model_validate(await services.chats.sharing.read(caller, share_id))


def _share_out(shared: dict[str, Any], url: str) -> ShareOut:
    return ShareOut.model_validate({**shared, "url": url + shared["url"]})
