"""Heads: what may stand in them, and that a bad one fails where it is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.pair import LinkedPair, request
from underpass.core.errors import BadFrame, TunnelError
from underpass.tunnel.protocol import Head
from underpass.tunnel.protocol.heads import decode_head, decode_open, encode_head, encode_open

VALUES = st.text(max_size=80).filter(lambda text: not set(text) & set("\0\r\n"))


# Half a character is no text: see below.
LINE = st.characters(min_codepoint=0x21, exclude_characters="\x7f", exclude_categories=["Cs"])


@given(value=VALUES, path=st.text(LINE))
def test_heads_come_back_as_they_were(value: str, path: str) -> None:
    """Any text that is one line passes, in order and with repeated names."""
    head = replace(request(), path=path, headers=(("x-a", value), ("x-a", "2"), ("X-A", value)))
    assert decode_open(encode_open(head, 77)) == (head, 77)
    answer = Head(599, head.headers)
    assert decode_head(encode_head(answer)) == answer


def test_half_a_character_becomes_a_mark() -> None:
    """As everywhere: a surrogate alone cannot be written as UTF-8, and U+FFFD stands for it."""
    head = replace(request(), path="/\ud800", headers=(("x-a", "b\udfff"),))
    read, _ = decode_open(encode_open(head, 0))
    assert (read.path, read.headers) == ("/\ufffd", (("x-a", "b\ufffd"),))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"headers": (("x", "a\r\nset-cookie: b"),)}, "head_invalid"),
        ({"headers": (("a b", "c"),)}, "head_invalid"),
        ({"path": "/v1/x HTTP/1.1\r\n"}, "head_invalid"),
        ({"method": "GET /"}, "head_invalid"),
        ({"request_id": "r" * 129}, "head_invalid"),
        ({"headers": (("x", "y" * 17_000),)}, "head_too_big"),
    ],
)
def test_a_bad_head_fails_at_the_hub_and_costs_no_link(
    change: dict[str, object], code: str
) -> None:
    """What the agent would close the link for is an error of `open`, with nothing taken."""
    pair = LinkedPair().connect()
    with pytest.raises(TunnelError) as caught:
        pair.hub.open(replace(request(), **change))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert pair.hub.budget.used == 0
    pair.open()


@pytest.mark.parametrize("status", [0, 99, 1000, -1])
def test_a_status_outside_of_http_is_refused(status: int) -> None:
    """Three digits, 100 to 999."""
    with pytest.raises(TunnelError):
        encode_head(Head(status, ()))


@pytest.mark.parametrize("text", [b"", b"{}", b"null", b'{"status":true,"headers":[]}'])
def test_what_is_no_head_is_a_bad_frame(text: bytes) -> None:
    """Missing and mistyped members are refused."""
    with pytest.raises(BadFrame):
        decode_head(text)
