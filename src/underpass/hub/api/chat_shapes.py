"""Chats, messages, presets and shares as the API takes and gives them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from underpass.hub.api.shapes import In
from underpass.store import FileKind

Json = dict[str, Any]


class MatchOut(BaseModel):
    """Where a search found its words: in a message, or (null) in the title. `spans` are the
    [start, end] of each in `text`, counted in code points."""

    message_id: str | None
    text: str
    spans: list[tuple[int, int]]


class ChatOut(BaseModel):
    """A chat. `settings` are request fields for the model server, and `system_prompt`; `head_id`
    is the newest message of the branch that was shown last."""

    id: str
    title: str
    folder: str | None
    is_pinned: bool
    is_archived: bool
    is_temporary: bool
    is_shared: bool
    head_id: str | None
    model: str | None
    settings: Json
    created_at: str | None
    updated_at: str | None
    match: MatchOut | None = None


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


class AttachmentOut(BaseModel):
    """A file of a message. `kind` is image, text or document; `text_chars` null for an image."""

    id: str
    name: str
    kind: FileKind
    media_type: str
    bytes: int
    text_chars: int | None


class WaitingOut(BaseModel):
    """What an answer waits for. `code` is stable: session_queued, session_starting,
    session_stopping, session_ended, tunnel_stopped, server_starting, model_loading, unreachable,
    not_connected. `estimate_s`: how long it may still take, where it is known."""

    code: str
    message: str
    provider_id: str | None
    provider_name: str
    session_id: str | None
    estimate_s: float | None
    can_restart: bool


class MessageOut(BaseModel):
    """One message. Its children are those that name it as `parent_id`; a root has none.

    `continued_chars`: how much of `content` stood there before its run, which went on with it.
    """

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
    continued_chars: int
    attachments: list[AttachmentOut]
    waiting: WaitingOut | None
    created_at: str | None


class WholeChatOut(ChatOut):
    """A chat with all of its messages, oldest first."""

    messages: list[MessageOut]


class ReadChatOut(WholeChatOut):
    """A chat with its messages as they were when the feed of `/api/events` stood at
    `feed_position`: a stream that begins there or before tells all that changed since."""

    feed_position: int


class NewRunOut(BaseModel):
    """The run that answers; watch it at `/api/runs/{id}/events`."""

    id: str
    status: str


class SentOut(BaseModel):
    """What was sent, the answer that is to come, and its run."""

    message: MessageOut
    reply: MessageOut
    run: NewRunOut


class FolderOut(BaseModel):
    """A folder, and how many chats are in it."""

    name: str
    chats: int


class ChatIn(In):
    """A new chat. A temporary one lives in the hub's memory alone, for an hour after its last use."""

    title: str = ""
    model: str | None = Field(None, max_length=500)
    settings: Json = Field(default_factory=dict)
    folder: str | None = Field(None, max_length=500)
    is_temporary: bool = False


class ChatPatch(In):
    """What is to change; what is left out stays."""

    title: str | None = None
    model: str | None = Field(None, max_length=500)
    settings: Json | None = None
    folder: str | None = Field(None, max_length=500)
    is_pinned: bool | None = None
    is_archived: bool | None = None
    head_id: str | None = Field(None, max_length=64)


class MessageIn(In):
    """A message to send. Without `parent_id` it goes under the branch that was shown last; with
    null it is a new beginning. Content null asks for another answer to the user's message
    `parent_id`. `attachments` are ids of files; with one the content may be empty."""

    content: str | None = None
    model: str | None = Field(None, max_length=500)
    parent_id: str | None = None
    settings: Json | None = None
    attachments: list[str] = Field(default_factory=list, max_length=100)


class ContinueIn(In):
    """Which model goes on with an answer; null: the one that began it."""

    model: str | None = Field(None, max_length=500)


class ForkIn(In):
    """The last message that the new chat is to hold."""

    message_id: str = Field(max_length=64)


# --- presets ---------------------------------------------------------------------------------


class PresetOut(BaseModel):
    """A system prompt and settings under a name, to begin chats with."""

    id: str
    name: str
    system_prompt: str
    settings: Json
    model: str | None
    created_at: str | None


class PresetIn(In):
    """A new preset."""

    name: str = Field(max_length=500)
    system_prompt: str = ""
    settings: Json = Field(default_factory=dict)
    model: str | None = Field(None, max_length=500)


class PresetPatch(In):
    """What is to change; what is left out stays."""

    name: str | None = Field(None, max_length=500)
    system_prompt: str | None = None
    settings: Json | None = None
    model: str | None = Field(None, max_length=500)


# --- shares ----------------------------------------------------------------------------------


class ShareIn(In):
    """Who may read a branch of a chat, by their names, and the branch's last message (null: that
    of the branch that was shown last)."""

    users: list[str] = Field(min_length=1, max_length=1000)
    leaf_id: str | None = Field(None, max_length=64)


class ShareOut(BaseModel):
    """A share of one's own: the branch up to `leaf_id` as it was at `created_at`."""

    id: str
    url: str
    chat_id: str
    title: str
    owner: str
    users: list[str]
    leaf_id: str
    created_at: str | None


class SharedOut(BaseModel):
    """What somebody shares with the caller."""

    id: str
    title: str
    owner: str
    created_at: str | None


class TranscriptOut(SharedOut):
    """A shared branch, first message first. It says which model answered, not where."""

    messages: list[MessageOut]
