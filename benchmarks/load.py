"""The client of the benchmark: raw sockets under uvloop, so that it costs little beside what it measures.

Each event of the stub carries the moment at which it was written, and both clocks are the same
monotonic one, so a chunk's delay is measured one way and exactly.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import cast

from benchmarks.paths import Way

READ_BYTES = 256 * 1024
START_S = 0.5


@dataclass
class StreamResult:
    """What one client saw of one stream; times in milliseconds."""

    first_byte_ms: float = 0.0
    delays_ms: list[float] = field(default_factory=list)
    is_whole: bool = False


def _request(way: Way, path: str, body: dict[str, object]) -> bytes:
    payload = json.dumps({"model": way.model, "messages": [], **body}).encode()
    auth = f"Authorization: Bearer {way.key}\r\n" if way.key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\n{auth}Content-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


class _Unchunk:
    """Takes chunked coding off a body: the hops may cut it anywhere, even within a number."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = -1  # bytes of the running chunk with its line end; -1 while in the head
        self.is_ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the body these bytes hold."""
        self._buffer += data
        if self._left < 0:
            _, blank, rest = self._buffer.partition(b"\r\n\r\n")
            if not blank:
                return b""
            self._buffer, self._left = rest, 0
        body = []
        while not self.is_ended and self._buffer:
            if self._left == 0 and not self._next_chunk():
                break
            piece = self._buffer[: self._left]
            self._buffer = self._buffer[len(piece) :]
            body.append(piece if len(piece) <= self._left - 2 else piece[: self._left - 2])
            self._left -= len(piece)
        return b"".join(body)

    def _next_chunk(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        size = int(line.split(b";")[0], 16)
        self._buffer, self._left, self.is_ended = rest, size + 2, size == 0
        return not self.is_ended


class _StreamClient(asyncio.Protocol):
    """Sends one streaming request and reads the stamps of its events as they arrive."""

    def __init__(self, request: bytes, result: StreamResult) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._request = request
        self._result = result
        self._tail = b""
        self._unchunk = _Unchunk()
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._sent_ns = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        data = self._tail + self._unchunk.feed(data)
        pieces = data.split(b" @")
        for piece in pieces[1:-1]:
            self._note(now_ns, piece)
        last = pieces[-1]
        if len(pieces) > 1 and b" " in last:
            self._note(now_ns, last)
            self._tail = last[-8:]
        else:  # the stamp itself may have been split
            self._tail = (b" @" + last if len(pieces) > 1 else last)[-64:]
        if self._unchunk.is_ended:
            self._result.is_whole = True
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _note(self, now_ns: int, piece: bytes) -> None:
        stamp = piece.partition(b" ")[0]
        if not self._result.delays_ms:
            self._result.first_byte_ms = (now_ns - self._sent_ns) / 1e6
        self._result.delays_ms.append((now_ns - int(stamp)) / 1e6)


async def run_streams(
    way: Way,
    count: int,
    rate: float,
    seconds: float,
    chunk_bytes: int,
    is_probing: bool = False,
    start_s: float = START_S,
) -> tuple[list[StreamResult], list[float]]:
    """`count` streams at once, started over `start_s` so that they do not tick together.

    With `is_probing` short streams come and go one by one while they flow: their first bytes, in
    milliseconds, are the second half of the answer.
    """
    stub = {"chunks": int(rate * seconds), "rate": rate, "chunk_bytes": chunk_bytes, "stamp": True}
    request = _request(way, way.chat_path, {"stream": True, "stub": stub})
    results = [StreamResult() for _ in range(count)]
    clients = []
    for result in results:
        clients.append(await _open_stream(way, request, result))
        await asyncio.sleep(start_s / count)
    first_bytes = []
    if is_probing:
        first_bytes = await _probe_first_bytes(way, time.monotonic() + seconds - 2 * START_S)
    await asyncio.gather(*(client.done for client in clients))
    broken = [r for r in results if not r.is_whole or len(r.delays_ms) != stub["chunks"]]
    if broken:
        raise RuntimeError(f"{way.name}: {len(broken)} of {count} streams were not whole")
    return results, first_bytes


async def _open_stream(way: Way, request: bytes, result: StreamResult) -> _StreamClient:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: _StreamClient(request, result), "127.0.0.1", way.port
    )
    return client


async def _probe_first_bytes(way: Way, until: float) -> list[float]:
    stub = {"chunks": 2, "chunk_bytes": 200, "stamp": True}
    request = _request(way, way.chat_path, {"stream": True, "stub": stub})
    found = []
    while time.monotonic() < until:
        result = StreamResult()
        client = await _open_stream(way, request, result)
        await client.done
        found.append(result.first_byte_ms)
        await asyncio.sleep(0.01)
    return found


async def run_calls(way: Way, connections: int, seconds: float) -> tuple[int, list[float]]:
    """Small calls one after another on each kept connection: how many, and each one's time in ms."""
    request = _request(way, way.chat_path, {"stub": {"chunks": 1}})
    until = time.monotonic() + seconds
    took_ms: list[float] = []

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
        while time.monotonic() < until:
            began = time.monotonic_ns()
            writer.write(request)
            await _read_answer(reader)
            took_ms.append((time.monotonic_ns() - began) / 1e6)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(connections)))
    return len(took_ms), took_ms


async def _read_answer(reader: asyncio.StreamReader) -> int:
    """Reads one answer, counted or chunked, to its end; its body's size."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(head.decode())
    if b"content-length:" in head:
        size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        left = size
        while left:
            left -= len(await reader.read(min(left, READ_BYTES)))
        return size
    size = 0
    while piece := int((await reader.readline()).split(b";")[0], 16):
        await reader.readexactly(piece + 2)
        size += piece
    await reader.readline()
    return size


async def run_download(way: Way, size: int) -> float:
    """MB/s of one answer of `size` bytes."""
    request = _request(way, "/v1/audio/speech", {"stub": {"body_bytes": size}})
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port, limit=READ_BYTES)
    began = time.monotonic()
    writer.write(request)
    got = await _read_answer(reader)
    took = time.monotonic() - began
    writer.close()
    if got != size:
        raise RuntimeError(f"{way.name}: {got} of {size} bytes")
    return size / took / 1e6


async def run_upload(way: Way, size: int) -> float:
    """MB/s of one request of `size` bytes."""
    request = _request(way, way.chat_path, {"pad": "x" * size})
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    began = time.monotonic()
    writer.write(request)
    await _read_answer(reader)
    took = time.monotonic() - began
    writer.close()
    return size / took / 1e6
