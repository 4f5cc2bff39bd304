"""`/api/chats`: one's own conversations. Nobody else's are there, for admins neither."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from underpass.chat.service import NewMessage
from underpass.core.principal import Principal, Scope
from underpass.hub.api.shapes import After, In, Limit, ListOf
from underpass.hub.services import Reader, ServicesDep, SessionsUser

router = APIRouter(prefix="/chats", tags=["chats"])

Json = dict[str, Any]


class ChatOut(BaseModel):
    """A chat. `settings` are request fields for the model server, and `system_prompt`."""

    id: str
    title: str
    model: str | None
    settings: Json
    created_at: str | None
    updated_at: str | None


class WhereOut(BaseModel):
    """Where an answer was made."""

    id: str
    name: str
    session_name: str | None
    host: str | None


class ErrorOut(BaseModel):
    """Why an answer ended early, and what to do."""

    code: str
    message: str
    hint: str | None


class TimingsOut(BaseModel):
    """An answer's numbers, in seconds and tokens per second."""

    first_token_s: float | None
    tokens_per_s: float | None
    duration_s: float | None
    reasoning_s: float | None = None


class MessageOut(BaseModel):
    """One message. Its children are those that name it as `parent_id`; a root has none."""

    id: str
    chat_id: str
    parent_id: str | None
    role: str
    content: str
    reasoning: str
    tool_calls: list[Json] | None
    status: str
    run_id: str | None
    model: str | None
    provider: WhereOut | None
    error: ErrorOut | None
    usage: Json | None
    timings: TimingsOut | None
    finish_reason: str | None
    created_at: str | None


class WholeChatOut(ChatOut):
    """A chat with all of its messages, oldest first."""

    messages: list[MessageOut]


class NewRunOut(BaseModel):
    """The run that answers; watch it at `/api/runs/{id}/events`."""

    id: str
    status: str


class SentOut(BaseModel):
    """What was sent, the answer that is to come, and its run."""

    message: MessageOut
    reply: MessageOut
    run: NewRunOut


class ChatIn(In):
    """A new chat."""

    title: str = ""
    model: str | None = Field(None, max_length=500)
    settings: Json = Field(default_factory=dict)


class ChatPatch(In):
    """What is to change; what is left out stays."""

    title: str | None = None
    model: str | None = Field(None, max_length=500)
    settings: Json | None = None


class MessageIn(In):
    """A message to send. Without `parent_id` it goes under the newest one; with null it is a new
    beginning. Content null asks for another answer to the user's message `parent_id`."""

    content: str | None = None
    model: str | None = Field(None, max_length=500)
    parent_id: str | None = None
    settings: Json | None = None


@router.get("")
async def list_chats(
    caller: Reader,
    services: ServicesDep,
    q: Annotated[str, Query(description="Words of the title.", max_length=200)] = "",
    after: After = None,
    limit: Limit = 100,
) -> ListOf[ChatOut]:
    """My chats, last used first."""
    found = await services.chats.list_chats(caller, words=q, after=after, limit=limit)
    return ListOf[ChatOut].model_validate(found)


@router.post("", status_code=201)
async def create_chat(body: ChatIn, caller: SessionsUser, services: ServicesDep) -> WholeChatOut:
    """Begin a chat."""
    chat = await services.chats.create(
        caller, title=body.title, model=body.model, settings=body.settings
    )
    return WholeChatOut.model_validate(chat)


@router.get("/{chat_id}")
async def show_chat(chat_id: str, caller: Reader, services: ServicesDep) -> WholeChatOut:
    """A chat with its messages; one that is being written as it is now."""
    return WholeChatOut.model_validate(await services.chats.get(caller, chat_id))


@router.patch("/{chat_id}")
async def change_chat(
    chat_id: str, body: ChatPatch, caller: SessionsUser, services: ServicesDep
) -> ChatOut:
    """Rename a chat, or set its model or settings."""
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
    )
    return SentOut.model_validate(await services.chats.send(caller, chat_id, new))


def _may_use_models(caller: Principal) -> None:
    """A message is a request to a model, like one through `/v1`."""
    caller.require(Scope.GATEWAY)
