"""The small HTTP/1.1 that the stub model server speaks: a request parser and a writer of answers.

Not a web framework: it exists because a benchmark must not measure its own server, and because a test
wants to see each byte and each close of the connection.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

PATTERN_BYTES = 256
_FILL = bytes(32 + (i * 7) % 94 for i in range(PATTERN_BYTES - 17)) + b"\n"
Finished = Callable[["Request"], None]


def numbered_bytes(offset: int, length: int) -> bytes:
    """Part of an endless text whose every 256 bytes say where they stand, so that a byte that is lost,
    doubled or moved shows."""
    first, last = offset // PATTERN_BYTES, (offset + length - 1) // PATTERN_BYTES
    text = b"".join([b"%015d " % block + _FILL for block in range(first, last + 1)])
    start = offset - first * PATTERN_BYTES
    return text[start : start + length]


@dataclass
class Request:
    """One request as it came, and what became of it. Times are `time.monotonic()`."""

    method: str
    path: str
    headers: dict[str, str]
    began_at: float
    body: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    body_hash: str = ""
    chunks_sent: int = 0
    bytes_sent: int = 0
    ended_at: float | None = None
    outcome: str = "open"  # open, complete, disconnected, cut
    tag: str = ""  # what the test calls this request


class HttpConnection(asyncio.Protocol):
    """Parses requests on one connection, one at a time, and hands each to `on_request`.

    The body is kept up to `keep_bytes`; all of it is counted and hashed.
    """

    keep_bytes = 1 << 20

    def __init__(self, on_request: Callable[["HttpConnection", Request], None]) -> None:
        self._on_request = on_request
        self._buffer = bytearray()
        self._left = 0  # of a body with Content-Length
        self._is_chunked = False
        self._hash = hashlib.sha256()
        self.request: Request | None = None
        self.transport: asyncio.Transport
        self.can_write = asyncio.Event()
        self.can_write.set()
        self.on_gone: Callable[[], None] | None = None

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, error: Exception | None) -> None:
        self.can_write.set()
        if self.request is not None and self.request.ended_at is None:
            self.end("disconnected")
        if self.on_gone is not None:
            self.on_gone()

    def pause_writing(self) -> None:
        self.can_write.clear()

    def resume_writing(self) -> None:
        self.can_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.request is None and not self._take_head():
            return
        self._take_body()

    # -- requests

    def _take_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, path, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        self.request = Request(method, path, headers, time.monotonic())
        self._hash = hashlib.sha256()
        self._is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left = int(headers.get("content-length", "0"))
        return True

    def _take_body(self) -> None:
        request = self.request
        if request is None or request.body_hash:
            return
        if self._is_chunked:
            while (piece := self._next_chunk()) is not None:
                if not piece:
                    self._body_done(request)
                    return
                self._keep(request, piece)
            return
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        self._keep(request, piece)
        if self._left == 0:
            self._body_done(request)

    def _next_chunk(self) -> bytes | None:
        """The next whole chunk, empty for the last one, None while it is not all here."""
        line_end = self._buffer.find(b"\r\n")
        if line_end < 0:
            return None
        size = int(bytes(self._buffer[:line_end]).split(b";")[0], 16)
        end = line_end + 2 + size
        if len(self._buffer) < end + 2:
            return None
        piece = bytes(self._buffer[line_end + 2 : end])
        del self._buffer[: end + 2]
        return piece

    def _keep(self, request: Request, piece: bytes) -> None:
        self._hash.update(piece)
        request.body_bytes += len(piece)
        if len(request.body) < self.keep_bytes:
            request.body += piece[: self.keep_bytes - len(request.body)]

    def _body_done(self, request: Request) -> None:
        request.body_hash = self._hash.hexdigest()
        self._on_request(self, request)

    # -- answers

    def head(self, status: int, content_type: str, length: int | None, extra: str = "") -> None:
        size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
        text = f"HTTP/1.1 {status} Stub\r\nContent-Type: {content_type}\r\n{size}\r\n{extra}\r\n"
        self.transport.write(text.encode())

    def answer(
        self, status: int, body: bytes, content_type: str = "application/json", extra: str = ""
    ) -> None:
        """A whole answer at once; the connection is then free for the next request."""
        self.head(status, content_type, len(body), extra)
        self.transport.write(body)
        self.end("complete")

    def chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def last_chunk(self) -> None:
        self.transport.write(b"0\r\n\r\n")
        self.end("complete")

    def end(self, outcome: str) -> None:
        if self.request is not None and self.request.ended_at is None:
            self.request.outcome = outcome
            self.request.ended_at = time.monotonic()
        self.request = None
        if self._buffer and outcome == "complete":
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def cut(self) -> None:
        """As a crashing server would: the connection is reset in the middle."""
        self.end("cut")
        self.transport.abort()
