"""What anybody may send before the hub knows who it is: bounded in size and in time."""

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from tests.hub.conftest import RunningHub
from underpass.hub import wire
from underpass.store import UserRecord

UPGRADE = (
    b"GET /link HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
CHUNKED = b"POST /api/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


async def answer_to(hub: RunningHub, pieces: Iterable[bytes]) -> bytes:
    """Sends pieces until the hub hangs up or answers; all that it answered."""
    port = urlsplit(hub.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


def much(start: bytes, piece: bytes) -> Iterable[bytes]:
    """More than any hub should keep."""
    yield start
    for _ in range(2000):
        yield piece


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"y" * 60_000),
        (b"GET /", b"y" * 60_000),
        (CHUNKED + b"0\r\nX: ", b"y" * 60_000),
        (CHUNKED + b"1;", b"y" * 60_000),
    ],
    ids=["lines", "line", "address", "trailer", "extension"],
)
async def test_a_head_has_an_end(hub: RunningHub, start: bytes, piece: bytes) -> None:
    """The hub hangs up long before 120 MB."""
    sent = 0

    def counted() -> Iterable[bytes]:
        nonlocal sent
        for one in much(start, piece):
            sent += len(one)
            yield one

    await answer_to(hub, counted())
    # What waits in the kernel's buffers counts as sent, too.
    assert sent < 40_000_000


@pytest.mark.parametrize("more", [b"X: " + b"y" * 9000 + b"\r\n", b"X: y\r\n" * 200])
async def test_a_websocket_head_that_is_too_large_is_refused(hub: RunningHub, more: bytes) -> None:
    """With an answer: the parser behind would say nothing, for ever."""
    answer = await answer_to(hub, [UPGRADE + more + b"\r\n"])
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_head_that_never_ends_is_not_waited_for(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first of a connection nor a later one; what is under way is left alone."""
    monkeypatch.setattr(wire, "HEAD_S", 0.2)
    assert await answer_to(hub, []) == b""
    assert await answer_to(hub, [b"GET / HT"]) == b""
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await answer_to(hub, [first, b"GET / HT"])).startswith(b"HTTP/1.1 200 ")


async def test_large_bodies_and_slow_bodies_pass(
    hub: RunningHub, alice: UserRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bounds are the head's alone."""
    monkeypatch.setattr(wire, "HEAD_S", 0.2)
    program = await hub.program(await hub.key(alice))

    async def slow() -> object:
        yield b'{"model": "none/such", "x": "'
        for _ in range(6):
            await asyncio.sleep(0.1)
            yield b"y" * 200_000
        yield b'"}'

    json = {"Content-Type": "application/json"}
    url = f"{hub.url}/v1/chat/completions"
    async with program.http.post(url, data=slow(), headers=json | program.headers) as answer:
        assert (await answer.json())["error"]["code"] == "model_not_found"
