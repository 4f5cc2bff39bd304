"""A model server that misbehaves as the request asks: `python -m chaos.hostile --port 9000`.

`{"model": "hostile", "hurt": "garbage"}`; it lists its model like an honest one, so that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Awaitable, Callable

from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import sse_event

EVENT_BYTES = 400
HUGE_BYTES = 100_000_000
PIECE_BYTES = 256 * 1024
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
Hurt = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hung(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing, until the client goes."""
    await reader.read()


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Three events, a byte at a time."""
    writer.write(_HEAD)
    for number in range(3):
        event = sse_event(number, 250)
        for at in range(len(event)):
            writer.write(b"1\r\n%b\r\n" % event[at : at + 1])
            await asyncio.sleep(0.005)
    writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes that are no HTTP."""
    writer.write(random.Random("garbage").randbytes(100_000))


async def garbage_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A good head and one good event, then bytes that are no chunk."""
    writer.write(_HEAD + _chunk(sse_event(0, EVENT_BYTES)) + b"\xff\xfezz\r\nnothing\r\n")


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.transport.is_closing():
        writer.write(b"X-More: %b\r\n" % (b"x" * 4000))
        await writer.drain()


async def endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A chunk's size line without an end."""
    writer.write(_HEAD + b"1;")
    while not writer.transport.is_closing():
        writer.write(b"x" * 4000)
        await writer.drain()


async def huge_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One chunk of 100 MB, of numbered bytes."""
    writer.write(_HEAD.replace(b"text/event-stream", b"application/octet-stream"))
    writer.write(b"%x\r\n" % HUGE_BYTES)
    for offset in range(0, HUGE_BYTES, PIECE_BYTES):
        writer.write(numbered_bytes(offset, min(PIECE_BYTES, HUGE_BYTES - offset)))
        await writer.drain()
    writer.write(b"\r\n0\r\n\r\n")


async def too_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Less than its Content-Length, then the end of the connection."""
    writer.write(_counted(10_000) + numbered_bytes(0, 4_000))


async def too_long(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """More than its Content-Length."""
    writer.write(_counted(4_000) + numbered_bytes(0, 10_000))


async def two_lengths(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Two lengths that contradict each other."""
    head = _counted(10).replace(b"\r\n\r\n", b"\r\nContent-Length: 20\r\n\r\n")
    writer.write(head + numbered_bytes(0, 20))


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset in the middle of a chunk."""
    writer.write(_HEAD + _chunk(sse_event(0, EVENT_BYTES)) + b"190\r\ndata: {")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.transport.abort()


HURTS: dict[str, Hurt] = {
    hurt.__name__: hurt
    for hurt in (
        *(hung, slow, garbage, garbage_chunks, endless_headers, endless_line, huge_chunk),
        *(too_short, too_long, two_lengths, reset),
    )
}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _counted(length: int) -> bytes:
    kind = b"Content-Type: application/octet-stream\r\n"
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (kind, length)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            body = await reader.readexactly(length)
            if head.startswith(b"GET"):
                models = {"object": "list", "data": [{"id": "hostile", "object": "model"}]}
                _answer(writer, json.dumps(models).encode())
                continue
            hurt = json.loads(body).get("hurt") if body.startswith(b"{") else None
            if hurt not in HURTS:
                _answer(writer, b'{"choices":[{"message":{"role":"assistant","content":"x"}}]}')
                continue
            await HURTS[hurt](reader, writer)
            await writer.drain()
            return
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def _answer(writer: asyncio.StreamWriter, body: bytes) -> None:
    kind = b"Content-Type: application/json\r\n"
    writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (kind, len(body), body))


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    try:
        asyncio.run(_main(parser.parse_args().port))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
