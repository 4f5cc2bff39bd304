"""How an answer ended, and its numbers."""

import pytest

from tests.fakes.answers import DONE, delta, event
from underpass.chat.assemble import Assembler
from underpass.chat.outcome import (
    Stopwatch,
    ending_of,
    ending_of_error,
    ending_of_refusal,
    is_place_gone,
    timings,
    whole,
)
from underpass.chat.pieces import Piece, PieceKind
from underpass.core.errors import (
    AppError,
    ModelNotFound,
    ProviderError,
    ProviderTimeout,
    TunnelStopped,
    UpstreamUnreachable,
)
from underpass.store import MessageRecord


def after(*parts: bytes) -> Assembler:
    """An assembler that took these bytes to their end."""
    assembler = Assembler()
    for part in parts:
        assembler.feed(part)
    assembler.finish()
    return assembler


@pytest.mark.parametrize(
    ("parts", "has_content", "status", "code"),
    [
        ([delta(content="a"), DONE], True, "complete", None),
        ([delta(content="a")], True, "complete", None),
        ([delta("stop"), DONE], False, "complete", None),
        ([], False, "failed", "empty_answer"),
        ([b"<html>\n\n"], False, "failed", "empty_answer"),
        ([b"data: nonsense\n\n"], False, "failed", "upstream_answer_invalid"),
        ([b"data: x\n\n", delta("stop", content="a")], True, "complete", None),
        ([event({"error": {"message": "m", "code": "c"}})], True, "failed", "c"),
    ],
)
def test_endings(parts: list[bytes], has_content: bool, status: str, code: str | None) -> None:
    """From the bytes alone."""
    ending = ending_of(after(*parts), has_content=has_content)
    assert (ending.status, ending.error and ending.error.code) == (status, code)


@pytest.mark.parametrize(
    ("error", "has_content", "status", "is_gone"),
    [
        (ProviderTimeout("lost", hint="h"), True, "interrupted", True),
        (ProviderTimeout("lost"), False, "failed", True),
        (TunnelStopped("stopped"), True, "interrupted", True),
        (UpstreamUnreachable("broke off"), True, "interrupted", True),
        (UpstreamUnreachable("refused"), False, "failed", True),
        (ProviderError("too long", code="answer_too_large"), True, "failed", False),
        (ModelNotFound("no such model"), False, "failed", False),
    ],
)
def test_errors(error: AppError, has_content: bool, status: str, is_gone: bool) -> None:
    """What came is good when the place went away; code, message and hint are the error's."""
    ending = ending_of_error(error, has_content=has_content)
    assert ending.status == status
    assert ending.error is not None
    assert ending.error.as_json() == {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
    }
    assert is_place_gone(ending) is is_gone


@pytest.mark.parametrize(
    ("status", "body", "code", "message", "hint"),
    [
        (400, b'{"error": {"message": "too long", "code": "ctx"}}', "ctx", "too long", None),
        (400, b'{"object": "error", "message": "m", "type": "T"}', "T", "m", None),
        (422, b'{"message": "m"}', "upstream_error", "m", None),
        (500, b"<html>", "upstream_error", "The model server answered with status 500.", None),
        (401, b"", "upstream_error", "The model server answered with status 401.", "--upstream"),
        # A number as the code, as llama.cpp sends it: the type says what it is.
        (
            400,
            b'{"error": {"code": 400, "message": "m", "type": "exceed_context_size_error"}}',
            "exceed_context_size_error",
            "m",
            "start a new one",
        ),
        (
            400,
            b'{"error": {"message": "The maximum context length is 8."}}',
            "upstream_error",
            "The maximum context length is 8.",
            "start a new one",
        ),
        (413, b"[]", "upstream_error", "The model server answered with status 413.", "Shorten"),
    ],
)
def test_refusals(status: int, body: bytes, code: str, message: str, hint: str | None) -> None:
    """A server's own words where it has some, its status otherwise; a hint where we know one."""
    error = ending_of_refusal(status, body).error
    assert error is not None
    assert (error.code, error.message) == (code, message)
    assert (hint or "") in (error.hint or "")


def test_speed_from_the_servers_own_numbers() -> None:
    """llama.cpp says it; else the server's count of tokens over the time they took."""
    watch = Stopwatch(10.0)
    watch.note(10.5, has_text=False)
    watch.note(11.5, has_text=True)
    watch.note(12.5, has_text=True)
    told = after(event({"choices": [], "timings": {"predicted_per_second": 118.44}}), DONE)
    assert timings(watch, told, has_reasoning=True) == {
        "first_token_s": 0.5,
        "tokens_per_s": 118.4,
        "duration_s": 2.5,
        "reasoning_s": 1.0,
    }
    counted = after(event({"choices": [], "usage": {"completion_tokens": 40}}), DONE)
    assert timings(watch, counted, has_reasoning=False)["tokens_per_s"] == 20.0
    assert timings(watch, after(DONE), has_reasoning=False)["tokens_per_s"] is None


def test_no_numbers_without_a_word() -> None:
    """An answer that never began has no first token."""
    assert timings(Stopwatch(1.0), after(), has_reasoning=False) == {
        "first_token_s": None,
        "tokens_per_s": None,
        "duration_s": 0.0,
    }


def test_tool_calls_are_numbered_one_by_one() -> None:
    """Those that the message had and those of its run, whatever numbers the run gave them."""
    before = MessageRecord(
        id="msg_1",
        chat_id="cht_1",
        role="assistant",
        created_at=1.0,
        content="Hel",
        tool_calls=[{"index": 0, "function": {"name": "a", "arguments": ""}}],
    )
    pieces = [Piece(PieceKind.TEXT, "lo")]
    pieces += [
        Piece(PieceKind.TOOL, tool={"index": n, "function": {"name": name}})
        for n, name in enumerate("bcd")
    ]
    said = whole(before, pieces)
    assert said["content"] == "Hello"
    found = [(call["index"], call["function"]["name"]) for call in said["tool_calls"]]
    assert found == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
