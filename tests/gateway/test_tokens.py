"""Tokens, found at the end of an answer."""

import pytest

from underpass.gateway.tokens import Tokens, estimate, find

CHAT = (
    b'{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":12,"total_tokens":19,'
    b'"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3}}}'
)
STREAM = [
    b'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7}}\n\n',
    b"data: [DONE]\n\n",
    b"",
]
ANTHROPIC = (
    b'event: message_delta\ndata: {"type":"message_delta",'
    b'"usage":{"input_tokens":5,"output_tokens":9}}\n\n'
)


@pytest.mark.parametrize(
    ("chunks", "tokens"),
    [
        ([CHAT], Tokens(12, 7)),
        ([CHAT[:90], CHAT[90:]], Tokens(12, 7)),
        ([bytes([byte]) for byte in CHAT[-600:]], Tokens(12, 7)),
        (STREAM, Tokens(12, 7)),
        ([ANTHROPIC], Tokens(5, 9)),
        ([b'{"object":"list","usage":{"prompt_tokens": 4, "total_tokens": 4}}'], Tokens(4, 0)),
        (STREAM[:1], None),
        ([], None),
        ([b'{"usage":{"note":"nothing"}}'], None),
    ],
)
def test_what_servers_say(chunks: list[bytes], tokens: Tokens | None) -> None:
    """Documents and streams of both shapes, however they were cut; the last word counts."""
    assert find(chunks) == tokens


def test_a_model_cannot_say_what_it_used() -> None:
    """Inside a string the quotes are escaped."""
    said = rb'{"content":"\"usage\":{\"completion_tokens\":0}"}'
    assert find([said]) is None
    assert find([CHAT[:-1], said, b"}"]) == Tokens(12, 7)


def test_an_estimate_is_never_nothing() -> None:
    """For a limit, an answer without a word on its tokens still counts."""
    assert [estimate(size) for size in (0, 1, 200, 201)] == [0, 1, 1, 2]
