"""What anybody may send before the hub knows who it is: bounded in size and in time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from tests.hub.conftest import RunningHub
from underpass.gateway.relay import BODY_SINK
from underpass.hub import wire
from underpass.hub.wire import BoundedHttp
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


# --- the body's short way out --------------------------------------------------------------------


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """uvicorn with our protocol in front of `app`; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server = uvicorn.Server(
        uvicorn.Config(app, http=BoundedHttp, loop="none", lifespan="off", log_config=None)
    )
    with patched_signals(server):
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await task
            listener.close()


@contextmanager
def patched_signals(server: uvicorn.Server) -> Iterator[None]:
    """The test's own process keeps its signal handlers."""
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
    yield


def pouring(headers: list[tuple[bytes, bytes]], pieces: list[bytes], log: list[str]) -> Any:
    """An app that answers with `pieces`, past ASGI's send, and notes when it had to wait."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sink = scope[BODY_SINK]
        for piece in pieces:
            if not sink.take(piece):
                log.append("full")
                await sink.ready()
        log.append("poured")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def ask(port: int) -> bytes:
    """One request on a connection of its own; the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_pieces_go_out_in_the_framing_of_their_head() -> None:
    """Chunked where the head has no length, as they are where it has one."""
    pieces = [b"one", b"two and more", b"3"]
    async with serving(pouring([], pieces, [])) as port:
        _, _, body = (await ask(port)).partition(b"\r\n\r\n")
        assert body == b"3\r\none\r\nc\r\ntwo and more\r\n1\r\n3\r\n0\r\n\r\n"
    counted = [(b"content-length", b"16")]
    async with serving(pouring(counted, pieces, [])) as port:
        _, _, body = (await ask(port)).partition(b"\r\n\r\n")
        assert body == b"onetwo and more3"


async def test_more_than_was_promised_never_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """What goes over the Content-Length would be taken for the next answer: it is our bug, told."""
    async with serving(pouring([(b"content-length", b"3")], [b"one", b"two"], [])) as port:
        assert (await ask(port)).endswith(b"\r\n\r\none")
    assert "More of a body than its Content-Length." in caplog.text


async def test_a_client_that_takes_nothing_fills_the_sink_and_one_that_leaves_empties_it() -> None:
    """What the socket does not take is not taken from the model server either."""
    log: list[str] = []
    async with serving(pouring([], [b"x" * 65536] * 400, log)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            while "full" not in log:
                await asyncio.sleep(0.01)
        assert "poured" not in log
        writer.transport.abort()
        async with asyncio.timeout(10):
            while "poured" not in log:
                await asyncio.sleep(0.01)
