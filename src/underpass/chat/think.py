"""Splits `<think>…</think>` out of running text, whatever the pieces it comes in. Pure.

The tag counts only at the start of an answer, or straight after a closed block: an answer that
*writes about* `<think>` stays as it is. A block that never closes is reasoning to its end.
"""

from __future__ import annotations

from enum import Enum, auto

_OPENING = ("<think>", "<thinking>")


class _Where(Enum):
    START = auto()  # only white space so far: a block may open
    INSIDE = auto()
    ANSWER = auto()  # text, for good


class ThinkSplitter:
    """Takes text and gives (text, is_reasoning) pairs in order."""

    def __init__(self) -> None:
        self._where = _Where.START
        self._held = ""  # may be the beginning of a tag
        self._closing = ""
        self._has_block = False

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """What is certain by now; the beginning of a possible tag is held back."""
        out: list[tuple[str, bool]] = []
        text, self._held = self._held + text, ""
        while text:
            if self._where is _Where.ANSWER:
                out.append((text, False))
                break
            text = self._at_start(text, out) if self._is_start else self._inside(text, out)
        return out

    def finish(self) -> list[tuple[str, bool]]:
        """What was held back, now that no more comes."""
        held, self._held = self._held, ""
        if not held or (self._is_start and self._has_block and not held.strip()):
            return []
        return [(held, self._where is _Where.INSIDE)]

    @property
    def _is_start(self) -> bool:
        return self._where is _Where.START

    def _at_start(self, text: str, out: list[tuple[str, bool]]) -> str:
        body = text.lstrip()
        for tag in _OPENING:
            if body.startswith(tag):
                self._where, self._closing = _Where.INSIDE, "</" + tag[1:]
                self._has_block = True
                return body[len(tag) :]
        if any(tag.startswith(body) for tag in _OPENING):
            self._held = text
            return ""
        self._where = _Where.ANSWER
        # White space between the block and the answer belongs to neither.
        return body if self._has_block else text

    def _inside(self, text: str, out: list[tuple[str, bool]]) -> str:
        thought, found, rest = text.partition(self._closing)
        if found:
            if thought:
                out.append((thought, True))
            self._where = _Where.START
            return rest
        keep = _overlap(text, self._closing)
        if keep < len(text):
            out.append((text[: len(text) - keep], True))
        self._held = text[len(text) - keep :]
        return ""


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` are a beginning of `tag`."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-size:]):
            return size
    return 0
