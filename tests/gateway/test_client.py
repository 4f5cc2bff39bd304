"""The ASGI client's end: its body in order, its leaving at once, bounded memory."""

import asyncio
from typing import Any

import pytest

from tests.fakes.gateway_hub import CHAT, Hub
from tests.fakes.linked import JSON, SSE, read_all
from tests.fakes.served import RawClient, served
from underpass.gateway.client import READ_AHEAD_BYTES, Client
from underpass.tunnel.link import Head


class Script:
    """Hands out messages and counts them."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.left = list(messages)
        self.never = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The next message, or nothing for ever."""
        await asyncio.sleep(0)
        if not self.left:
            await self.never.wait()
        return self.left.pop(0)


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    """One message of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def test_the_body_comes_in_order_and_ends() -> None:
    """Empty pieces are no end."""
    script = Script(part(b"a"), part(b""), part(b"b"), {"type": "http.request"})
    client = Client(script.receive, lambda: None)
    watching = asyncio.create_task(client.watch())
    assert [piece async for piece in client] == [b"a", b"b"]
    assert not client.is_gone
    watching.cancel()


async def test_leaving_is_told_once_in_every_phase() -> None:
    """In the middle of the body, and after it."""
    for messages in ([part(b"a")], [part(b"a", more=False)], []):
        told: list[bool] = []
        script = Script(*messages, {"type": "http.disconnect"})
        client = Client(script.receive, lambda told=told: told.append(True))  # type: ignore[misc]
        await client.watch()
        assert client.is_gone
        assert told == [True]


async def test_not_more_is_taken_than_has_room() -> None:
    """While nobody reads, the client's pieces stay with the client."""
    piece = b"x" * 65536
    script = Script(*[part(piece)] * 20, part(b"", more=False))
    client = Client(script.receive, lambda: None)
    watching = asyncio.create_task(client.watch())
    taken = READ_AHEAD_BYTES // len(piece) + 1
    while len(script.left) > 21 - taken:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(script.left) == 21 - taken
    assert len(b"".join([one async for one in client])) == 20 * len(piece)
    watching.cancel()


# --- over real sockets -------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"model": "qwen"}', b'{"model": "qwen", "stream": true}'])
@pytest.mark.parametrize("phase", ["before the head", "after the head", "in the middle"])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_closed_socket_cancels_at_once(
    hub: Hub, body: bytes, phase: str, is_reset: bool
) -> None:
    """Behind uvicorn, closed or reset, in each phase: the agent knows within 250 ms."""
    async with served(hub.app) as port:
        client = await RawClient.connect(port)
        await client.post(CHAT, body)
        stream = await hub.pair.opened()
        await read_all(stream)
        if phase != "before the head":
            await stream.respond(Head(200, SSE if b"stream" in body else JSON))
            await client.until(b"\r\n\r\n")
        if phase == "in the middle":
            await stream.write(b"data: 1\n\n")
            await client.until(b"data: 1\n\n")
        if is_reset:
            client.abort()
        else:
            await client.close()
        assert await asyncio.wait_for(stream.wait_cancelled(), 0.25) == "client_gone"
        while hub.door.calls_under_way:
            await asyncio.sleep(0)


async def test_a_socket_closed_while_it_uploads(hub: Hub) -> None:
    """Half a body is no request: the stream that was begun with it is cancelled."""
    async with served(hub.app) as port:
        client = await RawClient.connect(port)
        await client.post(CHAT, b'{"model": "qwen", "x": "' + b"y" * 60_000, length=300_000)
        stream = await hub.pair.opened()
        client.abort()
        assert await asyncio.wait_for(stream.wait_cancelled(), 0.25) == "client_gone"
        while hub.door.calls_under_way:
            await asyncio.sleep(0)


async def test_a_connection_serves_one_request_after_another(hub: Hub) -> None:
    """Keep-alive works over answers with a length, chunked ones and errors."""
    async with served(hub.app) as port:
        client = await RawClient.connect(port)
        await client.post(CHAT, b'{"model": "nope"}')
        assert b"404 Not Found" in await client.until(b"\r\n\r\n")
        await client.until(b"}}")
        for headers in (JSON, (*JSON, ("content-length", "2"))):
            await client.post(CHAT, b'{"model": "qwen"}')
            stream = await hub.pair.opened()
            await stream.respond(Head(200, headers))
            await stream.write(b"{}")
            await stream.write_end()
            head = await client.until(b"\r\n\r\n")
            assert (b"content-length: 2" in head) is (len(headers) == 2)
            await client.until(b"{}" if len(headers) == 2 else b"{}\r\n0\r\n\r\n")
        await client.close()


@pytest.mark.parametrize("headers", [JSON, (*JSON, ("content-length", "99"))])
async def test_an_answer_that_breaks_off_never_looks_complete(
    hub: Hub, headers: tuple[tuple[str, str], ...]
) -> None:
    """The connection is closed without the last chunk, or short of the length."""
    async with served(hub.app) as port:
        client = await RawClient.connect(port)
        await client.post(CHAT, b'{"model": "qwen"}')
        stream = await hub.pair.opened()
        await stream.respond(Head(200, headers))
        await stream.write(b'{"a": ')
        await client.until(b'{"a": ')
        stream.cancel("upstream_closed")
        assert await client.rest() in (b"", b"\r\n")
        await client.close()


async def test_too_large_is_answered_before_all_was_sent(hub: Hub) -> None:
    """By the length alone: 413 comes while the client still has nearly everything."""
    async with served(hub.app) as port:
        client = await RawClient.connect(port)
        await client.post(CHAT, b'{"model": "qwen", "x": "', length=10_000_000)
        assert b" 413 " in await client.until(b"\r\n\r\n")
        await client.close()
