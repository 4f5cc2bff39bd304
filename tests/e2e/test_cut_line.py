"""A dropped connection loses nothing: the WebSocket is reset a hundred times during one long exchange,
and every byte arrives once and in order, in both directions."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import MakeStack
from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import StubServer
from tests.rig.forwarder import Forwarder
from tests.rig.stack import Stack
from tests.rig.waiting import eventually_async

CUTS = 100
JSON_SAFE = bytes.maketrans(b'\n"\\', b"...")


class Cutter:
    """Resets the line each time that bytes have passed since the agent came back.

    `pace` keeps the exchange as far along as the cuts are, so that it lasts as long as they do.
    """

    def __init__(self, line: Forwarder) -> None:
        self.line = line
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self.line.cuts < CUTS:
            enough = self.line.bytes_passed + 20_000
            await eventually_async(partial(self._may_cut, enough), 30, "bytes flow")
            self.line.cut()

    def _may_cut(self, enough: int) -> bool:
        # Both windows may be full while the client waits for the next cut: then time decides.
        is_long_up = time.monotonic() - self.line.connected_at > 0.5
        return self.line.is_connected and (self.line.bytes_passed > enough or is_long_up)

    async def pace(self, share: float) -> None:
        """Waits while the exchange is further along than the cuts."""
        await eventually_async(lambda: self._task.done() or self.line.cuts >= share * CUTS - 1, 60)

    async def finish(self) -> None:
        await self._task
        assert self.line.cuts == CUTS


def _open(stack: Stack, line: Forwarder, port: int) -> str:
    person = stack.add_person("alice")
    stack.open_tunnel(person, str(port), "stub", hub_url=line.url)
    return person.key


@pytest.mark.timeout(300)
async def test_an_answer_survives_a_hundred_cuts(make_stack: MakeStack, stub: StubServer) -> None:
    """A long stream, downwards: the client sees one unbroken answer."""
    stack = await asyncio.to_thread(make_stack)
    async with Forwarder(stack.port) as line:
        key = await asyncio.to_thread(_open, stack, line, stub.port)
        size = 60_000_000
        body = {"model": "stub/stub", "stub": {"body_bytes": size}}
        cutter = Cutter(line)
        async with aiohttp.ClientSession(stack.url) as client:
            headers = {"Authorization": f"Bearer {key}"}
            async with client.post("/v1/audio/speech", json=body, headers=headers) as answer:
                got = 0
                async for piece in answer.content.iter_chunked(65536):
                    assert piece == numbered_bytes(got, len(piece))
                    got += len(piece)
                    await cutter.pace(got / size)
        await cutter.finish()
    assert got == size
    assert [r.path for r in stub.generations()].count("/v1/audio/speech") == 1


@pytest.mark.timeout(300)
async def test_a_request_survives_a_hundred_cuts(make_stack: MakeStack, stub: StubServer) -> None:
    """A large upload, upwards: the model server receives the client's bytes, once."""
    stack = await asyncio.to_thread(make_stack)
    async with Forwarder(stack.port) as line:
        key = await asyncio.to_thread(_open, stack, line, stub.port)
        head, tail = b'{"model":"stub/stub","pad":"', b'"}'
        pad = numbered_bytes(0, 50_000_000).translate(JSON_SAFE)

        async def upload() -> AsyncIterator[bytes]:
            yield head
            for offset in range(0, len(pad), 20_000):
                yield pad[offset : offset + 20_000]
                await cutter.pace(offset / len(pad))
            yield tail

        cutter = Cutter(line)
        async with aiohttp.ClientSession(stack.url) as client:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            async with client.post(
                "/v1/chat/completions", data=upload(), headers=headers
            ) as answer:
                received = (await answer.json())["received"]
        await cutter.finish()
    expected = head.replace(b"stub/stub", b"stub") + pad + tail
    assert received["sha256"] == hashlib.sha256(expected).hexdigest()
    assert received["bytes"] == len(expected)
    assert len([r for r in stub.generations() if r.body_bytes > len(pad) / 2]) == 1


@pytest.mark.timeout(120)
async def test_a_slow_stream_survives_cuts_in_its_silences(
    make_stack: MakeStack, stub: StubServer
) -> None:
    """Events a tenth of a second apart, cut between each two: none is lost or doubled."""
    stack = await asyncio.to_thread(make_stack)
    async with Forwarder(stack.port) as line:
        key = await asyncio.to_thread(_open, stack, line, stub.port)
        body = {"model": "stub/stub", "stream": True, "stub": {"chunks": 60, "rate": 10}}
        async with aiohttp.ClientSession(stack.url) as client:
            headers = {"Authorization": f"Bearer {key}"}
            got = b""
            async with client.post("/v1/chat/completions", json=body, headers=headers) as answer:
                async for piece in answer.content.iter_any():
                    got += piece
                    line.cut()
    numbers = [int(part[:9]) for part in got.split(b'"content":"')[1:]]
    assert numbers == list(range(60))
    assert line.cuts > 10


@pytest.mark.timeout(300)
async def test_both_directions_of_one_stream_survive_a_hundred_cuts(make_stack: MakeStack) -> None:
    """Raw bytes up and down at once, while the line is reset under both: each comes back once."""
    size, piece_bytes = 10_000_000, 20_000
    stack = await asyncio.to_thread(make_stack)
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, Forwarder(stack.port) as line:
        port = server.sockets[0].getsockname()[1]
        person = await asyncio.to_thread(stack.add_person, "alice")
        signed_in = {"UNDERPASS_HUB": line.url, "UNDERPASS_KEY": person.key}
        stack.start_agent("tunnel", str(port), "--name", "raw", **signed_in)
        api = stack.api(person)

        def running() -> list[Any]:
            return [one for one in api.items("/api/tunnels") if one["status"] == "running"]

        found = await eventually_async(lambda: asyncio.to_thread(running), 20)
        cutter = Cutter(line)
        headers = {"Authorization": f"Bearer {person.key}"}
        async with aiohttp.ClientSession(stack.url, headers=headers) as client:
            async with client.ws_connect(f"/api/tunnels/{found[0]['id']}/connect") as socket:

                async def send() -> None:
                    for offset in range(0, size, piece_bytes):
                        await socket.send_bytes(numbered_bytes(offset, piece_bytes))
                        await cutter.pace(offset / size)
                    await socket.send_bytes(b"")

                sending = asyncio.create_task(send())
                got = 0
                while piece := await socket.receive_bytes():
                    assert piece == numbered_bytes(got, len(piece))
                    got += len(piece)
                await sending
        await cutter.finish()
    assert got == size


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
    writer.close()
