"""What a model gets to read."""

from dataclasses import dataclass
from typing import Any

import pytest

from underpass.chat.prompt import branch_of, check_settings, request_body
from underpass.core.errors import InvalidRequest


@dataclass(frozen=True)
class Said:
    """A message, as far as a model is concerned."""

    id: str
    parent_id: str | None
    role: str
    content: str
    attachments: list[dict[str, Any]] | None = None


A = Said("a", None, "user", "one")
B = Said("b", "a", "assistant", "two")
B2 = Said("b2", "a", "assistant", "other answer")
C = Said("c", "b", "user", "three")
ALL = [A, B, B2, C]


def test_only_the_branch_is_sent() -> None:
    """Siblings and what lies below are not part of the question."""
    assert branch_of(ALL, "c") == [A, B, C]
    assert branch_of(ALL, "b2") == [A, B2]
    assert branch_of(ALL, None) == []


def test_a_damaged_tree_does_not_send_us_in_circles() -> None:
    """A parent that is missing, or that is a child as well, ends the branch."""
    assert branch_of([Said("x", "gone", "user", "")], "x") == [Said("x", "gone", "user", "")]
    loop = [Said("x", "y", "user", ""), Said("y", "x", "user", "")]
    assert branch_of(loop, "x") == loop[::-1]


def test_the_body() -> None:
    """Messages in order, our own stream fields, and the settings as they are."""
    body = request_body("p/m", [A, B, C], {"temperature": 0, "system_prompt": "Be kind."})
    assert body == {
        "temperature": 0,
        "model": "p/m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_an_answer_without_a_word_is_left_out() -> None:
    """Users' messages around a failed answer are joined: templates insist on turns."""
    branch = [A, Said("b", "a", "assistant", ""), Said("c", "b", "user", "again?")]
    assert request_body("m", branch, {})["messages"] == [
        {"role": "user", "content": "one\n\nagain?"}
    ]


FILE = {"id": "fil_1", "name": "a.py", "kind": "text", "bytes": 9, "text_chars": 9}


def test_files_stand_ahead_of_the_words() -> None:
    """As placeholders, which whoever asks fills; a message may be files alone."""
    place = {"type": "underpass_file", "id": "fil_1", "name": "a.py", "kind": "text", "size": 9}
    asked = Said("a", None, "user", "what is it?", [FILE])
    wordless = Said("c", "b", "user", "", [FILE])
    assert request_body("m", [asked, B, wordless], {})["messages"] == [
        {"role": "user", "content": [place, {"type": "text", "text": "what is it?"}]},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [place]},
    ]
    failed = Said("b", "a", "assistant", "")
    joined = request_body("m", [A, failed, wordless, asked], {})["messages"]
    words = {"type": "text", "text": "one"}
    assert joined[0]["content"] == [words, place, place, {"type": "text", "text": "what is it?"}]


def test_stream_options_may_be_added_to() -> None:
    """A server's own stream options pass beside ours."""
    body = request_body("m", [A], {"stream_options": {"continuous_usage_stats": True}})
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_our_fields_cannot_be_set(name: str) -> None:
    """What makes it a chat is not a setting."""
    with pytest.raises(InvalidRequest, match=name):
        check_settings({name: 1})


def test_the_system_prompt_is_text() -> None:
    """Text or nothing; the rest is the server's to judge."""
    check_settings({"system_prompt": None, "anything": object()})
    with pytest.raises(InvalidRequest, match="system_prompt"):
        check_settings({"system_prompt": ["x"]})
