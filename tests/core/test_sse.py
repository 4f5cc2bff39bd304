"""Server-sent events from bytes, whatever the pieces they come in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import ProviderError
from underpass.core.sse import MAX_EVENT_BYTES, SseDecoder, SseEvent

NASTY = (
    b"\xef\xbb\xbf: hello\r\n\r\ndata: one\r\ndata:two\r\n\r\n"
    b"event: error\ndata: \xe2\x82\xac\n\nid: 7\ndata:  spaced\n\n\n\n"
    b'{"error": "bare"}\ndata\nretry: 3\rdata: cr\r\rdata: last'
)
EVENTS = [
    SseEvent("message", "one\ntwo"),
    SseEvent("error", "€"),
    SseEvent("message", " spaced", "7"),
    SseEvent("message", '{"error": "bare"}', "7"),
    SseEvent("message", "cr", "7"),
    SseEvent("message", "last", "7"),
]


def decode(pieces: list[bytes]) -> list[SseEvent]:
    """All events of the pieces."""
    decoder = SseDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


def test_takes_what_servers_send() -> None:
    """BOM, comments, three kinds of line end, bare JSON and an end without a blank line."""
    assert decode([NASTY]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_pieces_of_one_size_give_the_same(size: int) -> None:
    """Cut into equal pieces, whatever they cut through."""
    assert decode([NASTY[at : at + size] for at in range(0, len(NASTY), size)]) == EVENTS


@given(cuts=st.lists(st.integers(0, len(NASTY)), max_size=12))
def test_split_points_do_not_matter(cuts: list[int]) -> None:
    """Any split of the bytes gives the same events."""
    edges = [0, *sorted(cuts), len(NASTY)]
    assert decode([NASTY[a:b] for a, b in itertools.pairwise(edges)]) == EVENTS


def test_an_event_without_end_is_refused() -> None:
    """Memory does not grow with a line, or an event, that never ends."""
    decoder = SseDecoder()
    with pytest.raises(ProviderError, match="does not end"):
        decoder.feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1))
    decoder = SseDecoder()
    with pytest.raises(ProviderError, match="does not end"):
        for _ in range(9):
            decoder.feed(b"data: " + b"x" * (1024 * 1024) + b"\n")


def test_says_whether_bytes_are_waiting() -> None:
    """Empty between events, and not within one."""
    decoder = SseDecoder()
    assert decoder.is_empty
    decoder.feed(b"data: a")
    assert not decoder.is_empty
    decoder.feed(b"\n\n")
    assert decoder.is_empty
