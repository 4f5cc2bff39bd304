"""What is refused before anything is stored."""

import json

import pytest

from underpass.chat.check import (
    MAX_CONTENT_CHARS,
    checked_content,
    checked_settings,
    checked_title,
)
from underpass.core.errors import InvalidRequest, TooLarge


def test_content() -> None:
    """Empty and endless messages are refused with a clear word; white space within stays."""
    assert checked_content("  hi\n") == "  hi\n"
    with pytest.raises(InvalidRequest, match="empty") as caught:
        checked_content(" \n\t")
    assert checked_content(" \n\t", has_files=True)
    assert caught.value.code == "message_empty"
    with pytest.raises(TooLarge, match=r"2,097,153 characters; 2,097,152 is the limit"):
        checked_content("x" * (MAX_CONTENT_CHARS + 1))


def test_a_paste_of_a_megabyte_is_taken() -> None:
    """It is for the model to say that it is too long for it."""
    assert checked_content("x" * 1_048_576)


def test_settings() -> None:
    """Any fields within reason."""
    assert checked_settings(None) == {}
    assert checked_settings({"top_k": 3}) == {"top_k": 3}
    with pytest.raises(TooLarge):
        checked_settings({"grammar": "x" * 70_000})
    for odd in ("NaN", "Infinity", "1e999"):
        with pytest.raises(InvalidRequest, match="JSON does not have"):
            checked_settings(json.loads('{"a": [' + odd + "]}"))


def test_title() -> None:
    """One line, of a bounded length."""
    assert checked_title(" a \n b ") == "a b"
    with pytest.raises(TooLarge):
        checked_title("x" * 201)
