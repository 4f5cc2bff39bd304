"""A chat's title from its first words: a user's GPU is not ours to spend on one. Pure."""

from __future__ import annotations

import re

MAX_TITLE_CHARS = 60
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_MARKS = re.compile(r"^\s*(?:[#>*+-]+\s+)+|[*_`~]+|!?\[([^\]]*)\]\([^)]*\)", re.MULTILINE)


def title_of(content: str) -> str:
    """The first words of a message as a title, without Markdown's marks; "New chat" for none."""
    head = content[:4_000]
    prose = _FENCE.sub(" ", head)
    text = _tidy(prose) or _tidy(head)
    if not text:
        return "New chat"
    if len(text) <= MAX_TITLE_CHARS:
        return text
    cut = text[:MAX_TITLE_CHARS]
    words = cut.rsplit(" ", 1)[0]
    # One endless word (a URL, a hash) is cut where it stands.
    return (words if len(words) > MAX_TITLE_CHARS // 2 else cut).rstrip(" ,;:.-") + "…"


def _tidy(text: str) -> str:
    text = _MARKS.sub(lambda mark: mark.group(1) or "", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
