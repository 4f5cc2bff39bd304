"""HTTP/1.1 as the agent speaks it to a model server: bytes in, heads and body bytes out. Pure.

Ours and not a library's because of one path: a streamed answer arrives as tens of thousands of
small chunks a second, and each must cost next to nothing between the socket and the link
(docs/decisions/0005). It is strict where leniency would be guessing: a server that does not
speak HTTP gets a typed error, and nothing that it sends can make the agent wait or grow.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128
MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 16 * 1024

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,16}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
_SHORT_SIZE_BYTES = 8
# Sizes as nearly all servers write them, up to 4 KiB: one look in place of a match and a number.
_SIZES = {form % size: size for form in (b"%x", b"%X") for size in range(1, 4097)}
_NO_BODY = frozenset({204, 304})


class BadAnswer(Exception):
    """What the server sends is not HTTP/1.1; the text says where it is not."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """Status and headers as they came, and how the body is to be read."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: Body
    keeps_alive: bool


def request_head(
    method: str, path: str, host: str, headers: Iterable[tuple[str, str]], *, is_chunked: bool
) -> bytes:
    """The head of a request. Raises ValueError for what would break out of its line."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if is_chunked:
        lines.append("Transfer-Encoding: chunked")
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a line break in a request's head")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


# --- bodies ----------------------------------------------------------------------------------


class Body(ABC):
    """Reads one body: `feed` what came, get what it carries; `is_done` at its end."""

    __slots__ = ("is_done", "rest")

    def __init__(self) -> None:
        self.is_done = False
        self.rest = b""
        """Bytes after the end: no server has a reason to send any."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`. Raises BadAnswer."""

    def end(self) -> None:
        """The connection ended. Raises BadAnswer if the body had not."""
        if not self.is_done:
            raise BadAnswer("the connection ended before the answer")


class Counted(Body):
    """Content-Length."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.is_done = length == 0

    def feed(self, data: bytes) -> bytes:
        """Up to the length."""
        left = self._left - len(data)
        if left < 0:
            data, self.rest = data[:left], data[left:]
            left = 0
        self._left = left
        self.is_done = left == 0
        return data


class UntilClose(Body):
    """Neither length nor chunks: the end of the connection is the end."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return data

    def end(self) -> None:
        """The only end that it has."""
        self.is_done = True


class Chunked(Body):
    """Transfer-Encoding: chunked. Extensions and trailers are dropped."""

    __slots__ = ("_buffer", "_left", "_stage", "_trailer_bytes")

    _SIZE, _DATA, _CRLF, _TRAILER = range(4)

    def __init__(self) -> None:
        super().__init__()
        self._stage = self._SIZE
        self._left = 0
        self._buffer = b""
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The chunks' content, joined."""
        if self._stage != self._SIZE or self._buffer:
            return self._feed_in_steps(data)
        # What nearly always comes: one whole chunk, or a few.
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while (end_of_line := data.find(b"\r\n", at, at + _SHORT_SIZE_BYTES)) >= 0:
            size = _SIZES.get(data[at:end_of_line])
            if size is None:
                break
            start = end_of_line + 2
            stop = start + size
            if not data.startswith(b"\r\n", stop):
                break
            pieces.append(data[start:stop])
            at = stop + 2
            if at == end:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.append(self._feed_in_steps(data[at:] if at else data))
        return b"".join(pieces)

    def _feed_in_steps(self, data: bytes) -> bytes:
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.is_done:
            if self._stage == self._DATA:
                stop = min(len(data), at + self._left)
                pieces.append(data[at:stop])
                self._left -= stop - at
                at = stop
                if not self._left:
                    self._stage = self._CRLF
                continue
            after = self._line(data, at)
            if after is None:
                self._buffer = data[at:]
                return b"".join(pieces)
            at = after
        self.rest = data[at:] if self.is_done else b""
        return b"".join(pieces)

    def _line(self, data: bytes, at: int) -> int | None:
        """Reads one line that is not content; where it ends, or None while it is not whole."""
        if self._stage == self._CRLF:
            return self._chunk_end(data, at)
        if self._stage == self._SIZE:
            return self._chunk_size(data, at)
        return self._trailer(data, at)

    def _chunk_end(self, data: bytes, at: int) -> int | None:
        if not b"\r\n".startswith(data[at : at + 2]):
            raise BadAnswer("a chunk that is longer than it said")
        if len(data) < at + 2:
            return None
        self._stage = self._SIZE
        return at + 2

    def _chunk_size(self, data: bytes, at: int) -> int | None:
        line = _CHUNK.match(data, at)
        if line is None:
            end = data.find(b"\n", at)
            if end >= 0 or len(data) - at > MAX_CHUNK_LINE_BYTES:
                raise BadAnswer("a chunk without a size")
            return None
        self._left = int(line[1], 16)
        self._stage = self._DATA if self._left else self._TRAILER
        return line.end()

    def _trailer(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\r\n", at)
        if (end if end >= 0 else len(data)) - at + self._trailer_bytes > MAX_TRAILER_BYTES:
            raise BadAnswer("an endless trailer")
        if end < 0:
            return None
        self._trailer_bytes += end + 2 - at
        self.is_done = end == at
        return end + 2


# --- heads -----------------------------------------------------------------------------------


class HeadReader:
    """Collects an answer's head; what came after it is in `rest`."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = b""
        self.rest = b""

    @property
    def has_begun(self) -> bool:
        """Whether the server has said anything yet."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> AnswerHead | None:
        """The final head once it is whole; interim ones (1xx) are passed over. Raises BadAnswer."""
        self._buffer = buffer = self._buffer + data
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                _check_beginning(buffer)
                return None
            if end > MAX_HEAD_BYTES:
                raise BadAnswer("headers without end")
            head = parse_head(buffer[:end], self._method)
            buffer = self._buffer = buffer[end + 4 :]
            if head.status >= 200:
                self.rest = buffer
                return head
            if head.status == 101:
                raise BadAnswer("an upgrade that nobody asked for")


def parse_head(text: bytes, method: str) -> AnswerHead:
    """The head in these lines (without the empty one). Raises BadAnswer."""
    first, *lines = text.split(b"\r\n")
    status_line = _STATUS.fullmatch(first)
    if status_line is None:
        raise BadAnswer("no status line")
    if len(lines) > MAX_HEADERS:
        raise BadAnswer("too many headers")
    headers = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise BadAnswer("a header that is none")
        headers.append((header[1], header[2]))
    status, is_old = int(status_line[2]), status_line[1] == b"0"
    body = _body(headers, status, method)
    words = {
        word.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for word in value.split(b",")
    }
    keeps_alive = b"close" not in words and (not is_old or b"keep-alive" in words)
    return AnswerHead(
        status, tuple(headers), body, keeps_alive and not isinstance(body, UntilClose)
    )


def _body(headers: Iterable[tuple[bytes, bytes]], status: int, method: str) -> Body:
    """How the body is delimited (RFC 9112 §6.3)."""
    if method == "HEAD" or status < 200 or status in _NO_BODY:
        return Counted(0)
    encodings = [v.strip().lower() for n, v in headers if n.lower() == b"transfer-encoding"]
    if encodings:
        if encodings != [b"chunked"]:
            raise BadAnswer("an unknown transfer encoding")
        return Chunked()
    lengths = {value for name, value in headers if name.lower() == b"content-length"}
    if not lengths:
        return UntilClose()
    if len(lengths) > 1 or not _LENGTH.fullmatch(length := lengths.pop()):
        raise BadAnswer("a length that is none")
    return Counted(int(length))


def _check_beginning(buffer: bytes) -> None:
    """What has come of a head so far must still be able to become one."""
    if len(buffer) > MAX_HEAD_BYTES:
        raise BadAnswer("headers without end")
    start = buffer[:7]
    if not b"HTTP/1.".startswith(start):
        raise BadAnswer("no status line")
