"""The clients: each runs one stream and compares every byte of it with what was sent.

They are slow on purpose, so that faults meet streams in their middle. A stream that ends though it
should have lived is counted in the row, with the words in which it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp

from chaos.tally import Events, Numbered, Pace, Row
from tests.fakes.stub_http import numbered_bytes

EVENT_BYTES = 400
PIECE_BYTES = 16 * 1024
JSON_SAFE = bytes.maketrans(b'\n"\\', b"...")
ENDS = (aiohttp.ClientError, OSError, asyncio.TimeoutError, EOFError)
"""What a client meets when its stream is cut off."""


@dataclass(frozen=True)
class Place:
    """Where a client's streams go: the hub, whose key, which model, and (raw) which tunnel."""

    url: str
    key: str
    model: str = ""
    tunnel_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """With the key."""
        return {"Authorization": f"Bearer {self.key}"}


Stream = Callable[[aiohttp.ClientSession, Place, Row, random.Random], Coroutine[Any, Any, None]]


def new_client() -> aiohttp.ClientSession:
    """A client without limits of its own: whoever waits, waits for the hub."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
    )


async def events_down(
    client: aiohttp.ClientSession, place: Place, row: Row, rng: random.Random
) -> None:
    """A chat answer: a few seconds of numbered events."""
    count, rate = rng.randint(40, 160), rng.choice([20, 50])
    await run_events(client, place, row, {"chunks": count, "rate": rate})


async def run_events(
    client: aiohttp.ClientSession, place: Place, row: Row, wish: dict[str, Any]
) -> Events:
    """One stream of events as the wish says; what became of it."""
    wish = {"chunk_bytes": EVENT_BYTES, **wish}
    check = Events(row, wish["chunks"], wish["chunk_bytes"])
    body = {"model": place.model, "messages": [], "stream": True, "stub": wish}
    row.streams += 1
    try:
        async with client.post(
            f"{place.url}/v1/chat/completions", json=body, headers=place.headers
        ) as answer:
            if answer.status != 200:
                row.cut(f"{answer.status} {(await answer.text())[:160]}")
                return check
            pace = Pace(row)
            async for piece in answer.content.iter_any():
                pace.came()
                check.feed(piece)
        if check.error:
            row.cut(check.error)
        else:
            check.finish()
    except ENDS as error:
        row.cut(f"{type(error).__name__} after {check.got} events")
    return check


async def bulk_down(
    client: aiohttp.ClientSession, place: Place, row: Row, rng: random.Random
) -> None:
    """A long body of numbered bytes, taken piece by piece."""
    size = rng.randint(400_000, 2_000_000)
    body = {"model": place.model, "stub": {"body_bytes": size}}
    check = Numbered(row)
    row.streams += 1
    try:
        async with client.post(
            f"{place.url}/v1/audio/speech", json=body, headers=place.headers
        ) as answer:
            if answer.status != 200:
                row.cut(f"{answer.status} {(await answer.text())[:160]}")
                return
            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                check.feed(piece)
                await asyncio.sleep(0.03)
        row.lost += max(0, size - check.got)
        row.doubled += max(0, check.got - size)
    except ENDS as error:
        row.cut(f"{type(error).__name__} after {check.got} of {size} bytes")


async def upload(client: aiohttp.ClientSession, place: Place, row: Row, rng: random.Random) -> None:
    """A request of numbered bytes, sent piece by piece; the server says what it received."""
    size = rng.randint(300_000, 1_200_000)
    head = b'{"model":"%b","pad":"' % place.model.encode()
    pad = numbered_bytes(0, size).translate(JSON_SAFE)

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        for offset in range(0, size, PIECE_BYTES):
            yield pad[offset : offset + PIECE_BYTES]
            await asyncio.sleep(0.03)
        yield b'"}'

    upstream = place.model.partition("/")[2].encode()
    expected = b'{"model":"%b","pad":"' % upstream + pad + b'"}'
    headers = {**place.headers, "Content-Type": "application/json"}
    row.streams += 1
    try:
        async with client.post(
            f"{place.url}/v1/chat/completions", data=pieces(), headers=headers
        ) as answer:
            if answer.status != 200:
                row.cut(f"{answer.status} {(await answer.text())[:160]}")
                return
            received = (await answer.json())["received"]
    except ENDS as error:
        row.cut(f"{type(error).__name__} in an upload")
        return
    row.bytes += received["bytes"]
    row.lost += max(0, len(expected) - received["bytes"])
    row.doubled += max(0, received["bytes"] - len(expected))
    if received["sha256"] != hashlib.sha256(expected).hexdigest():
        row.expect(False, "the server received other bytes than were sent")
        row.lost += received["bytes"] == len(expected)


async def both_ways(
    client: aiohttp.ClientSession, place: Place, row: Row, rng: random.Random
) -> None:
    """Raw bytes to an echo and back, up and down at once on one stream."""
    size = rng.randint(20, 60) * PIECE_BYTES
    check = Numbered(row)
    row.streams += 1
    url = f"{place.url}/api/tunnels/{place.tunnel_id}/connect"
    try:
        async with client.ws_connect(url, headers=place.headers) as socket:
            sending = asyncio.create_task(_send(socket, size))
            try:
                pace = Pace(row)
                while check.got < size:
                    message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        raise EOFError(f"{message.type.name} {socket.close_code}")
                    if not message.data:
                        break
                    pace.came()
                    check.feed(message.data)
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        row.lost += max(0, size - check.got)
    except ENDS as error:
        row.cut(f"{type(error).__name__} {error} after {check.got} of {size} raw bytes")


async def _send(socket: aiohttp.ClientWebSocketResponse, size: int) -> None:
    for offset in range(0, size, PIECE_BYTES):
        await socket.send_bytes(numbered_bytes(offset, PIECE_BYTES))
        await asyncio.sleep(0.05)
    await socket.send_bytes(b"")


class Traffic:
    """Streams that go on while faults are injected; `stop` lets the running ones finish."""

    def __init__(self, row: Row, seed: str) -> None:
        self.row = row
        self._seed = seed
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []
        self._client = new_client()

    def start(self, place: Place, kinds: list[Stream]) -> None:
        """One client that runs stream after stream of these kinds."""
        rng = random.Random(f"{self._seed} {len(self._tasks)}")
        self._tasks.append(asyncio.create_task(self._run(place, kinds, rng)))

    async def _run(self, place: Place, kinds: list[Stream], rng: random.Random) -> None:
        await asyncio.sleep(rng.uniform(0, 0.5))
        while not self._is_over:
            await rng.choice(kinds)(self._client, place, self.row, rng)

    async def stop(self, within_s: float = 90.0) -> None:
        """Until the last stream has ended by itself; those that do not end are cut off."""
        self._is_over = True
        _, late = await asyncio.wait(self._tasks, timeout=within_s) if self._tasks else (0, set())
        for task in late:
            self.row.cut(f"a stream still ran {within_s:g} s after the last fault")
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        await self._client.close()
