"""The words of an answer: pieces of text, of reasoning and of tool calls. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class PieceKind(StrEnum):
    """What a piece belongs to."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of an answer. `tool` is an OpenAI tool-call delta that always has its `index`."""

    kind: PieceKind
    text: str = ""
    tool: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        """How far it moves the log's position: its characters, or 1 for a tool-call delta."""
        return len(self.text) if self.tool is None else 1

    def after(self, count: int) -> Piece:
        """What is left when its first `count` characters are known already."""
        return Piece(self.kind, self.text[count:], self.tool)


@dataclass(frozen=True, slots=True)
class AnswerError:
    """Why an answer failed: a stable code, one sentence, what to do."""

    code: str
    message: str
    hint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API and the store have it."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


def merge(pieces: Iterable[Piece]) -> list[Piece]:
    """The same words in as few pieces as their order allows."""
    merged: list[Piece] = []
    run: list[str] = []
    kind = PieceKind.TEXT
    for piece in pieces:
        if run and (piece.kind is not kind or piece.tool is not None):
            merged.append(Piece(kind, "".join(run)))
            run = []
        if piece.tool is not None:
            merged.append(piece)
        elif piece.text:
            kind = piece.kind
            run.append(piece.text)
    if run:
        merged.append(Piece(kind, "".join(run)))
    return merged


def beyond(pieces: Iterable[Piece], start: int, known: int) -> list[Piece]:
    """The part of `pieces`, which begin at the position `start`, that lies after `known`."""
    rest: list[Piece] = []
    for piece in pieces:
        if start >= known:
            rest.append(piece)
        elif start + piece.size > known:
            rest.append(piece.after(known - start))
        start += piece.size
    return rest


def add_tool_delta(calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    """Adds one normalised delta (see `Piece.tool`) to the tool calls gathered so far."""
    index = delta["index"]
    call = next((known for known in calls if known["index"] == index), None)
    if call is None:
        call = {"index": index, "id": None, "type": "function"}
        call["function"] = {"name": "", "arguments": ""}
        calls.append(call)
    call["id"] = call["id"] or delta.get("id")
    function = delta["function"]
    call["function"]["name"] += function.get("name", "")
    call["function"]["arguments"] += function.get("arguments", "")


def tool_calls_of(pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    """The whole tool calls that the pieces spell, in OpenAI's shape."""
    calls: list[dict[str, Any]] = []
    for piece in pieces:
        if piece.tool is not None:
            add_tool_delta(calls, piece.tool)
    calls.sort(key=lambda call: int(call["index"]))
    return calls
