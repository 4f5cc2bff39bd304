"""The place in a text where a search's words stand, with a little around it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

BEFORE_CHARS = 60
SNIPPET_CHARS = 200
FOLDED_CHARS = 20_000


def snippet(text: str, words: Sequence[str]) -> dict[str, Any]:
    """`{"text", "spans"}`: some of the text on one line, around the first word that stands there,
    and where the words stand in it. Words are found as the index finds them: at the beginning of
    a word, whatever the case and the accents; without a match it is the text's beginning."""
    wanted = [_fold(word)[0] for word in words]
    start = _start(text, _first(text, words, wanted))
    shown = " ".join(text[start : start + SNIPPET_CHARS * 2].split())[:SNIPPET_CHARS]
    has_more = len(shown) >= SNIPPET_CHARS
    shown = ("…" if start else "") + shown + ("…" if has_more else "")
    return {"text": shown, "spans": _spans(shown, wanted)}


def _first(text: str, words: Sequence[str], wanted: Sequence[str]) -> int:
    """Where the first of the words stands in a text that may be long; 0 if none does."""
    plain = re.search(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})", text, re.IGNORECASE)
    if plain is not None or not words:
        return plain.start() if plain is not None else 0
    # With other accents than in the query. Slow, so only where it is most often looked for.
    folded, places = _fold(text[:FOLDED_CHARS])
    return min((places[at] for word in wanted if (at := _find(folded, word, 0)) >= 0), default=0)


def _spans(text: str, wanted: Sequence[str]) -> list[list[int]]:
    """[start, end] of each word that stands in the text, in order, joined where they overlap."""
    folded, places = _fold(text)
    places = [*places, len(text)]
    found = []
    for word in filter(None, wanted):
        at = _find(folded, word, 0)
        while at >= 0:
            found.append([places[at], max(places[at] + 1, places[at + len(word)])])
            at = _find(folded, word, at + len(word))
    spans: list[list[int]] = []
    for start, end in sorted(found):
        if spans and start <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([start, end])
    return spans


def _find(folded: str, word: str, start: int) -> int:
    """Where `word` begins a word of the text, from `start` on; -1 if it does not."""
    at = folded.find(word, start) if word else -1
    while at > 0 and folded[at - 1].isalnum():
        at = folded.find(word, at + 1)
    return at


def _start(text: str, at: int) -> int:
    """Where a snippet begins that is to show the place `at`: at the beginning of a word."""
    if at <= BEFORE_CHARS:
        return 0
    start = at - BEFORE_CHARS
    blank = text.find(" ", start, at)
    return start if blank < 0 else blank + 1


def _fold(text: str) -> tuple[str, list[int]]:
    """The text without case and accents, and for each of its characters the place it came from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for part in unicodedata.normalize("NFKD", letter.casefold()):
            if not unicodedata.combining(part):
                letters.append(part)
                places.append(place)
    return "".join(letters), places
