"""How an answer ended, from what came of it: status, error, numbers. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from underpass.chat.assemble import Assembler, read_error
from underpass.chat.pieces import AnswerError, Piece, PieceKind, tool_calls_of
from underpass.core.errors import AppError, TunnelError
from underpass.core.states import MessageStatus
from underpass.store import MessageRecord

_STATUS_HINTS = {
    401: "The model server wants its own key: start the tunnel with --upstream-key-file.",
    403: "The model server wants its own key: start the tunnel with --upstream-key-file.",
    404: "The server may have another model by now: pick one from the list.",
    413: "Shorten the chat, or start a new one.",
    429: "The server is busy: try again in a moment.",
}
_TOO_LONG = "The chat is longer than this model can read: start a new one, or ask another model."
# llama.cpp's word for it, and that of OpenAI, vLLM and others.
_TOO_LONG_CODES = frozenset({"exceed_context_size_error", "context_length_exceeded"})
_TOO_LONG_WORDS = re.compile(r"maximum context length|context (size|window|length)", re.IGNORECASE)
# The place where the answer was made went away: what came is good, and can be continued.
_PLACE_GONE = frozenset(
    {"tunnel_stopped", "tunnel_lost", "upstream_unreachable", "stream_reset", "resume_expired"}
)


class HubRestarted(AppError):
    """An earlier hub was asking, and its agent does not have the answer any more."""

    code = "hub_restarted"


@dataclass(frozen=True, slots=True)
class Ending:
    """The status that a run and its message end with, and why, where that is not plain."""

    status: MessageStatus
    error: AnswerError | None = None


class Stopwatch:
    """When things happened in an answer, in seconds of a monotonic clock."""

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.first_at: float | None = None
        self.last_at = asked_at
        self.first_text_at: float | None = None

    def note(self, now: float, *, has_text: bool) -> None:
        """Something of the answer came; `has_text`: not only reasoning."""
        if self.first_at is None:
            self.first_at = now
        if has_text and self.first_text_at is None:
            self.first_text_at = now
        self.last_at = now


def whole(before: MessageRecord, pieces: list[Piece]) -> dict[str, Any]:
    """A message's words: those it had before its run, and what the run adds to them."""
    calls = [*(before.tool_calls or ()), *tool_calls_of(pieces)]
    return {
        "content": before.content + _text(pieces, PieceKind.TEXT),
        "reasoning": before.reasoning + _text(pieces, PieceKind.REASONING),
        "tool_calls": [{**call, "index": place} for place, call in enumerate(calls)] or None,
    }


def timings(watch: Stopwatch, assembler: Assembler, *, has_reasoning: bool) -> dict[str, Any]:
    """The numbers under an answer; speed from the server's own counts, or None."""
    speed = _number((assembler.server_timings or {}).get("predicted_per_second"))
    if watch.first_at is None:
        return {
            "first_token_s": None,
            "tokens_per_s": round(speed, 1) if speed is not None else None,
            "duration_s": _ms(watch),
        }
    tokens = _number((assembler.usage or {}).get("completion_tokens"))
    span = watch.last_at - watch.first_at
    if speed is None and tokens is not None and tokens > 1 and span > 0.001:
        speed = tokens / span
    numbers = {
        "first_token_s": round(watch.first_at - watch.asked_at, 3),
        "tokens_per_s": round(speed, 1) if speed is not None else None,
        "duration_s": _ms(watch),
    }
    if has_reasoning:
        numbers["reasoning_s"] = round((watch.first_text_at or watch.last_at) - watch.first_at, 3)
    return numbers


def ending_of(assembler: Assembler, *, has_content: bool) -> Ending:
    """How an answer ended whose bytes came to their end."""
    if assembler.error is not None:
        return Ending(MessageStatus.FAILED, assembler.error)
    said_its_end = assembler.finish_reason is not None or assembler.is_done
    if assembler.bad_events and not assembler.finish_reason:
        return Ending(
            MessageStatus.FAILED,
            AnswerError(
                "upstream_answer_invalid",
                "The model server sent something that is no answer of an OpenAI-compatible server.",
                "See the session's log for what the server says.",
            ),
        )
    if not has_content and not said_its_end:
        return Ending(
            MessageStatus.FAILED,
            AnswerError(
                "empty_answer",
                "The model server ended its answer before the first word.",
                "Try again; if it stays so, see the session's log.",
            ),
        )
    return Ending(MessageStatus.COMPLETE)


def ending_of_refusal(status: int, body: bytes) -> Ending:
    """How an answer ended that the model server gave as an HTTP error."""
    hint = _STATUS_HINTS.get(status)
    text = body.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    error = None
    if isinstance(document, dict):
        error = read_error(document) or read_error(document, is_error_event="message" in document)
    if error is None:
        error = AnswerError("upstream_error", f"The model server answered with status {status}.")
    elif status == 400 and (error.code in _TOO_LONG_CODES or _TOO_LONG_WORDS.search(error.message)):
        hint = _TOO_LONG
    return Ending(MessageStatus.FAILED, AnswerError(error.code, error.message, error.hint or hint))


def ending_of_error(error: AppError, *, has_content: bool) -> Ending:
    """How an answer ended that something between the hub and the model server broke off."""
    reason = AnswerError(error.code, error.message, error.hint)
    if isinstance(error, HubRestarted):
        return Ending(MessageStatus.INTERRUPTED, reason)
    is_gone = isinstance(error, TunnelError) or error.code in _PLACE_GONE
    if has_content and is_gone:
        return Ending(MessageStatus.INTERRUPTED, reason)
    return Ending(MessageStatus.FAILED, reason)


def is_place_gone(ending: Ending) -> bool:
    """Whether the tunnel or its session went away, so that they can say why."""
    return ending.error is not None and ending.error.code in _PLACE_GONE


def _ms(watch: Stopwatch) -> float:
    return round(watch.last_at - watch.asked_at, 3)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _text(pieces: list[Piece], kind: PieceKind) -> str:
    return "".join(piece.text for piece in pieces if piece.kind is kind)
