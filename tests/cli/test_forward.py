"""`underpass forward`: a tunnel's port on this machine."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from tests.fakes.linked import LinkedPair, linked, read_all
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from underpass.cli.client import connect
from underpass.cli.forward import _listen, choose
from underpass.core.errors import Conflict, NotFound
from underpass.core.states import SessionStatus, TunnelStatus
from underpass.store import SessionRecord, TunnelRecord, UserRecord
from underpass.tunnel.link import Head

TUNNEL = {"id": "tun_1", "name": "nb", "target": "127.0.0.1:0", "openai": False}


@pytest.fixture
async def pair(hub: RunningHub, alice: UserRecord) -> AsyncIterator[LinkedPair]:
    """alice's tunnel `nb`, with its agent in the test's hands."""
    await hub.services.store.sessions.add(
        SessionRecord(
            id="ses_1",
            owner_id=alice.id,
            name="nb",
            created_at=1.0,
            status=SessionStatus.RUNNING,
            is_attached=True,
        )
    )
    await hub.services.store.tunnels.add(
        TunnelRecord(
            id="tun_1",
            session_id="ses_1",
            owner_id=alice.id,
            name="nb",
            target="127.0.0.1:8888",
            created_at=1.0,
            status=TunnelStatus.RUNNING,
        )
    )
    async with linked() as pair:
        hub.services.registry.bind_tunnel("tun_1", pair.hub)
        yield pair
        hub.services.registry.unbind_tunnel("tun_1", pair.hub)


async def test_a_connection_and_its_answer(
    hub: RunningHub, alice: UserRecord, shell: Terminal, pair: LinkedPair
) -> None:
    """What is written locally is read in the session, with its end, and back."""
    sent, answer = bytes(range(256)) * 4_000, b"x" * 300_000
    async with connect(hub=hub.url, key=await hub.key(alice)) as client:
        server = await _listen(client, TUNNEL, 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        stream = await asyncio.wait_for(pair.opened(), 5)
        await stream.respond(Head(200, ()))
        assert await read_all(stream) == sent
        await stream.write(answer)
        await stream.write_end()
        assert await asyncio.wait_for(reader.read(), 5) == answer
        writer.close()
        server.close()
        await server.wait_closed()


async def test_a_local_program_that_breaks_off(
    hub: RunningHub, alice: UserRecord, shell: Terminal, pair: LinkedPair
) -> None:
    """Its connection in the session is closed too, while the target is silent."""
    async with connect(hub=hub.url, key=await hub.key(alice)) as client:
        server = await _listen(client, TUNNEL, 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        stream = await asyncio.wait_for(pair.opened(), 5)
        await stream.respond(Head(200, ()))
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert await asyncio.wait_for(stream.wait_cancelled(), 5) == "client_gone"
        server.close()
        await server.wait_closed()


async def test_a_port_that_is_taken(hub: RunningHub, alice: UserRecord) -> None:
    """One that was asked for is an error; the target's own gives way to a free one."""
    async with connect(hub=hub.url, key=await hub.key(alice)) as client:
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(Conflict, match="taken"):
            await _listen(client, TUNNEL, port)
        server = await _listen(client, {**TUNNEL, "target": f"127.0.0.1:{port}"}, None)
        assert server.sockets[0].getsockname()[1] != port
        for one in (server, taken):
            one.close()
            await one.wait_closed()


async def test_words_on_the_command_line(shell: Terminal, pair: LinkedPair) -> None:
    """A tunnel that is not there: one line."""
    said = await shell.run("forward", "other")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "You have no tunnel 'other'" in said.err
    assert (await shell.run("forward", "nb", "99999")).code == 2


def test_choosing() -> None:
    """By name or id, one that runs before one that is stopped; not a provider's."""
    running = {**TUNNEL, "status": "running"}
    stopped = {**TUNNEL, "id": "tun_0", "status": "stopped"}
    assert choose([stopped, running], "nb") is running
    assert choose([running], "tun_1") is running
    with pytest.raises(Conflict, match="stopped"):
        choose([stopped], "nb")
    with pytest.raises(Conflict, match="OpenAI requests only"):
        choose([{**running, "openai": True}], "nb")
    with pytest.raises(NotFound):
        choose([], "nb")
