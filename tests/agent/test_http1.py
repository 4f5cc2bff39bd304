"""HTTP/1.1 towards a model server: every answer in every split, and what is none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.agent.http1 import (
    AnswerHead,
    BadAnswer,
    Chunked,
    HeadReader,
    UntilClose,
    request_head,
)


def read(raw: bytes, cuts: list[int], method: str = "POST") -> tuple[AnswerHead, bytes]:
    """The head and the whole body of an answer that comes in these pieces and then ends."""
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    reader = HeadReader(method)
    head: AnswerHead | None = None
    content = b""
    for start, stop in pairwise(places):
        piece = raw[start:stop]
        if head is None:
            head = reader.feed(piece)
            piece = reader.rest if head is not None else b""
        if head is not None and not head.body.is_done:
            content += head.body.feed(piece)
    assert head is not None
    head.body.end()
    return head, content


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
COUNTED = HEAD + b"Content-Length: 11\r\n\r\nhello world"
CHUNKED = (
    HEAD
    + b'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext="x"\r\n \r\n00005 \r\nworld\r\n'
    + b"0\r\nX-Trailer: yes\r\n\r\n"
)
CLOSING = b"HTTP/1.0 200\r\n\r\nhello world"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + COUNTED


@pytest.mark.parametrize("raw", [COUNTED, CHUNKED, CLOSING, INTERIM])
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_any_split(raw: bytes, cuts: list[int]) -> None:
    """However the bytes are cut, the same answer comes out."""
    head, content = read(raw, cuts)
    assert head.status == 200
    assert content == b"hello world"
    assert not head.body.rest


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=12),
)
def test_any_chunks(chunks: list[bytes], cuts: list[int]) -> None:
    """Any content in any chunks in any split, also content that looks like framing."""
    raw = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    body = Chunked()
    content = b"".join(body.feed(raw[a:b]) for a, b in pairwise(places))
    assert content == b"".join(chunks)
    assert body.is_done
    assert not body.rest


@given(raw=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_garbage(raw: bytes, cuts: list[int]) -> None:
    """Whatever comes, it is an answer, not yet one, or BadAnswer."""
    for prefix in (b"", HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"):
        try:
            read(prefix + raw, cuts)
        except (BadAnswer, AssertionError):
            continue


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no status line"),
        (b"HTTP/2 200\r\n\r\n", "no status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "no status line"),
        (HEAD + b"X\r\n\r\n", "a header that is none"),
        (HEAD + b" folded: x\r\n\r\n", "a header that is none"),
        (HEAD + b"X-\0: x\r\n\r\n", "a header that is none"),
        (HEAD + b"X: a\0b\r\n\r\n", "a header that is none"),
        (HEAD + b"X: a\nb\r\n\r\n", "a header that is none"),
        (HEAD + b"X: y\r\n" * 200 + b"\r\n", "too many headers"),
        (HEAD + b"X: " + b"y" * 70_000, "headers without end"),
        (HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "headers without end"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "a length that is none"),
        (HEAD + b"Content-Length: 1_0\r\n\r\n", "a length that is none"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "a length that is none"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "an unknown transfer encoding"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "an upgrade"),
    ],
)
def test_heads_that_are_none(raw: bytes, words: str) -> None:
    """Strict: what would have to be guessed is refused, and the text says what it was."""
    with pytest.raises(BadAnswer, match=words):
        HeadReader("GET").feed(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"x\r\n",
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloX",
        b"fffffffffffff\r\n",
        b"5;" + b"x" * 2000,
        b"0\r\n" + b"x" * 20_000,
        b"0\r\n" + b"X: y\r\n" * 4000,
    ],
)
def test_chunks_that_are_none(raw: bytes) -> None:
    """Sizes, ends and trailers that are wrong or endless."""
    with pytest.raises(BadAnswer):
        Chunked().feed(raw)


@pytest.mark.parametrize("raw", [COUNTED[:-1], CHUNKED[:-2], CHUNKED[:-30]])
def test_an_end_before_the_end(raw: bytes) -> None:
    """Never taken for a whole answer."""
    with pytest.raises(BadAnswer, match="ended before"):
        read(raw, [])


@pytest.mark.parametrize(
    ("raw", "method"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "POST"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "HEAD"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "POST"),
    ],
)
def test_answers_without_a_body(raw: bytes, method: str) -> None:
    """By status, by method, by length."""
    head, content = read(raw, [], method)
    assert content == b""
    assert head.keeps_alive


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200 OK", False),
    ],
)
def test_keep_alive(lines: bytes, keeps: bool) -> None:
    """Whether the connection may carry another request."""
    head = HeadReader("POST").feed(lines + b"\r\n\r\n")
    assert head is not None
    assert head.keeps_alive is keeps


def test_headers_as_they_came() -> None:
    """Order, case and repetition are kept; only blanks around values go."""
    head = HeadReader("GET").feed(
        b"HTTP/1.1 200 Fine\r\nX-B: 1\r\nx-a:\t caf\xe9 \r\nX-B: 2\r\nContent-Length: 0\r\n\r\n"
    )
    assert head is not None
    assert head.headers[:3] == ((b"X-B", b"1"), (b"x-a", b"caf\xe9"), (b"X-B", b"2"))


def test_what_follows_an_answer() -> None:
    """Bytes after the end are kept apart, not taken for content."""
    body = Chunked()
    assert body.feed(b"1\r\nx\r\n0\r\n\r\nHTTP/1.1") == b"x"
    assert body.rest == b"HTTP/1.1"
    head = HeadReader("GET").feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
    assert head is not None
    assert head.body.feed(b"xyz") == b"x"
    assert head.body.rest == b"yz"
    assert UntilClose().feed(b"all") == b"all"


def test_requests() -> None:
    """As they stand on the wire; a line break anywhere is refused."""
    assert request_head("POST", "/v1/x?y=%2F", "h:1", [("A", "é")], is_chunked=True) == (
        b"POST /v1/x?y=%2F HTTP/1.1\r\nHost: h:1\r\nA: \xc3\xa9\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    for bad in ("a\r\nb", "a\nb", "a\0b"):
        with pytest.raises(ValueError, match="line break"):
            request_head("GET", "/", "h", [("A", bad)], is_chunked=False)
