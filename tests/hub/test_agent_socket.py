"""What an agent's WebSocket does beside carrying messages: pings, closes, noise, a full hub."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.hub.conftest import RunningHub
from tests.hub.test_link import attach
from tests.rig.waiting import eventually_async
from underpass.hub.agent_socket import AgentCarrier, AgentSocket
from underpass.hub.link import SUBPROTOCOL
from underpass.store import UserRecord
from underpass.tunnel.protocol.agent import AgentLink


@asynccontextmanager
async def raw_link(
    hub: RunningHub, user: UserRecord
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket at /link with a good token and no link behind it."""
    _, token = await attach(hub, user)
    program = await hub.program()
    headers = {"Authorization": f"Bearer {token}"}
    socket = await program.http.ws_connect(
        f"{hub.url}/link", protocols=[SUBPROTOCOL], headers=headers, autoping=False, autoclose=False
    )
    try:
        yield socket
    finally:
        await socket.close()


def hello() -> bytes:
    """An agent's first words."""
    core = AgentLink(software="test")
    core.connect(0.0)
    return core.data_to_send()


async def heard(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """The next message of any kind."""
    async with asyncio.timeout(5):
        return await socket.receive()


async def heard_besides(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """The next message that is none of the link's own, of which there may be more any time."""
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        return message


async def test_a_ping_is_answered_before_and_after_the_hello(
    hub: RunningHub, alice: UserRecord
) -> None:
    """A proxy between that pings finds the hub alive at any time."""
    async with raw_link(hub, alice) as socket:
        await socket.ping(b"one")
        pong = await heard(socket)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"one")
        await socket.send_bytes(hello())
        assert (await heard(socket)).type is aiohttp.WSMsgType.BINARY
        await socket.ping(b"two")
        pong = await heard_besides(socket)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"two")


async def test_pings_of_an_agent_that_does_not_read_take_no_memory(
    hub: RunningHub, alice: UserRecord
) -> None:
    """16 MB of pings are read and answered as far as the socket takes it, and no further."""
    _, token = await attach(hub, alice)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(hub.url.rpartition(":")[2]), limit=1024
    )
    writer.write(
        f"GET /link HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    ping = bytes([0x89, 0xFD, 0, 0, 0, 0]) + bytes(125)
    async with asyncio.timeout(30):
        for _ in range(1000):
            writer.write(ping * 125)
            await writer.drain()
    links = [one for one in gc.get_objects() if isinstance(one, AgentCarrier)]
    waiting = [link._socket.transport.get_write_buffer_size() for link in links]
    assert waiting
    assert max(waiting) < 1 << 20
    writer.transport.abort()


async def test_what_only_the_handshake_needed_goes(hub: RunningHub, alice: UserRecord) -> None:
    """The parser, the request and its headers were a quarter of what an idle link took."""
    async with raw_link(hub, alice) as socket:
        await socket.send_bytes(hello())
        assert (await heard(socket)).type is aiohttp.WSMsgType.BINARY
        all_of_them = [one for one in gc.get_objects() if isinstance(one, AgentSocket)]
        (kept,) = [
            one
            for one in all_of_them
            if f":{one.transport.get_extra_info('sockname')[1]}" in hub.url
        ]
        assert kept.scope["headers"] == []
        assert not {"conn", "queue", "request", "response"} & vars(kept).keys()


async def test_a_hello_in_many_messages_waits_for_who_reads_it(
    hub: RunningHub, alice: UserRecord
) -> None:
    """What comes before anybody reads is kept in order."""
    async with raw_link(hub, alice) as socket:
        for byte in hello():
            await socket.send_bytes(bytes([byte]))
        assert (await heard(socket)).type is aiohttp.WSMsgType.BINARY


@pytest.mark.parametrize("is_after_hello", [False, True])
@pytest.mark.parametrize(("noise", "code"), [("words", 1003), (bytes(2 << 20 | 1), 1009)])
async def test_what_is_no_message_of_a_link_is_closed_with_its_code(
    hub: RunningHub, alice: UserRecord, noise: str | bytes, code: int, is_after_hello: bool
) -> None:
    """Text and too large a message, at any time."""
    async with raw_link(hub, alice) as socket:
        if is_after_hello:
            await socket.send_bytes(hello())
            assert (await heard(socket)).type is aiohttp.WSMsgType.BINARY
        if isinstance(noise, str):
            await socket.send_str(noise)
        else:
            await socket.send_bytes(noise)
        end = await heard_besides(socket)
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, code)


async def test_a_peer_that_closes_is_answered_and_the_link_is_down(
    hub: RunningHub, alice: UserRecord
) -> None:
    """The closing handshake ends on both sides, and the connection with it."""
    async with raw_link(hub, alice) as socket:
        await socket.send_bytes(hello())
        assert (await heard(socket)).type is aiohttp.WSMsgType.BINARY
        assert hub.services.links.counts()["up"] == 1
        await socket.close(code=1001)
        assert socket.close_code == 1001
        await eventually_async(lambda: hub.services.links.counts()["up"] == 0, 5, "it is down")
