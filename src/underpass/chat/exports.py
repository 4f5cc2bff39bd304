"""A chat as a file: JSON (all of its tree) or Markdown (one branch, to read and to have back). Pure.

Markdown carries what a reader need not see in comments: `<!-- underpass:message {…} -->`. A line
of a message that looks like one gets a backslash ahead, which Markdown does not show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from underpass.core.times import iso
from underpass.store import ChatRecord, MessageRecord

Json = dict[str, Any]

FORMAT = "underpass-chats"
VERSION = 1
MARK = "<!-- underpass:"
_LOOKS_LIKE_A_MARK = re.compile(r"^(\\*<!-- underpass:)", re.MULTILINE)
_HEADINGS = {"user": "You", "system": "System", "tool": "Tool"}


def head(exported_at: float) -> Json:
    """What stands at the beginning of a JSON export, ahead of `chats`."""
    return {"format": FORMAT, "version": VERSION, "exported_at": iso(exported_at)}


def as_json(chat: ChatRecord, messages: Sequence[MessageRecord]) -> Json:
    """One chat of a JSON export, with all of its branches."""
    return {
        "title": chat.title,
        "folder": chat.folder,
        "is_pinned": chat.is_pinned,
        "is_archived": chat.archived_at is not None,
        "model": chat.model,
        "settings": chat.settings,
        "head_id": chat.head_id,
        "created_at": iso(chat.created_at),
        "updated_at": iso(chat.updated_at),
        "messages": [
            {
                "id": message.id,
                "parent_id": message.parent_id,
                **_facts(message),
                "content": message.content,
                "reasoning": message.reasoning,
                "tool_calls": message.tool_calls,
            }
            for message in messages
        ],
    }


def as_markdown(chat: ChatRecord, branch: Sequence[MessageRecord]) -> str:
    """One branch of a chat, first message first."""
    about = {
        "version": VERSION,
        "title": chat.title,
        "folder": chat.folder,
        "model": chat.model,
        "settings": chat.settings,
        "created_at": iso(chat.created_at),
        "updated_at": iso(chat.updated_at),
    }
    parts = [f"{_mark('chat', about)}\n# {_one_line(chat.title) or 'Chat'}\n\n"]
    for message in branch:
        heading = _HEADINGS.get(message.role) or _one_line(message.model or "") or "Assistant"
        parts.append(f"{_mark('message', _facts(message))}\n## {heading}\n\n")
        if not message.reasoning and not message.tool_calls:
            parts.append(_text(message.content))
            continue
        if message.reasoning:
            parts.append(f"{_mark('reasoning')}\n\n<details><summary>Reasoning</summary>\n\n")
            parts.append(_text(message.reasoning))
            parts.append("</details>\n\n")
        if message.tool_calls:
            calls = json.dumps(message.tool_calls, indent=2)
            parts.append(f"{_mark('tool_calls')}\n\n```json\n{calls}\n```\n\n")
        parts.append(f"{_mark('content')}\n\n{_text(message.content)}")
    return "".join(parts)


def disposition(title: str, extension: str) -> str:
    """The Content-Disposition of an export: a download, named after its chat."""
    name = "".join(c if c.isalnum() or c in " -_.()" else " " for c in title)
    name = " ".join(name.split())[:80].strip(". ") or "chat"
    plain = name.encode("ascii", "ignore").decode() or "chat"
    full = quote(f"{name}.{extension}")
    return f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{full}"


def _facts(message: MessageRecord) -> Json:
    return {
        "role": message.role,
        "status": message.status.value,
        "model": message.model,
        "finish_reason": message.finish_reason,
        "error": message.error,
        "usage": message.usage,
        "timings": message.timings,
        "created_at": iso(message.created_at),
    }


def _mark(kind: str, about: Json | None = None) -> str:
    if about is None:
        return f"{MARK}{kind} -->"
    # A comment ends at the first "-->", so no word in it may hold one.
    text = json.dumps(about, ensure_ascii=False).replace("--", "-\\u002d").replace(">", "\\u003e")
    return f"{MARK}{kind} {text} -->"


def _text(text: str) -> str:
    return _LOOKS_LIKE_A_MARK.sub(r"\\\1", text) + "\n\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
