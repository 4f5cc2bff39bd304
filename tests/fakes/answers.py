"""Answers as model servers really send them, and what is in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


def event(document: Any) -> bytes:
    """One SSE event with a JSON document."""
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: Any) -> bytes:
    """One chunk of chat/completions with these fields in its delta."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "model": "m", "choices": [choice]})


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@dataclass(frozen=True)
class Answered:
    """The bytes of an answer, and what they say."""

    body: bytes
    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(name, arguments)"""
    usage: dict[str, int] | None = None
    error: str | None = None
    is_done: bool = True
    bad_events: int = 0


CORPUS: dict[str, Answered] = {
    "vllm": Answered(
        delta(role="assistant", content="")
        + delta(content="Hel")
        + delta(content="lo")
        + delta("stop", content="")
        + event({"choices": [], "usage": USAGE})
        + DONE,
        text="Hello",
        finish="stop",
        usage=USAGE,
    ),
    "reasoning": Answered(
        delta(reasoning="hm") + delta(reasoning="m") + delta("stop", content="Yes") + DONE,
        text="Yes",
        reasoning="hmm",
        finish="stop",
    ),
    "reasoning_content_with_nulls": Answered(
        delta(reasoning_content="hm", content=None)
        + delta(reasoning_content=None, content="Yes")
        + delta("stop", reasoning_content=None, content=None)
        + DONE,
        text="Yes",
        reasoning="hm",
        finish="stop",
    ),
    "both_fields_say_the_same": Answered(
        delta(reasoning="hm", reasoning_content="hm") + delta("stop", content="Yes") + DONE,
        text="Yes",
        reasoning="hm",
        finish="stop",
    ),
    "think_tags_in_pieces": Answered(
        b"".join(delta(content=part) for part in ("<th", "ink>\nlet me", " see</thi", "nk>\n\nYes"))
        + delta("stop")
        + DONE,
        text="Yes",
        reasoning="\nlet me see",
        finish="stop",
    ),
    "think_never_closed": Answered(
        delta(content="<think>and") + delta("length", content=" on </th") + DONE,
        reasoning="and on </th",
        finish="length",
    ),
    "parts": Answered(
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}])
        + delta("stop", content=[{"type": "text", "text": "Yes"}])
        + DONE,
        text="Yes",
        reasoning="hm",
        finish="stop",
    ),
    "no_done": Answered(
        delta(content="cut") + delta("stop"), text="cut", finish="stop", is_done=False
    ),
    "no_done_no_finish_no_blank_line": Answered(
        (delta(content="cut") + delta(content=" off")).rstrip(), text="cut off", is_done=False
    ),
    "unknown_role": Answered(
        delta(role="oracle", content="Doom") + delta("stop") + DONE, text="Doom", finish="stop"
    ),
    "tool_call_without_index": Answered(
        delta(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}])
        + delta(tool_calls=[{"function": {"arguments": ": 1}"}}])
        + delta(tool_calls=[{"id": "b", "function": {"name": "g", "arguments": "{}"}}])
        + delta("tool_calls")
        + DONE,
        calls=[("f", '{"x": 1}'), ("g", "{}")],
        finish="tool_calls",
    ),
    "error_in_mid_stream": Answered(
        delta(content="So ")
        + event({"error": {"message": "CUDA out of memory", "type": "server_error", "code": 500}})
        + DONE,
        text="So ",
        error="server_error: CUDA out of memory",
    ),
    "error_event": Answered(
        delta(content="So ")
        + b'event: error\ndata: {"message": "gone", "code": "tunnel_lost"}\n\n',
        text="So ",
        error="tunnel_lost: gone",
        is_done=False,
    ),
    "flat_error": Answered(
        event({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}),
        error="BadRequestError: too long",
        is_done=False,
    ),
    "error_as_text": Answered(
        event({"error": "boom"}), error="upstream_error: boom", is_done=False
    ),
    "bare_error_after_a_stream": Answered(
        delta(content="So ") + b'{"error": {"message": "proxy"}}\n',
        text="So ",
        error="upstream_error: proxy",
        is_done=False,
    ),
    "invalid_json_between": Answered(
        delta(content="a") + b"data: {nonsense\n\n" + delta("stop", content="b") + DONE,
        text="ab",
        finish="stop",
        bad_events=1,
    ),
    "not_an_answer": Answered(b"<html><body>502</body></html>\n", is_done=False),
    "json_instead_of_a_stream": Answered(
        json.dumps(
            {
                "choices": [
                    {
                        "message": {"role": "assistant", "content": "All at once"},
                        "finish_reason": "stop",
                    }
                ],
                "usage": USAGE,
            },
            indent=1,
        ).encode(),
        text="All at once",
        finish="stop",
        usage=USAGE,
        is_done=False,
    ),
    "lines_of_json": Answered(
        b'{"choices": [{"delta": {"content": "a"}}]}\n'
        b'{"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}\n',
        text="ab",
        finish="stop",
        is_done=False,
    ),
    "no_blank_lines": Answered(
        (delta(content="a") + delta("stop", content="b") + DONE).replace(b"\n\n", b"\n"),
        text="ab",
        finish="stop",
    ),
    "crlf_comments_bom": Answered(
        b"\xef\xbb\xbf: ping\r\n\r\n"
        + (delta(content="é€😀") + b": ping\n\n" + delta("stop") + DONE).replace(b"\n", b"\r\n"),
        text="é€😀",
        finish="stop",
    ),
    "half_surrogates": Answered(
        b'data: {"choices": [{"delta": {"content": "a\\ud83d"}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": "\\ude00b\\ud83d"}}]}\n\n' + DONE,
        text="a😀b\ufffd",
    ),
    "nul_and_lone_surrogate": Answered(
        b'data: {"choices": [{"delta": {"content": "a\\u0000\\ude00b"}}]}\n\n' + DONE,
        text="a\ufffd\ufffdb",
    ),
    "second_choice_is_left_out": Answered(
        event(
            {
                "choices": [
                    {"index": 1, "delta": {"content": "no"}},
                    {"index": 0, "delta": {"content": "yes"}},
                ]
            }
        )
        + DONE,
        text="yes",
    ),
    "odd_types": Answered(
        event({"choices": None})
        + event({"choices": ["x", {"delta": None}, {"delta": {"content": 5}}]})
        + event({"choices": [{"delta": {"content": "ok", "tool_calls": 3}}], "usage": "no"})
        + DONE,
        text="ok",
    ),
    "whitespace_first": Answered(
        b"\n\n  \n" + delta("stop", content="x") + DONE, "x", finish="stop"
    ),
    "refusal": Answered(delta("stop", refusal="I will not") + DONE, "I will not", finish="stop"),
    "legacy_text": Answered(event({"choices": [{"index": 0, "text": "old"}]}) + DONE, "old"),
    "after_done_nothing_counts": Answered(delta(content="a") + DONE + delta(content="b"), "a"),
    "nothing": Answered(b"", is_done=False),
}
