"""Chats, messages and runs as the API and the pushed changes show them. Pure."""

from __future__ import annotations

from typing import Any

from underpass.core.times import iso
from underpass.registry.views import ProviderView
from underpass.store import ChatRecord, MessageRecord, PresetRecord, RunRecord

Json = dict[str, Any]


def chat_out(chat: ChatRecord, *, is_shared: bool = False, is_temporary: bool = False) -> Json:
    """A chat without its messages."""
    return {
        "id": chat.id,
        "title": chat.title,
        "folder": chat.folder,
        "is_pinned": chat.is_pinned,
        "is_archived": chat.archived_at is not None,
        "is_temporary": is_temporary,
        "is_shared": is_shared,
        "head_id": chat.head_id,
        "model": chat.model,
        "settings": chat.settings,
        "created_at": iso(chat.created_at),
        "updated_at": iso(chat.updated_at),
    }


def message_out(message: MessageRecord) -> Json:
    """One message of a chat."""
    return {
        "id": message.id,
        "chat_id": message.chat_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "tool_calls": message.tool_calls,
        "status": message.status.value,
        "run_id": message.run_id,
        "model": message.model,
        "provider": message.provider,
        "error": message.error,
        "usage": message.usage,
        "timings": message.timings,
        "finish_reason": message.finish_reason,
        "continued_chars": message.continued_chars,
        "attachments": message.attachments or [],
        "waiting": message.waiting,
        "created_at": iso(message.created_at),
    }


def provider_out(provider: ProviderView) -> Json:
    """Where an answer was made, as its message remembers it."""
    return {
        "id": provider.id,
        "name": provider.name,
        "session_name": provider.session_name,
        "host": provider.host,
    }


def run_out(run: RunRecord) -> Json:
    """A run, without a word of what it says."""
    return {
        "id": run.id,
        "chat_id": run.chat_id,
        "message_id": run.message_id,
        "model": run.model,
        "status": run.status.value,
        "error": run.error,
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
    }


def preset_out(preset: PresetRecord) -> Json:
    """A preset."""
    return {
        "id": preset.id,
        "name": preset.name,
        "system_prompt": preset.system_prompt,
        "settings": preset.settings,
        "model": preset.model,
        "created_at": iso(preset.created_at),
    }
