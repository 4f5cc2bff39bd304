"""A chat from a file that `exports` wrote, or that somebody wrote who wants to harm. Pure.

Nothing of a file is taken as it is: ids are new, times are bounded, what the API would not give
out is left away, and a file that is too much is refused before anything is made of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from underpass.chat.check import MAX_TITLE_CHARS, checked_folder, checked_settings, checked_title
from underpass.chat.exports import FORMAT, VERSION
from underpass.chat.markdown import sections
from underpass.core.errors import AppError, InvalidRequest, TooLarge
from underpass.core.ids import new_id
from underpass.core.states import MessageStatus
from underpass.store import ChatRecord, MessageRecord, clean_text

Json = dict[str, Any]
Whole = tuple[ChatRecord, list[MessageRecord]]

MAX_IMPORT_BYTES = 64 * 1024 * 1024
MAX_CHATS = 2_000
MAX_MESSAGES = 100_000
"""In one file."""
MAX_TEXT_CHARS = 8 * 1024 * 1024
"""Of one message: as much as the hub keeps of an answer."""
MAX_DEPTH = 32
MAX_EXTRA_CHARS = 256 * 1024
"""Of tool calls or numbers of one message."""
ROLES = ("user", "assistant", "system", "tool")
_TIMINGS = ("first_token_s", "tokens_per_s", "duration_s", "reasoning_s")
# What is still being written in the file will not be written on from here.
_STATUSES = {
    **{status.value: status for status in MessageStatus},
    MessageStatus.STREAMING.value: MessageStatus.STOPPED,
    MessageStatus.WAITING.value: MessageStatus.STOPPED,
}


def from_json(text: str, *, owner_id: str, now: float) -> list[Whole]:
    """The chats of a JSON export. Raises InvalidRequest (`import_unreadable`), TooLarge."""
    document = _document(text)
    if document.get("format") != FORMAT:
        _refuse("This is no export of Underpass.", "Take a file that Export has made.")
    if document.get("version") != VERSION:
        _refuse("This export was made by a newer version of Underpass.", "Update this hub first.")
    chats = document.get("chats")
    if not isinstance(chats, list):
        _refuse("This export has no list of chats.")
    return from_chats(chats, owner_id=owner_id, now=now)


def from_markdown(text: str, *, owner_id: str, now: float) -> list[Whole]:
    """The chat of a Markdown export. Raises InvalidRequest (`import_unreadable`), TooLarge."""
    chat: Json | None = None
    messages: list[Json] = []
    for kind, about, body in sections(text):
        if kind == "chat":
            if chat is not None:
                _refuse("This file holds two chats.", "Import them one by one.")
            chat = _as_dict(_parse(about))
            if chat.get("version") != VERSION:
                _refuse("This export was made by a newer version of Underpass.")
        elif chat is None:
            break
        elif kind == "message":
            message = _as_dict(_parse(about))
            message |= {"id": str(len(messages)), "content": body}
            message["parent_id"] = messages[-1]["id"] if messages else None
            messages.append(message)
        elif messages:
            messages[-1][kind] = _parse(body) if kind == "tool_calls" else body
    if chat is None:
        _refuse(
            "This is no Markdown export of Underpass.",
            "Its first line has to be the comment that Export writes.",
        )
    head_id = messages[-1]["id"] if messages else None
    chat |= {"messages": messages, "head_id": head_id}
    return from_chats([chat], owner_id=owner_id, now=now)


def from_chats(chats: Sequence[object], *, owner_id: str, now: float) -> list[Whole]:
    """Chats as `exports.as_json` has them, checked. Raises InvalidRequest, TooLarge."""
    if len(chats) > MAX_CHATS:
        raise TooLarge(f"This file holds {len(chats):,} chats; {MAX_CHATS:,} is the limit.")
    lists = [_messages_of(_as_dict(chat)) for chat in chats]
    count = sum(map(len, lists))
    if count > MAX_MESSAGES:
        raise TooLarge(f"This file holds {count:,} messages; {MAX_MESSAGES:,} is the limit.")
    return [
        _chat(_as_dict(chat), messages, owner_id=owner_id, now=now)
        for chat, messages in zip(chats, lists, strict=True)
    ]


# --- one chat --------------------------------------------------------------------------------


def _messages_of(chat: Json) -> list[Json]:
    messages = chat.get("messages")
    if not isinstance(messages, list):
        _refuse("A chat of this export has no list of messages.")
    return [_as_dict(message) for message in messages]


def _chat(chat: Json, messages: list[Json], *, owner_id: str, now: float) -> Whole:
    chat_id = new_id("cht")
    created_at = _time(chat.get("created_at"), now)
    settings = chat.get("settings")
    try:
        settings = checked_settings(_plain(settings) if isinstance(settings, dict) else None)
    except AppError as error:
        _refuse(f"A chat of this export has settings that cannot be taken. {error.message}")
    records, ids = _tree(messages, chat_id, now=now)
    record = ChatRecord(
        id=chat_id,
        owner_id=owner_id,
        created_at=created_at,
        updated_at=max(created_at, _time(chat.get("updated_at"), now)),
        title=checked_title(_line(chat.get("title"), MAX_TITLE_CHARS)),
        folder=checked_folder(_line(chat.get("folder"), 100)),
        is_pinned=chat.get("is_pinned") is True,
        archived_at=now if chat.get("is_archived") is True else None,
        head_id=ids.get(str(chat.get("head_id"))),
        model=_line(chat.get("model"), 500) or None,
        settings=settings,
    )
    return record, records


def _tree(
    messages: list[Json], chat_id: str, *, now: float
) -> tuple[list[MessageRecord], dict[str, str]]:
    """The records, parents first, and the new id of each old one."""
    ids: dict[str, str] = {}
    children: dict[str | None, list[int]] = {}
    for index, message in enumerate(messages):
        old_id, parent_id = message.get("id"), message.get("parent_id")
        if not isinstance(old_id, str) or old_id in ids:
            _refuse(f"Message {index + 1} of a chat has no id of its own.")
        if parent_id is not None and not isinstance(parent_id, str):
            _refuse(f"Message {index + 1} of a chat has a parent_id that is no id.")
        ids[old_id] = new_id("msg")
        children.setdefault(parent_id, []).append(index)
    order = list(children.get(None, ()))
    for index in order:
        order += children.get(messages[index]["id"], ())
    if len(order) != len(messages):
        _refuse("A message of this export stands under none that is there, or under itself.")
    # In the order of the file, one after the other: equal times would be shown in any order.
    times: list[float] = []
    for message in messages:
        at = _time(message.get("created_at"), now)
        times.append(max(at, times[-1] + 1e-6) if times else at)
    return [
        _message(messages[index], index, chat_id, ids, created_at=times[index]) for index in order
    ], ids


def _message(
    message: Json, index: int, chat_id: str, ids: dict[str, str], *, created_at: float
) -> MessageRecord:
    role, status = message.get("role"), message.get("status", MessageStatus.COMPLETE.value)
    if role not in ROLES:
        _refuse(f"Message {index + 1} of a chat has a role that Underpass does not know.")
    if not isinstance(status, str) or status not in _STATUSES:
        _refuse(f"Message {index + 1} of a chat has a status that Underpass does not know.")
    parent_id = message.get("parent_id")
    return MessageRecord(
        id=ids[message["id"]],
        chat_id=chat_id,
        parent_id=ids[parent_id] if parent_id is not None else None,
        role=role,
        content=_text(message.get("content"), index),
        reasoning=_text(message.get("reasoning"), index),
        status=_STATUSES[status],
        model=_line(message.get("model"), 500) or None,
        finish_reason=_line(message.get("finish_reason"), 64) or None,
        tool_calls=_tool_calls(message.get("tool_calls")),
        error=_error(message.get("error")),
        usage=_plain(message["usage"]) if isinstance(message.get("usage"), dict) else None,
        timings=_timings(message.get("timings")),
        created_at=created_at,
    )


# --- values ----------------------------------------------------------------------------------


def _text(value: object, index: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        _refuse(f"Message {index + 1} of a chat has a text that is no text.")
    if len(value) > MAX_TEXT_CHARS:
        raise TooLarge(
            f"Message {index + 1} of a chat has {len(value):,} characters; "
            f"{MAX_TEXT_CHARS:,} is the limit."
        )
    return clean_text(value)


def _line(value: object, most: int) -> str:
    """A short text on one line; what is too long is cut, what is none is empty."""
    return " ".join(clean_text(value).split())[:most] if isinstance(value, str) else ""


def _time(value: object, now: float) -> float:
    """A time that was; now for anything else."""
    try:
        at = datetime.fromisoformat(value).timestamp() if isinstance(value, str) else now
    except (ValueError, OverflowError, OSError):
        return now
    return at if 0 <= at <= now else now


def _tool_calls(value: object) -> list[Json] | None:
    if not isinstance(value, list):
        return None
    calls = [_plain(call) for call in value if isinstance(call, dict)]
    return calls or None


def _error(value: object) -> Json | None:
    if not isinstance(value, dict):
        return None
    return {
        "code": _line(value.get("code"), 64) or "unknown",
        "message": _line(value.get("message"), 2_000),
        "hint": _line(value.get("hint"), 2_000) or None,
    }


def _timings(value: object) -> Json | None:
    if not isinstance(value, dict):
        return None
    numbers = {name: _number(value.get(name)) for name in _TIMINGS}
    if numbers["reasoning_s"] is None:
        del numbers["reasoning_s"]
    return numbers


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isinstance(value, int | float) else None


def _plain(value: Json) -> Json:
    """A JSON object whose texts every store and wire takes; raises if it is too much."""
    cleaned = _cleaned(value, MAX_DEPTH)
    assert isinstance(cleaned, dict)
    if len(json.dumps(cleaned)) > MAX_EXTRA_CHARS:
        raise TooLarge("A chat of this export carries more beside its texts than the hub keeps.")
    return cleaned


def _cleaned(value: object, depth: int) -> object:
    if depth == 0:
        _refuse("A value of this export is nested too deep.")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(one, depth - 1) for one in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(one, depth - 1) for key, one in value.items()}
    return value


def _document(text: str) -> Json:
    """The members of a JSON document, the items of a list in it each parsed by itself.

    Python parses one value without letting anybody else run, so a large file in one go would
    hold up every stream of the hub.
    """
    document: Json = {}
    try:
        at = _after(text, "{", 1 if text.startswith("\ufeff") else 0)
        while text[at] != "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _after(text, ":", at)
            if text[at] == "[":
                document[name], at = _items(text, at)
            else:
                document[name], at = _DECODER.raw_decode(text, at)
            at = _blank(text, at)
            at = at if text[at] == "}" else _after(text, ",", at)
        if text[at + 1 :].strip():
            raise ValueError("more than one document")
    except (ValueError, IndexError, TypeError, RecursionError):
        _refuse("This file is no valid JSON.", "It may have been cut off: export it once more.")
    return document


def _items(text: str, at: int) -> tuple[list[object], int]:
    """The items of the list that begins at `at`, and where it has ended."""
    items: list[object] = []
    at = _after(text, "[", at)
    while text[at] != "]":
        item, at = _DECODER.raw_decode(text, at)
        items.append(item)
        at = _blank(text, at)
        at = at if text[at] == "]" else _after(text, ",", at)
    return items, at + 1


def _after(text: str, mark: str, at: int) -> int:
    """Where the next value begins after `mark`, which has to stand at `at`."""
    at = _blank(text, at)
    if text[at] != mark:
        raise ValueError(f"expected {mark}")
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    """The next place that is no white space."""
    while text[at] in " \t\r\n":
        at += 1
    return at


def _parse(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        _refuse("This file is no valid JSON.", "It may have been cut off: export it once more.")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _bounded(text: str) -> int:
    number = int(text)
    return number if -(2**63) <= number < 2**63 else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError("not a number that JSON has")


def _as_dict(value: object) -> Json:
    if not isinstance(value, dict):
        _refuse("A part of this export is not what it should be.")
    return dict(value)


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise InvalidRequest(message, code="import_unreadable", hint=hint)


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, parse_int=_bounded)
