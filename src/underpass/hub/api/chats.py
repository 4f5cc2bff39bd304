"""`/api/chats`: one's own conversations. Nobody else's are there, for admins neither."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from underpass.chat.service import NewMessage
from underpass.core.principal import Principal, Scope
from underpass.hub.api.chat_shapes import (
    ChatIn,
    ChatOut,
    ChatPatch,
    ContinueIn,
    FolderOut,
    ForkIn,
    MessageIn,
    MessageOut,
    ReadChatOut,
    SentOut,
    WholeChatOut,
)
from underpass.hub.api.shapes import After, Limit, ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/chats", tags=["chats"])

_ARCHIVED = {"false": False, "true": True, "all": None}


@router.get("")
async def list_chats(
    caller: Reader,
    services: ServicesDep,
    q: Annotated[str, Query(description="Words of titles and messages.", max_length=1000)] = "",
    folder: Annotated[str | None, Query(max_length=500)] = None,
    archived: Literal["false", "true", "all"] = "false",
    after: After = None,
    limit: Limit = 100,
) -> ListOf[ChatOut]:
    """My chats: pinned ones first, then last used first; with `q` the best first.

    All words of `q` have to stand in the title or in one message; the last may be a beginning.
    """
    found = await services.chats.list_chats(
        caller,
        words=q,
        folder=folder,
        is_archived=_ARCHIVED[archived],
        after=after,
        limit=limit,
    )
    return ListOf[ChatOut].model_validate(found)


@router.get("/folders")
async def list_folders(caller: Reader, services: ServicesDep) -> ListOf[FolderOut]:
    """The folders that my chats are in, archived ones aside."""
    return ListOf[FolderOut].model_validate(await services.chats.list_folders(caller))


@router.post("", status_code=201)
async def create_chat(body: ChatIn, caller: SessionsUser, services: ServicesDep) -> WholeChatOut:
    """Begin a chat. A temporary one is stored nowhere and listed nowhere."""
    return WholeChatOut.model_validate(await services.chats.create(caller, **body.model_dump()))


@router.get("/{chat_id}", response_model=ReadChatOut)
async def show_chat(chat_id: str, caller: Reader, services: ServicesDep) -> Response:
    """A chat with its messages; one that is being written as it is now."""
    position = services.feed.position(caller.user_id)
    chat = await services.chats.get(caller, chat_id)
    # Written as it is: to check thousands of messages against their shape, which a test does,
    # takes longer than all the rest.
    text = json.dumps(
        {**chat, "feed_position": position}, ensure_ascii=False, separators=(",", ":")
    )
    return Response(text.encode("utf-8", "replace"), media_type="application/json")


@router.patch("/{chat_id}")
async def change_chat(
    chat_id: str, body: ChatPatch, caller: SessionsUser, services: ServicesDep
) -> ChatOut:
    """Rename a chat, set its model or settings, file it, pin it, archive it."""
    changes = body.model_dump(exclude_unset=True)
    return ChatOut.model_validate(await services.chats.update(caller, chat_id, changes))


@router.delete("/{chat_id}", status_code=204)
async def delete_chat(chat_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Delete a chat and stop what runs in it. `/restore` has it back for ten minutes."""
    await services.chats.delete(caller, chat_id)
    return Response(status_code=204)


@router.post("/{chat_id}/restore")
async def restore_chat(chat_id: str, caller: SessionsUser, services: ServicesDep) -> ChatOut:
    """Have a deleted chat back."""
    return ChatOut.model_validate(await services.chats.restore(caller, chat_id))


@router.post("/{chat_id}/fork", status_code=201)
async def fork_chat(
    chat_id: str, body: ForkIn, caller: SessionsUser, services: ServicesDep
) -> WholeChatOut:
    """Begin a new chat with a copy of the branch up to one message."""
    fork = await services.chats.branches.fork(caller, chat_id, body.message_id)
    return WholeChatOut.model_validate(fork)


# --- messages --------------------------------------------------------------------------------


@router.post("/{chat_id}/messages", status_code=202)
async def send_message(
    chat_id: str, body: MessageIn, caller: SessionsUser, services: ServicesDep
) -> SentOut:
    """Send a message; its run answers it, whether or not somebody watches."""
    _may_use_models(caller)
    new = NewMessage(
        content=body.content,
        model=body.model,
        parent_id=body.parent_id,
        has_parent="parent_id" in body.model_fields_set,
        settings=body.settings,
        attachments=tuple(body.attachments),
    )
    return SentOut.model_validate(await services.chats.send(caller, chat_id, new))


@router.post("/{chat_id}/messages/{message_id}/continue", status_code=202)
async def continue_message(
    chat_id: str, message_id: str, body: ContinueIn, caller: SessionsUser, services: ServicesDep
) -> SentOut:
    """Go on with an answer that ended early, in the same message. The run says the new text only;
    `continued_chars` of the reply is how much stood there before."""
    _may_use_models(caller)
    sent = await services.chats.continue_answer(caller, chat_id, message_id, model=body.model)
    return SentOut.model_validate(sent)


@router.delete("/{chat_id}/messages/{message_id}", status_code=204)
async def delete_message(
    chat_id: str, message_id: str, caller: SessionsUser, services: ServicesDep
) -> Response:
    """Delete a message and all below it. `/restore` has it back for ten minutes."""
    await services.chats.branches.delete(caller, chat_id, message_id)
    return Response(status_code=204)


@router.post("/{chat_id}/messages/{message_id}/restore")
async def restore_message(
    chat_id: str, message_id: str, caller: SessionsUser, services: ServicesDep
) -> ListOf[MessageOut]:
    """Have a deleted message back, with what was deleted together with it."""
    found = await services.chats.branches.restore(caller, chat_id, message_id)
    return ListOf[MessageOut].model_validate(found)


def _may_use_models(caller: Principal) -> None:
    """A message is a request to a model, like one through `/v1`."""
    caller.require(Scope.GATEWAY)
