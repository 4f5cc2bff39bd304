"""Connections to a model server: kept, judged, given up."""

import asyncio
import contextlib

import pytest

from tests.agent.servers import saying, serving
from tests.fakes.stub_server import StubServer
from tests.rig.processes import free_port
from tests.rig.waiting import eventually_async
from underpass.agent.connect import Connection, ConnectionCut, Upstream
from underpass.agent.http1 import request_head
from underpass.agent.ownership import Owners, PortOfAnotherUser
from underpass.core.targets import Target


def upstream(port: int, owners: Owners | None = None) -> Upstream:
    return Upstream(Target.parse(str(port)), owners or Owners())


def get(path: str) -> bytes:
    return request_head("GET", path, "x", [], is_chunked=False)


async def whole(connection: Connection) -> bytes:
    """The rest of an answer."""
    pieces: list[bytes] = []
    connection.read_into(pieces.append)
    while not connection.is_complete:
        await connection.sleep()
    if connection.error is not None:
        raise connection.error
    return b"".join(pieces)


async def test_one_connection_for_many_requests(stub: StubServer) -> None:
    """Kept while it is healthy, and only so many."""
    server = upstream(stub.port)
    for _ in range(5):
        status, body = await server.fetch("GET", "/v1/models", max_bytes=10_000)
        assert status == 200
        assert b"stub" in body
    assert len(stub._connections) == 1
    await server.close()
    await eventually_async(lambda: not stub._connections, 5, "closed")


async def test_an_idle_connection_is_closed_before_the_server_does(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no request meets a closing end."""
    monkeypatch.setattr("underpass.agent.connect.KEEP_ALIVE_S", 0.05)
    server = upstream(stub.port)
    await server.fetch("GET", "/v1/models", max_bytes=10_000)
    await eventually_async(lambda: not stub._connections, 5, "closed by itself")
    assert (await server.fetch("GET", "/v1/models", max_bytes=10_000))[0] == 200
    await server.close()


async def test_a_kept_connection_that_was_closed_meanwhile() -> None:
    """A GET is asked again on a new one; nobody notices."""
    count = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the next request, and hang up on it

    async with serving(once) as port:
        server = upstream(port)
        for _ in range(3):
            assert await server.fetch("GET", "/", max_bytes=10) == (200, b"hi")
        assert count == 3
        with pytest.raises(ConnectionCut):
            await server.fetch("POST", "/", body=b"x", max_bytes=10)
        await server.close()


async def test_bytes_that_nobody_asked_for_close_a_connection() -> None:
    """What follows an answer, or comes in between, is never taken for the next one."""
    async with serving(
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200")
    ) as port:
        server = upstream(port)
        assert await server.fetch("GET", "/", max_bytes=10) == (200, b"hi")
        assert not server._idle
        await server.close()


async def test_an_answer_is_cut_at_the_limit(stub: StubServer) -> None:
    """A probe never keeps more than it wants, and closes the rest."""
    server = upstream(stub.port)
    status, body = await server.fetch("GET", "/v1/models", max_bytes=10)
    assert (status, len(body)) == (200, 10)
    assert not server._idle
    await server.close()


async def test_pause_and_resume(stub: StubServer) -> None:
    """A paused connection takes nothing more, and everything afterwards."""
    server = upstream(stub.port)
    connection = await server.connect()
    body = b'{"stub": {"body_bytes": 5000000}}'
    head = request_head(
        "POST", "/v1/x", "x", [("Content-Length", str(len(body)))], is_chunked=False
    )
    connection.ask("POST", head, body, None)
    await connection.answer()
    got = 0

    def take(piece: bytes) -> None:
        nonlocal got
        got += len(piece)
        if got == len(piece):
            connection.pause()

    connection.read_into(take)
    await eventually_async(lambda: got > 0, 5, "the first piece")
    first = got
    for _ in range(50):
        await asyncio.sleep(0)
    assert got == first
    connection.resume()
    while not connection.is_complete:
        await connection.sleep()
    assert got == 5_000_000
    server.give_back(connection)
    await server.close()


async def test_a_dead_connection_says_so_at_once(stub: StubServer) -> None:
    """Asking on a connection that is gone fails like any other cut."""
    server = upstream(stub.port)
    connection = await server.connect()
    connection.abort()
    connection.ask("GET", get("/"), b"", None)
    with pytest.raises(ConnectionCut):
        await connection.answer()
    with pytest.raises(ConnectionRefusedError):
        await upstream(free_port()).connect()


async def test_a_stranger_gets_not_a_byte(stub: StubServer) -> None:
    """The owner is judged after connecting and before sending."""
    server = upstream(stub.port, Owners(uid=4321))
    with pytest.raises(PortOfAnotherUser):
        await server.fetch("GET", "/v1/models", max_bytes=10)
    assert not stub.seen


async def test_an_abort_while_waiting(stub: StubServer) -> None:
    """Whoever waits for the answer hears of it."""
    server = upstream(stub.port)
    connection = await server.connect()
    stub.mode = "silent"
    connection.ask("GET", get("/v1/models"), b"", None)
    waiting = asyncio.create_task(connection.answer())
    await eventually_async(lambda: stub.seen, 5, "asked")
    connection.abort()
    with pytest.raises(ConnectionCut):
        await waiting
    with contextlib.suppress(ConnectionCut):
        await whole(connection)
