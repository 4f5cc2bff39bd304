"""OpenAI's shapes as the guide speaks them."""

import json
from typing import Any

import pytest

from underpass.core.errors import InvalidRequest, ModelNotFound
from underpass.demo import shapes


def read(is_chat: bool = True, **fields: Any) -> shapes.Asked:
    body = {"messages": [{"role": "user", "content": "hello there"}]} | fields
    return shapes.read_request(json.dumps(body).encode(), is_chat=is_chat)


@pytest.mark.parametrize("text", ["", "a", "  two  words ", "one\n\n- two\n- three\n", "ä — ß"])
def test_pieces_joined_are_the_text(text: str) -> None:
    """Streaming loses and adds nothing."""
    assert "".join(shapes.pieces_of(text)) == text


def test_max_tokens_and_stop_shorten_the_answer() -> None:
    """The finish reason says which: `length` for max_tokens, `stop` for everything else."""
    assert shapes.shorten("a b c d", read(max_tokens=2)) == shapes.Reply(("a", " b"), "length")
    assert shapes.shorten("a b c d", read(stop=" c")).text == "a b"
    assert shapes.shorten("a b", read(max_completion_tokens=2)).finish_reason == "stop"


def test_usage_counts_words_in_and_out() -> None:
    """`usage` is honest: what was read and what was written."""
    asked = read(
        messages=[{"role": "system", "content": "be kind"}, {"role": "user", "content": "x"}]
    )
    reply = shapes.shorten("a b c", asked)
    assert shapes.whole(asked, reply, "i", 0)["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 3,
        "total_tokens": 6,
    }


def test_parts_of_a_message_are_read_as_text() -> None:
    """Content as a list of parts: the texts count, a picture is passed over."""
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert read(messages=[{"role": "user", "content": parts}]).questions == ("hi ",)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"content": "x"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"stop": [1]},
        {"n": 2},
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any]) -> None:
    """An error says which field has to change."""
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.fields["param"] in fields


def test_bodies_that_are_no_request() -> None:
    """Not JSON, not an object, another model, no prompt."""
    for body in (b"{", b"[]", b"\xff"):
        with pytest.raises(InvalidRequest):
            shapes.read_request(body, is_chat=True)
    with pytest.raises(ModelNotFound):
        read(model="gpt-4")
    with pytest.raises(InvalidRequest):
        read(is_chat=False)
    assert read(is_chat=False, prompt=["once"]).questions == ("once",)
