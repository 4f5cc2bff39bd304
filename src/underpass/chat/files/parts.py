"""How a model gets to see files: a placeholder in the body, and what takes its place. Pure.

A body holds placeholders for as long as it waits, so that it stays small; they are filled in the
moment when the model is asked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

PLACE = "underpass_file"
"""The type of a part that stands for a file; no model server ever sees it."""
MAX_IMAGE_BYTES = 24 << 20
"""All pictures of one request together; as base64 they take a third more."""
MAX_TEXT_CHARS = 2_000_000
"""All texts of files in one request together."""

_FENCE = re.compile(r"^\s*(`{3,})", re.MULTILINE)


def place(attachment: Mapping[str, Any]) -> Json:
    """The part that stands for an attachment of a message."""
    return {
        "type": PLACE,
        "id": attachment["id"],
        "name": attachment["name"],
        "kind": attachment["kind"],
        "size": attachment.get("text_chars") or attachment["bytes"],
    }


def places(body: Mapping[str, Any]) -> list[Json]:
    """The placeholders of a body, those of the newest message first."""
    return [
        part
        for message in reversed(body["messages"])
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == PLACE
    ]


def filled(body: Json, parts: Mapping[str, Json]) -> Json:
    """The body with each placeholder replaced by the part of its id.

    A message without a picture becomes plain text: many servers take nothing else.
    """
    return {**body, "messages": [_filled(message, parts) for message in body["messages"]]}


def picture(media_type: str, data: bytes) -> Json:
    """A picture, in the request itself: nothing has to be fetched from anywhere."""
    encoded = base64.b64encode(data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{encoded}"}}


def text_of_file(name: str, text: str) -> Json:
    """A file's text under its name, in a fence that nothing in it can close."""
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return words(f'The file "{name}":\n\n{fence}\n{text}\n{fence}')


def left_out(name: str, why: str) -> Json:
    """What stands for a file that the model does not get."""
    return words(f'[The file "{name}" is left out: {why}]')


def words(text: str) -> Json:
    """A part of text."""
    return {"type": "text", "text": text}


def _filled(message: Json, parts: Mapping[str, Json]) -> Json:
    content = message["content"]
    if not isinstance(content, list):
        return message
    found = [parts[part["id"]] if part["type"] == PLACE else part for part in content]
    if all(part["type"] == "text" for part in found):
        return {**message, "content": "\n\n".join(part["text"] for part in found)}
    return {**message, "content": found}
