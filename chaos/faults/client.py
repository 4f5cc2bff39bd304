"""What clients do: go away at any moment, read a byte a second, open ten thousand and abandon them."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
import time
from statistics import quantiles

import aiohttp
import psutil

from chaos.faults import Fault
from chaos.faults.connection import check_agents
from chaos.faults.hub import small_world
from chaos.streams import ENDS, Place, Traffic, new_client
from chaos.tally import Row
from chaos.world import Plan, World, until
from tests.rig.stub import StubProcess

PHASES = ("connected", "half a head", "half a body", "asked", "first bytes", "middle")
AT_ONCE = 50
STREAMS = 100
RATE = 10.0
MEASURE_S = 12.0
SLOWED_AT_MOST = 1.2
P99_FLOOR_S = 0.005
"""Below this a ratio of two p99s is the scheduler's noise."""
_STAMP = re.compile(rb"@(\d+) ")


async def gone(plan: Plan, row: Row, times: int) -> None:
    """Clients that go at each phase; afterwards nobody works for them any more."""
    async with small_world(plan.sub("client-gone")) as (world, stub):
        traffic = _honest(plan, row, world, "client-gone")
        await _abandon(plan, row, world, stub, times, "gone")
        await traffic.stop()
        check_agents(world, row)


async def abandoned(plan: Plan, row: Row, times: int) -> None:
    """Opened and abandoned, fifty at a time; descriptors and memory are as before."""
    async with small_world(plan.sub("client-abandoned")) as (world, stub):
        place = world.sites[0].place
        await _abandon(plan, Row("warm-up"), world, stub, min(500, times), "warm")
        hub, agent = world.stack.hub, world.sites[0].agent
        before = [(_files(p.pid), p.rss_bytes()) for p in (hub, agent)]
        began = time.monotonic()
        await _abandon(plan, row, world, stub, times, "abandoned")
        row.note(f"{times / (time.monotonic() - began):.0f} a second")
        for process, (files, rss) in zip((hub, agent), before, strict=True):
            name = "hub" if process is hub else "agent"
            await until(lambda p=process, f=files: _files(p.pid) <= f + 5, 10)  # type: ignore[misc]
            more = _files(process.pid) - files
            row.expect(more <= 5, f"{name}: {more} more open files")
            grown = (process.rss_bytes() - rss) / 2**20
            row.note(f"{name} {grown:+.1f} MiB")
            row.expect(grown < 32, f"{name} grew by {grown:.0f} MiB")
        async with new_client() as client:
            async with client.get(f"{place.url}/v1/models", headers=place.headers) as answer:
                row.expect(answer.status == 200, f"/v1/models answers {answer.status} afterwards")
        check_agents(world, row)


def _files(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def _honest(plan: Plan, row: Row, world: World, name: str) -> Traffic:
    traffic = Traffic(row, f"{plan.seed} {name}")
    for _ in range(4):
        traffic.start(world.sites[0].place, world.sites[0].kinds)
    return traffic


async def _abandon(
    plan: Plan, row: Row, world: World, stub: StubProcess, times: int, tag: str
) -> None:
    """So many clients that go; then until the server has no request of theirs."""
    place, gate = world.sites[0].place, asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await go_away(place, plan.rng(tag, number), tag)
            row.times += 1
            row.streams += 1

    await asyncio.gather(*(one(number) for number in range(times)))
    left = [0]

    def none_left() -> bool:
        left[0] = stub.open_requests(tag)
        return not left[0]

    row.expect(await until(none_left, 10), f"{left[0]} requests still run at the server")


async def go_away(place: Place, rng: random.Random, tag: str) -> None:
    """One client, up to a phase of chance; it ends with FIN or RST."""
    host, _, port = place.url.removeprefix("http://").partition(":")
    phase = rng.choice(PHASES)
    wish = {"chunks": 10_000, "rate": 100, "tag": tag}
    if rng.random() < 0.3:
        wish["hang"] = rng.choice(["before_head", "after_head"])
    asked = {"model": place.model, "messages": [], "stream": rng.random() < 0.8, "stub": wish}
    body = json.dumps({**asked, "pad": "x" * (50_000 if rng.random() < 0.05 else 10)}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {place.key}\r\nContent-Type: application/json\r\n\r\n"
    ).encode()
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return
    try:
        parts = {
            "connected": b"",
            "half a head": head[:40],
            "half a body": head + body[: len(body) // 2],
        }
        writer.write(parts.get(phase, head + body))
        if phase in ("first bytes", "middle"):
            least = 1 if phase == "first bytes" else 3_000
            try:
                await asyncio.wait_for(reader.read(1), 0.5)
                if least > 1:
                    await asyncio.wait_for(reader.readexactly(least), 0.5)
            except (TimeoutError, asyncio.IncompleteReadError):
                pass
        else:
            await asyncio.sleep(rng.uniform(0, 0.1))
        if rng.random() < 0.5:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    finally:
        writer.transport.abort() if rng.random() < 0.5 else writer.close()


async def sips(plan: Plan, row: Row, times: int) -> None:
    """Clients that read a byte a second, beside a hundred others, whose p99 stays what it was."""
    async with small_world(plan.sub("client-sips")) as (world, _), new_client() as client:
        place = world.sites[0].place
        await _p99(client, place, Row("warm-up"), 3.0)
        rounds: list[float] = []
        for _ in range(3):
            before = await _p99(client, place, row, MEASURE_S)
            sippers = [asyncio.create_task(sip(place)) for _ in range(times)]
            await asyncio.sleep(2)
            during = await _p99(client, place, row, MEASURE_S)
            row.times += times
            for sipper in sippers:
                sipper.cancel()
            await asyncio.gather(*sippers, return_exceptions=True)
            rounds.append(max(during, P99_FLOOR_S) / max(before, P99_FLOOR_S))
            row.note(f"p99 {1000 * before:.1f} → {1000 * during:.1f} ms")
        row.expect(
            sorted(rounds)[1] <= SLOWED_AT_MOST,
            f"the others' p99 grew {sorted(rounds)[1]:.2f} times",
        )
        check_agents(world, row)


async def sip(place: Place) -> None:
    host, _, port = place.url.removeprefix("http://").partition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, (host, int(port)))
        asked = {"model": place.model, "messages": [], "stream": True}
        body = json.dumps({**asked, "stub": {"chunks": 10_000_000, "chunk_bytes": 4000}})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {place.key}\r\nContent-Type: application/json\r\n\r\n"
        )
        await loop.sock_sendall(sock, (head + body).encode())
        while await loop.sock_recv(sock, 1):
            await asyncio.sleep(1)
    finally:
        sock.close()


async def _p99(client: aiohttp.ClientSession, place: Place, row: Row, seconds: float) -> float:
    """The age of an event when it is read, at a hundred streams; in seconds."""
    ages: list[int] = []
    count = int(seconds * RATE)
    wish = {"chunks": count, "rate": RATE, "chunk_bytes": 300, "stamp": True}
    body = {"model": place.model, "messages": [], "stream": True, "stub": wish}
    url = f"{place.url}/v1/chat/completions"

    async def one(number: int) -> None:
        await asyncio.sleep(number / STREAMS / RATE)
        row.streams += 1
        seen = 0
        try:
            async with client.post(url, json=body, headers=place.headers) as answer:
                async for piece in answer.content.iter_any():
                    now = time.monotonic_ns()
                    stamps = _STAMP.findall(piece)
                    seen += len(stamps)
                    ages.extend(now - int(stamp) for stamp in stamps)
                    row.bytes += len(piece)
        except ENDS as error:
            row.cut(f"{type(error).__name__} beside clients that sip")
        # A stamp that two reads share is not seen; an event of 300 bytes nearly never is.
        row.expect(seen >= 0.9 * count, f"a stream brought {seen} of {count} events")

    await asyncio.gather(*(one(number) for number in range(STREAMS)))
    return quantiles(ages, n=100)[98] / 1e9


FAULTS = [
    Fault("client-gone", "client: gone at each phase", 300, gone),
    Fault("client-sips", "client: reads a byte a second, beside 100", 5, sips),
    Fault("client-abandoned", "client: opened and abandoned", 10_000, abandoned),
]
