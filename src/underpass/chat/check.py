"""What is refused before anything is stored, with a clear word. Pure."""

from __future__ import annotations

import json
from typing import Any

from underpass.chat.prompt import check_settings
from underpass.core.errors import InvalidRequest, TooLarge

MAX_CONTENT_CHARS = 2 * 1024 * 1024
MAX_SETTINGS_CHARS = 64 * 1024
MAX_TITLE_CHARS = 200
MAX_FOLDER_CHARS = 100


def checked_content(content: str, *, has_files: bool = False) -> str:
    """The content of a message; raises InvalidRequest (empty, and no file either) or TooLarge."""
    if not content.strip() and not has_files:
        raise InvalidRequest(
            "The message is empty.", code="message_empty", hint="Write something to send."
        )
    if len(content) > MAX_CONTENT_CHARS:
        raise TooLarge(
            f"The message has {len(content):,} characters; {MAX_CONTENT_CHARS:,} is the limit.",
            hint="Shorten it, or send it in parts.",
        )
    return content


def checked_settings(settings: dict[str, Any] | None) -> dict[str, Any]:
    """Request fields for the model server; raises InvalidRequest or TooLarge."""
    settings = settings or {}
    check_settings(settings)
    try:
        written = json.dumps(settings, allow_nan=False)
    except ValueError:
        # Python reads `NaN`, and no browser and no model server does: the chat could not be opened.
        raise InvalidRequest(
            "A setting is a number that JSON does not have.", hint="Leave out NaN and Infinity."
        ) from None
    if len(written) > MAX_SETTINGS_CHARS:
        raise TooLarge(f"The settings are over the limit of {MAX_SETTINGS_CHARS:,} characters.")
    return settings


def checked_title(title: str) -> str:
    """A title on one line; raises TooLarge."""
    title = " ".join(title.split())
    if len(title) > MAX_TITLE_CHARS:
        raise TooLarge(f"A title has at most {MAX_TITLE_CHARS} characters.")
    return title


def checked_folder(folder: str | None) -> str | None:
    """A folder's name on one line; None for no folder. Raises TooLarge."""
    name = " ".join((folder or "").split())
    if len(name) > MAX_FOLDER_CHARS:
        raise TooLarge(f"A folder's name has at most {MAX_FOLDER_CHARS} characters.")
    return name or None
