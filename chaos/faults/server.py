"""What happens to the model server: killed, hung, slow, and answers that are not what they should be.

Whatever it does, nothing of it is passed off as a whole answer, hub and agent do not grow, and the
streams of another tunnel notice nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from chaos.faults import Fault
from chaos.faults.connection import check_agents
from chaos.faults.hub import small_world
from chaos.hostile import HUGE_BYTES
from chaos.streams import ENDS, Place, Traffic, new_client, run_events
from chaos.tally import Events, Numbered, Row
from chaos.world import Plan, World
from tests.rig.processes import Process, free_port
from tests.rig.stub import ROOT

STREAMS = 5
GROWS_AT_MOST = 64 << 20
TOLD_WITHIN_S = 5.0


@dataclass
class Got:
    """What a client got of one answer. `is_whole`: it looked complete."""

    status: int = 0
    body: bytes = b""
    size: int = 0
    is_whole: bool = False
    took_s: float = 0.0


async def killed(plan: Plan, row: Row, times: int) -> None:
    """kill -9 in mid-answer: told within seconds, `unreachable`, and back when the server is."""
    async with small_world(plan.sub("server-killed")) as (world, stub), new_client() as client:
        place = world.sites[0].place
        told_s = [0.0]
        for _ in range(times):
            told = Row("told")
            wish = {"chunks": 100_000, "rate": 20}
            running = [
                asyncio.create_task(run_events(client, place, told, wish)) for _ in range(STREAMS)
            ]
            await asyncio.sleep(1)
            began = time.monotonic()
            await asyncio.to_thread(stub.process.kill)
            row.times += 1
            checks = await asyncio.wait_for(asyncio.gather(*running), 60)
            told_s.append(time.monotonic() - began)
            _add(row, told)
            for check in checks:
                row.expect(bool(check.error), "a cut answer without a last event that says so")
            await asyncio.to_thread(world.stack.wait_provider, world.person, "box", "unreachable")
            await asyncio.to_thread(stub.start)
            await asyncio.to_thread(world.stack.wait_provider, world.person, "box", "running")
            await run_events(client, place, row, {"chunks": 20, "rate": 100})
        row.note(f"clients told within {max(told_s):.1f} s")
        row.expect(max(told_s) < TOLD_WITHIN_S, f"clients were told after {max(told_s):.1f} s")
        check_agents(world, row)


def _add(row: Row, other: Row) -> None:
    row.streams += other.streams
    row.bytes += other.bytes
    row.lost += other.lost
    row.doubled += other.doubled


@asynccontextmanager
async def _hostile(plan: Plan, row: Row, name: str) -> AsyncIterator[tuple[World, Place]]:
    """Beside the honest server with its streams: one that misbehaves, behind an agent of its own."""
    folder = plan.sub(name)
    port = free_port()
    command = [sys.executable, "-m", "chaos.hostile", "--port", str(port)]
    async with small_world(folder) as (world, _):
        server = Process(command, folder / "hostile.log", cwd=ROOT)
        try:
            await asyncio.to_thread(server.wait_until_listening, port)
            open_ = partial(world.stack.open_tunnel, world.person, str(port), "bad")
            await asyncio.to_thread(open_)
            traffic = Traffic(row, f"{plan.seed} {name}")
            for _ in range(STREAMS):
                traffic.start(world.sites[0].place, world.sites[0].kinds)
            before = [world.stack.hub.rss_bytes(), world.stack.agents[-1].rss_bytes()]
            yield world, Place(world.stack.url, world.person.key, "bad/hostile")
            after = [world.stack.hub.rss_bytes(), world.stack.agents[-1].rss_bytes()]
            grown = max(b - a for a, b in zip(before, after, strict=True))
            row.expect(grown < GROWS_AT_MOST, f"a process grew by {grown / 2**20:.0f} MiB")
            await traffic.stop()
            await asyncio.to_thread(world.stack.wait_provider, world.person, "bad", "running")
            check_agents(world, row)
        finally:
            await asyncio.to_thread(server.stop)


async def _ask(client: aiohttp.ClientSession, place: Place, hurt: str, *, stream: bool) -> Got:
    body = {"model": place.model, "messages": [], "stream": stream, "hurt": hurt}
    url, got, began = f"{place.url}/v1/chat/completions", Got(), time.monotonic()
    try:
        async with client.post(url, json=body, headers=place.headers) as answer:
            got.status = answer.status
            async for piece in answer.content.iter_any():
                got.size += len(piece)
                if got.size < 1_000_000:
                    got.body += piece
        got.is_whole = True
    except ENDS:
        pass
    got.took_s = time.monotonic() - began
    return got


async def _refused(hurt: str, plan: Plan, row: Row, times: int) -> None:
    """What is no HTTP from its first byte on is a 502 that says so."""
    async with _hostile(plan, row, f"server-{hurt}") as (_, place), new_client() as client:
        slowest = 0.0
        for number in range(times):
            got = await _ask(client, place, hurt, stream=number % 2 == 0)
            row.times += 1
            row.streams += 1
            slowest = max(slowest, got.took_s)
            row.expect(got.status == 502, f"{hurt} was answered {got.status} {got.body[:200]!r}")
        row.note(f"502 within {slowest:.1f} s")


async def _broken_off(hurt: str, plan: Plan, row: Row, times: int) -> None:
    """What breaks in the middle of a stream ends with an error event, and never with [DONE].

    What breaks before anything of the answer was passed on, as it may when head and fault come together,
    is a 502 that says so.
    """
    async with _hostile(plan, row, f"server-{hurt}") as (_, place), new_client() as client:
        for _ in range(times):
            got = await _ask(client, place, hurt, stream=True)
            row.times += 1
            row.streams += 1
            if got.status == 502:
                code = json.loads(got.body)["error"]["code"]
                row.expect(code == "upstream_unreachable", f"{hurt}: 502 {code}")
                continue
            check = Events(row, 1, 400)
            check.feed(got.body)
            row.expect(bool(check.error), f"{hurt}: no last event with the error: {got.body!r}")
            row.expect(not check.is_done, f"{hurt}: a cut answer that ends with [DONE]")


async def hung(plan: Plan, row: Row, times: int) -> None:
    """It takes requests and says nothing: its clients wait, nobody else does."""
    async with _hostile(plan, row, "server-hung") as (_, place), new_client() as client:
        waiting = [
            asyncio.create_task(_ask(client, place, "hung", stream=number % 2 == 0))
            for number in range(times)
        ]
        await asyncio.sleep(15)
        row.times += times
        row.streams += times
        ended = [task.result() for task in waiting if task.done()]
        row.expect(
            not ended, f"{len(ended)} calls to a silent server ended by themselves: {ended[:1]}"
        )
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def slow(plan: Plan, row: Row, times: int) -> None:
    """A byte at a time arrives as it was sent."""
    async with _hostile(plan, row, "server-slow") as (_, place), new_client() as client:
        answers = await asyncio.gather(
            *(_ask(client, place, "slow", stream=True) for _ in range(times))
        )
        for got in answers:
            check = Events(row, 3, 250)
            check.feed(got.body)
            row.expect(check.finish(), f"a slow answer is not whole: {got.body[-200:]!r}")
        row.times += times
        row.streams += times


async def huge(plan: Plan, row: Row, times: int) -> None:
    """One chunk of 100 MB passes in pieces: nobody ever holds it."""
    async with _hostile(plan, row, "server-huge") as (world, place), new_client() as client:
        highest = [0, 0]
        before = [world.stack.hub.rss_bytes(), world.stack.agents[-1].rss_bytes()]
        body = {"model": place.model, "messages": [], "hurt": "huge_chunk"}
        url = f"{place.url}/v1/chat/completions"
        for _ in range(times):
            check = Numbered(row)
            async with client.post(url, json=body, headers=place.headers) as answer:
                async for piece in answer.content.iter_any():
                    check.feed(piece)
                    if check.got % 50 == 0:
                        now = [world.stack.hub.rss_bytes(), world.stack.agents[-1].rss_bytes()]
                        highest = [max(a, b) for a, b in zip(highest, now, strict=True)]
            row.lost += HUGE_BYTES - check.got
            row.times += 1
            row.streams += 1
        grown = max(b - a for a, b in zip(before, highest, strict=True))
        row.note(f"at most {max(0, grown) / 2**20:.0f} MiB more meanwhile")
        row.expect(grown < GROWS_AT_MOST, f"a process grew by {grown / 2**20:.0f} MiB")


async def lengths(plan: Plan, row: Row, times: int) -> None:
    """Lengths that are not true: too much is cut at the length, too little is never passed off as
    all of it, two of them are refused."""
    async with _hostile(plan, row, "server-lengths") as (_, place), new_client() as client:
        for _ in range(times):
            short = await _ask(client, place, "too_short", stream=False)
            row.expect(not short.is_whole, f"4,000 of 10,000 bytes looked whole: {short.status}")
            long = await _ask(client, place, "too_long", stream=False)
            row.expect(long.size == 4_000, f"{long.size} bytes of an answer of 4,000")
            two = await _ask(client, place, "two_lengths", stream=False)
            row.expect(two.status == 502, f"two lengths were answered {two.status}")
            row.times += 3
            row.streams += 3


FAULTS = [
    Fault("server-killed", "model server: kill -9", 3, killed),
    Fault("server-hung", "model server: takes requests, says nothing", 20, hung),
    Fault("server-slow", "model server: a byte at a time", 10, slow),
    Fault("server-garbage", "model server: garbage", 20, partial(_refused, "garbage")),
    Fault(
        "server-headers", "model server: endless headers", 20, partial(_refused, "endless_headers")
    ),
    Fault(
        "server-chunks",
        "model server: garbage in mid-stream",
        20,
        partial(_broken_off, "garbage_chunks"),
    ),
    Fault(
        "server-line",
        "model server: a chunk size without end",
        20,
        partial(_broken_off, "endless_line"),
    ),
    Fault("server-reset", "model server: reset in mid-chunk", 20, partial(_broken_off, "reset")),
    Fault("server-huge", "model server: a chunk of 100 MB", 2, huge),
    Fault("server-lengths", "model server: wrong lengths", 10, lengths),
]
