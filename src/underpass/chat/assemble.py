"""An answer of `chat/completions` from its bytes: text, reasoning, tool calls, usage. Pure.

Takes what servers really send: `reasoning` and `reasoning_content`, `<think>` in the text, tool
calls without index, roles it does not know, no `[DONE]`, an error in mid-stream, a last chunk
without choices, and one plain JSON answer where a stream was asked for. Any split of the bytes
gives the same pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from underpass.chat.pieces import AnswerError, Piece, PieceKind, merge
from underpass.chat.think import ThinkSplitter
from underpass.chat.tools import ToolCallIndexer
from underpass.core.errors import ProviderError
from underpass.core.sse import MAX_EVENT_BYTES, SseDecoder, SseEvent

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_MAX_MESSAGE_CHARS = 2_000


class Assembler:
    """Takes the bytes of one answer and gives its pieces as they become certain.

    `so_far`: the text that a server was asked to go on with. Some servers (llama.cpp in some of its
    versions) repeat all of it at the head of their first piece, and do not say so; it is left out.
    """

    def __init__(self, so_far: str = "") -> None:
        self.usage: dict[str, Any] | None = None
        """Token counts, as the server sent them."""
        self.server_timings: dict[str, Any] | None = None
        """llama.cpp's own `timings`."""
        self.finish_reason: str | None = None
        self.model: str | None = None
        """What the server calls the model that answered."""
        self.error: AnswerError | None = None
        self.is_done = False
        """Whether the server said `[DONE]`."""
        self.bad_events = 0
        """Events that are no JSON object."""
        self._sse = SseDecoder()
        self._whole: bytearray | None = None
        self._is_undecided = True
        self._so_far = so_far
        self._think = ThinkSplitter()
        self._tools = ToolCallIndexer()
        self._surrogates = {PieceKind.TEXT: "", PieceKind.REASONING: ""}

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that `data` completes; raises ProviderError for an endless event."""
        if self._is_undecided:
            start = data.lstrip()
            if not start:
                return []
            data = start
            # One JSON document instead of a stream; some servers ignore `stream: true`.
            self._whole = bytearray() if start.startswith(b"{") else None
            self._is_undecided = False
        if self._whole is None:
            return self._take(self._sse.feed(data))
        self._whole += data
        if len(self._whole) > MAX_EVENT_BYTES:
            raise ProviderError(
                "The model server sent one document that does not end.",
                code="upstream_answer_invalid",
            )
        return []

    def finish(self) -> list[Piece]:
        """What is left when the bytes have ended."""
        if self._whole is not None:
            document, self._whole = bytes(self._whole).decode("utf-8", "replace"), None
            events = [SseEvent("message", document)]
        else:
            events = self._sse.finish()
        pieces = self._take(events)
        pieces += self._split(self._think.finish())
        for kind in (PieceKind.REASONING, PieceKind.TEXT):
            if self._surrogates[kind]:
                self._surrogates[kind] = ""
                pieces.append(Piece(kind, "\ufffd"))
        return merge(pieces)

    # --- events ------------------------------------------------------------------------------

    def _take(self, events: Iterable[SseEvent]) -> list[Piece]:
        pieces: list[Piece] = []
        for event in events:
            if self.is_done:
                break
            if event.data.strip() == "[DONE]":
                self.is_done = True
                break
            for document in self._documents(event.data):
                self._take_document(event.name, document, pieces)
        return merge(pieces)

    def _documents(self, data: str) -> list[dict[str, Any]]:
        whole = _parse(data)
        if whole is not None:
            return [whole]
        # Some servers leave out the blank line between events.
        documents = []
        for line in filter(None, map(str.strip, data.split("\n"))):
            if line == "[DONE]":
                self.is_done = True
                break
            document = _parse(line)
            if document is None:
                self.bad_events += 1
            else:
                documents.append(document)
        return documents

    def _take_document(self, name: str, document: dict[str, Any], pieces: list[Piece]) -> None:
        error = read_error(document, is_error_event=name == "error")
        if error is not None:
            self.error = self.error or error
            return
        if isinstance(document.get("usage"), dict):
            self.usage = document["usage"]
        if isinstance(document.get("timings"), dict):
            self.server_timings = document["timings"]
        if isinstance(document.get("model"), str):
            self.model = document["model"]
        choices = document.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                self._take_choice(choice, pieces)

    def _take_choice(self, choice: dict[str, Any], pieces: list[Piece]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice.get("message")
        if not isinstance(delta, dict):
            delta = {"content": choice.get("text")}
        for key in ("reasoning", "reasoning_content"):
            thought = _plain(delta.get(key))
            if thought:
                self._add(PieceKind.REASONING, thought, pieces)
                break
        self._take_content(delta.get("content"), pieces)
        refusal = _plain(delta.get("refusal"))
        if refusal:
            self._add(PieceKind.TEXT, refusal, pieces)
        for key in ("tool_calls", "function_call"):
            if delta.get(key):
                pieces += (
                    Piece(PieceKind.TOOL, tool=_mended(call))
                    for call in self._tools.take(delta[key])
                )
                break
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.finish_reason = reason[:64]

    def _take_content(self, content: object, pieces: list[Piece]) -> None:
        """Text, or a list of typed parts of which some are thoughts."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
                thought = _plain(part.get("thinking") or part.get("text") or part.get("reasoning"))
                self._add(PieceKind.REASONING, thought, pieces)
            else:
                text = self._without_echo(_plain(part))
                if text:
                    pieces += self._split(self._think.feed(text))

    # --- text --------------------------------------------------------------------------------

    def _without_echo(self, text: str) -> str:
        """The text without what the server was given. Only its first piece can be such an echo, and
        only when it holds more than that: a model that says one word twice is no echo."""
        if not text:
            return text
        so_far, self._so_far = self._so_far, ""
        is_echo = len(text) > len(so_far) and text.startswith(so_far)
        return text[len(so_far) :] if is_echo else text

    def _split(self, parts: Iterable[tuple[str, bool]]) -> list[Piece]:
        pieces: list[Piece] = []
        for text, is_reasoning in parts:
            self._add(PieceKind.REASONING if is_reasoning else PieceKind.TEXT, text, pieces)
        return pieces

    def _add(self, kind: PieceKind, text: str, pieces: list[Piece]) -> None:
        """Appends the text; half a surrogate pair waits for its other half."""
        text = self._surrogates[kind] + text
        self._surrogates[kind] = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._surrogates[kind] = text[:-1], text[-1]
        if text:
            pieces.append(Piece(kind, _mend(text)))


def read_error(document: dict[str, Any], *, is_error_event: bool = False) -> AnswerError | None:
    """The error that a document is, in any of the shapes that servers use; None if it is none."""
    error = document.get("error") or None
    if error is None and (
        is_error_event
        or document.get("object") == "error"
        or ("detail" in document and "choices" not in document)
    ):
        error = document
    if error is None:
        return None
    if not isinstance(error, dict):
        return AnswerError("upstream_error", _sentence(error))
    hint = error.get("hint")
    return AnswerError(
        _code(error.get("code")) or _code(error.get("type")) or "upstream_error",
        _sentence(error.get("message") or error.get("detail")),
        hint if isinstance(hint, str) else None,
    )


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _sentence(value: object) -> str:
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    text = _mend(str(value)).strip() if value is not None else ""
    return text[:_MAX_MESSAGE_CHARS] or "The model server reported an error without a message."


def _parse(data: str) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _plain(value: object) -> str:
    """The text of a string, of a `{"text": …}` part, or of a list of such; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _plain(value.get("text"))
    if isinstance(value, list):
        return "".join(_plain(part) for part in value)
    return ""


def _mend(text: str) -> str:
    """The text with surrogate pairs joined and with nothing that a store or a wire refuses."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    if any("\ud800" <= character <= "\udfff" for character in text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\ufffd")


def _mended(call: dict[str, Any]) -> dict[str, Any]:
    call["function"] = {key: _mend(value) for key, value in call["function"].items()}
    if "id" in call:
        call["id"] = _mend(call["id"])
    return call
