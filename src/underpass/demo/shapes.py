"""OpenAI's shapes, as far as the guide speaks them. Pure.

A "token" of this server is a word together with the white space before it: that is what it
streams, what `max_tokens` limits and what `usage` counts. There is no tokenizer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from underpass.core.errors import AppError, InvalidRequest, ModelNotFound

MODEL = "underpass-guide"
MAX_MODEL_LEN = 32768

_PIECE = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, read and checked."""

    questions: tuple[str, ...]
    """What the user said, oldest first."""
    prompt_pieces: int
    is_chat: bool
    is_stream: bool
    wants_usage: bool
    max_pieces: int | None
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, cut into what is streamed."""

    pieces: tuple[str, ...]
    finish_reason: str

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)


def read_request(body: bytes, *, is_chat: bool) -> Asked:
    """Reads the body of `chat/completions` or `completions`.

    Raises InvalidRequest naming the field that is wrong, ModelNotFound for any other model.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON ({error}).", param=None) from error
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.", param=None)
    model = document.get("model", MODEL)
    if model != MODEL:
        raise ModelNotFound(f"The model '{str(model)[:80]}' does not exist here, only '{MODEL}'.")
    if document.get("n", 1) not in (1, None):
        raise InvalidRequest("This server writes one answer: `n` must be 1.", param="n")
    texts, questions = _read_messages(document) if is_chat else _read_prompt(document)
    options = document.get("stream_options") or {}
    return Asked(
        questions=tuple(questions),
        prompt_pieces=sum(len(pieces_of(text)) for text in texts),
        is_chat=is_chat,
        is_stream=document.get("stream") is True,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_pieces=_max_pieces(document),
        stops=_stops(document),
    )


def pieces_of(text: str) -> tuple[str, ...]:
    """The text in the pieces that are streamed; joined they are the text."""
    return tuple(_PIECE.findall(text))


def shorten(text: str, asked: Asked) -> Reply:
    """The answer's text under the request's `stop` and `max_tokens`."""
    ends = [at for at in (text.find(stop) for stop in asked.stops) if at >= 0]
    pieces = pieces_of(text[: min(ends)] if ends else text)
    if asked.max_pieces is not None and len(pieces) > asked.max_pieces:
        return Reply(pieces[: asked.max_pieces], "length")
    return Reply(pieces, "stop")


def whole(asked: Asked, reply: Reply, answer_id: str, created: int) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": reply.finish_reason, "logprobs": None}
    if asked.is_chat:
        choice["message"] = {"role": "assistant", "content": reply.text, "refusal": None}
    else:
        choice["text"] = reply.text
    return {
        "id": answer_id,
        "object": "chat.completion" if asked.is_chat else "text_completion",
        "created": created,
        "model": MODEL,
        "choices": [choice],
        "usage": usage(asked, len(reply.pieces)),
    }


def chunk(
    asked: Asked, answer_id: str, created: int, text: str | None, finish: str | None
) -> bytes:
    """One event of a streamed answer: a piece of text, or the end with its reason."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
    if asked.is_chat:
        choice["delta"] = {} if text is None else {"content": text}
    else:
        choice["text"] = text or ""
    return _event(asked, answer_id, created, {"choices": [choice]})


def first_chunk(asked: Asked, answer_id: str, created: int) -> bytes:
    """The event that begins a streamed chat answer."""
    delta = {"role": "assistant", "content": ""}
    choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}
    return _event(asked, answer_id, created, {"choices": [choice]})


def usage_chunk(asked: Asked, answer_id: str, created: int, written: int) -> bytes:
    """The last event when the caller asked for usage."""
    return _event(asked, answer_id, created, {"choices": [], "usage": usage(asked, written)})


DONE = b"data: [DONE]\n\n"


def usage(asked: Asked, written: int) -> dict[str, int]:
    """How many words went in and out."""
    return {
        "prompt_tokens": asked.prompt_pieces,
        "completion_tokens": written,
        "total_tokens": asked.prompt_pieces + written,
    }


def models(created: int) -> dict[str, Any]:
    """The body of `/v1/models`."""
    return {
        "object": "list",
        "data": [
            {
                "id": MODEL,
                "object": "model",
                "created": created,
                "owned_by": "underpass",
                "max_model_len": MAX_MODEL_LEN,
            }
        ],
    }


def error_body(error: AppError) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kind = "invalid_request_error" if error.http_status < 500 else "server_error"
    param = error.fields.get("param")
    return {"error": {"message": error.message, "type": kind, "param": param, "code": error.code}}


def _event(asked: Asked, answer_id: str, created: int, rest: Mapping[str, Any]) -> bytes:
    document = {
        "id": answer_id,
        "object": "chat.completion.chunk" if asked.is_chat else "text_completion",
        "created": created,
        "model": MODEL,
        **rest,
    }
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


def _read_messages(document: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("`messages` must be a list with at least one.", param="messages")
    texts, questions = [], []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidRequest("Each of `messages` needs a `role`.", param="messages")
        text = _text_of(message.get("content"))
        texts.append(text)
        if message["role"] == "user":
            questions.append(text)
    return texts, questions


def _read_prompt(document: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    prompt = document.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise InvalidRequest("`prompt` must be a text.", param="prompt")
    return [prompt], [prompt]


def _text_of(content: object) -> str:
    """A message's text; pictures and sounds in it are not looked at."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, Sequence):
        parts = [p.get("text", "") for p in content if isinstance(p, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    raise InvalidRequest("`content` must be a text or a list of parts.", param="messages")


def _max_pieces(document: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidRequest(f"`{name}` must be a number of at least 1.", param=name)
        return value
    return None


def _stops(document: Mapping[str, Any]) -> tuple[str, ...]:
    stop = document.get("stop")
    listed = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(listed, list) or not all(isinstance(s, str) for s in listed):
        raise InvalidRequest("`stop` must be a text or a list of texts.", param="stop")
    return tuple(s for s in listed if s)
