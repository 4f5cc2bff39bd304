"""A dropped connection loses nothing: the WebSocket is reset a hundred times during one long exchange,
and every byte arrives once and in order, in both directions."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

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


async def _cut_again_and_again(line: Forwarder, is_done: asyncio.Event) -> None:
    """Resets the line each time some bytes have passed since the agent came back."""
    while line.cuts < CUTS and not is_done.is_set():
        enough = line.bytes_passed + 20_000

        def may_cut(enough: int = enough) -> bool:
            return is_done.is_set() or (line.is_connected and line.bytes_passed > enough)

        await eventually_async(may_cut, 30, "the agent is back and bytes flow")
        if not is_done.is_set():
            line.cut()


def _open(stack: Stack, line: Forwarder, port: int) -> str:
    person = stack.add_person("alice")
    stack.open_tunnel(person, str(port), "stub", hub_url=line.url)
    return person.key


@pytest.mark.timeout(180)
async def test_an_answer_survives_a_hundred_cuts(make_stack: MakeStack, stub: StubServer) -> None:
    """A long stream, downwards: the client sees one unbroken answer."""
    stack = await asyncio.to_thread(make_stack)
    async with Forwarder(stack.port) as line:
        key = await asyncio.to_thread(_open, stack, line, stub.port)
        size = 60_000_000
        body = {"model": "stub/stub", "stub": {"body_bytes": size}}
        is_done = asyncio.Event()
        cutter = asyncio.create_task(_cut_again_and_again(line, is_done))
        async with aiohttp.ClientSession(stack.url) as client:
            headers = {"Authorization": f"Bearer {key}"}
            async with client.post("/v1/audio/speech", json=body, headers=headers) as answer:
                got = 0
                async for piece in answer.content.iter_chunked(65536):
                    assert piece == numbered_bytes(got, len(piece))
                    got += len(piece)
                    if line.cuts < CUTS:
                        await asyncio.sleep(0.001)  # so that the answer outlasts the cuts
        is_done.set()
        await cutter
    assert got == size
    assert line.cuts == CUTS
    assert len(stub.generations()) == 1


@pytest.mark.timeout(180)
async def test_a_request_survives_a_hundred_cuts(make_stack: MakeStack, stub: StubServer) -> None:
    """A large upload, upwards: the model server receives the client's bytes, once."""
    stack = await asyncio.to_thread(make_stack)
    async with Forwarder(stack.port) as line:
        key = await asyncio.to_thread(_open, stack, line, stub.port)
        head, tail = b'{"model":"stub/stub","pad":"', b'"}'
        pad = numbered_bytes(0, 50_000_000).translate(JSON_SAFE)
        is_done = asyncio.Event()

        async def upload() -> AsyncIterator[bytes]:
            yield head
            for offset in range(0, len(pad), 20_000):
                yield pad[offset : offset + 20_000]
                if line.cuts < CUTS:
                    await asyncio.sleep(0.001)
            yield tail

        cutter = asyncio.create_task(_cut_again_and_again(line, is_done))
        async with aiohttp.ClientSession(stack.url) as client:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            async with client.post(
                "/v1/chat/completions", data=upload(), headers=headers
            ) as answer:
                received = (await answer.json())["received"]
        is_done.set()
        await cutter
    expected = head.replace(b"stub/stub", b"stub") + pad + tail
    assert received["sha256"] == hashlib.sha256(expected).hexdigest()
    assert received["bytes"] == len(expected)
    assert line.cuts == CUTS
    assert len(stub.generations()) == 1


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
