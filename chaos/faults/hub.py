"""What happens to the hub: killed, stopped, its disk, its database, its clock, its memory.

A chat goes on or is kept up to where it came; a client of the API gets a clean end, never a part
that looks like the whole; what does not need storing is served while nothing can be stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import psutil

from chaos.chats import Chat
from chaos.faults import Fault
from chaos.faults.connection import check_agents, start_traffic
from chaos.streams import ENDS, Place, Traffic, events_down, new_client, run_events
from chaos.tally import Events, Row
from chaos.world import Plan, Site, World, open_lines, open_stack, open_stub, until
from tests.rig.postgres import PostgresServer
from tests.rig.stack import Stack
from tests.rig.stub import StubProcess

CHATS = 6
BACK_S = 60.0
API = "api"
FREED_S = 5.0
FROZEN_S = 25.0
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@asynccontextmanager
async def small_world(
    folder: Path, options: tuple[str, ...] = (), prepare: Callable[[Stack], None] | None = None
) -> AsyncIterator[tuple[World, StubProcess]]:
    """One hub, one agent, one stub. `prepare` sees the stack after its first start, with the hub
    stopped, and decides how it starts again."""
    async with open_stack(folder, options=options) as (stack, person), open_stub(folder) as stub:
        if prepare is not None:
            await asyncio.to_thread(stack.hub.stop)
            prepare(stack)
            await asyncio.to_thread(stack.start_hub)
        agent = await asyncio.to_thread(stack.open_tunnel, person, str(stub.port), "box")
        place = Place(stack.url, person.key, "box/stub")
        yield World(stack, person, [Site(place, agent, [events_down])]), stub


# --- killed and stopped ---------------------------------------------------------------------------


async def killed(plan: Plan, row: Row, times: int) -> None:
    """kill -9 in mid-answer, and started again: chats go on, API clients are told."""
    went_on = told = 0
    async with small_world(plan.sub("hub-killed")) as (world, stub), new_client() as client:
        place = world.sites[0].place
        rng = plan.rng("hub-killed")
        for _ in range(times):
            chats = [await Chat.ask(client, place, 150, 20) for _ in range(CHATS)]
            calls = [asyncio.create_task(_told_the_end(client, place, row)) for _ in range(CHATS)]
            await asyncio.sleep(rng.uniform(1, 4))
            await asyncio.to_thread(world.stack.hub.kill)
            row.times += 1
            down_at = time.monotonic()
            told += sum(await asyncio.gather(*calls))
            await asyncio.sleep(rng.choice([0.0, 1.0, 3.0]))
            await asyncio.to_thread(world.stack.start_hub)
            row.pause(time.monotonic() - down_at)
            # The agent comes back at a time of its own choice, the later the longer the hub is away.
            await asyncio.to_thread(
                world.stack.wait_provider, world.person, "box", "running", BACK_S
            )
            row.expect(
                await until(lambda: not stub.open_requests(API), FREED_S),
                "requests still run whose clients the hub took with it",
            )
            statuses = [await chat.finish(client, row, BACK_S) for chat in chats]
            went_on += statuses.count("complete")
        row.note(f"{went_on} of {row.times * CHATS} chats went on to their end")
        row.note(f"{told} of {row.times * CHATS} API streams ended with an error at the client")
        check_agents(world, row)


async def _told_the_end(client: aiohttp.ClientSession, place: Place, row: Row) -> bool:
    """A stream of the API whose hub dies: what came is right, and the end is an error."""
    check = Events(row, 1000, 400)
    wish = {"chunks": 1000, "rate": 20, "chunk_bytes": 400, "tag": API}
    body = {"model": place.model, "messages": [], "stream": True, "stub": wish}
    row.streams += 1
    try:
        url = f"{place.url}/v1/chat/completions"
        async with client.post(url, json=body, headers=place.headers) as answer:
            async for piece in answer.content.iter_any():
                check.feed(piece)
    except ENDS:
        return True
    row.expect(bool(check.error), "a part of an answer that ended like a whole one")
    return bool(check.error)


async def killed_and_cut(plan: Plan, row: Row, times: int) -> None:
    """kill -9, and the first connections to the next hub break in their handshake."""
    went_on = asked = 0
    async with open_lines(plan, plan.sub("hub-killed-cut")) as world, new_client() as client:
        sites = [site for site in world.sites if not site.is_raw]
        rng = plan.rng("hub-killed-cut")
        for _ in range(times):
            chats = [await Chat.ask(client, site.place, 120, 20) for site in sites]
            await asyncio.sleep(rng.uniform(1, 2))
            await asyncio.to_thread(world.stack.hub.kill)
            row.times += 1
            down_at = time.monotonic()
            for site in sites:
                assert site.line is not None
                site.line.reset_within(rng.randint(300, 2500))
            await asyncio.to_thread(world.stack.start_hub)
            row.pause(time.monotonic() - down_at)
            statuses = [await chat.finish(client, row, BACK_S) for chat in chats]
            went_on += statuses.count("complete")
            asked += len(chats)
        row.note(f"{went_on} of {asked} chats went on to their end")
        row.expect(went_on == asked, "a chat did not go on although its agent came back at once")
        check_agents(world, row)


async def frozen(plan: Plan, row: Row, times: int) -> None:
    """SIGSTOP for 25 s: agents give up the connection, come back, and streams go on."""
    async with open_lines(plan, plan.sub("hub-frozen")) as world:
        traffic = start_traffic(plan, row, world, "hub-frozen")
        for _ in range(times):
            await asyncio.sleep(3)
            world.stack.hub.signal(signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)
            world.stack.hub.signal(signal.SIGCONT)
            row.times += 1
            await asyncio.sleep(5)
        await traffic.stop()
        check_agents(world, row)


async def stopped(plan: Plan, row: Row, times: int) -> None:
    """SIGTERM: answers that end within the drain are whole, chats go on at the next hub."""
    went_on = 0
    async with small_world(plan.sub("hub-stopped")) as (world, stub), new_client() as client:
        place = world.sites[0].place
        for _ in range(times):
            chats = [await Chat.ask(client, place, 200, 20) for _ in range(CHATS)]
            short = {"chunks": 100, "rate": 25}
            calls = [
                asyncio.create_task(run_events(client, place, row, short)) for _ in range(CHATS)
            ]
            too_long = [asyncio.create_task(_told_the_end(client, place, row)) for _ in range(2)]
            await asyncio.sleep(1.0)
            began = time.monotonic()
            world.stack.hub.signal(signal.SIGTERM)
            row.times += 1
            await asyncio.gather(*calls)
            row.expect(all(await asyncio.gather(*too_long)), "a long answer ended without a word")
            is_freed = await until(lambda: not stub.open_requests(API), 1.0)
            row.expect(is_freed, "the server still works for answers that the stop has ended")
            code = await asyncio.to_thread(world.stack.hub.wait, 20)
            row.expect(code == 0, f"the hub's exit code is {code}")
            await asyncio.to_thread(world.stack.start_hub)
            row.pause(time.monotonic() - began)
            statuses = [await chat.finish(client, row, BACK_S) for chat in chats]
            went_on += statuses.count("complete")
        row.note(f"{went_on} of {row.times * CHATS} chats went on to their end")
        row.expect(went_on == row.times * CHATS, "a chat did not go on after a stop")
        check_agents(world, row)


# --- disk and database ----------------------------------------------------------------------------


async def disk_full(plan: Plan, row: Row, times: int) -> None:
    """No file of the hub can grow: streams go on, and storing heals by itself."""
    statuses = []
    async with small_world(plan.sub("disk-full")) as (world, _), new_client() as client:
        api = world.stack.api(world.person)
        traffic = _traffic(plan, row, world, "disk-full")
        for number in range(times):
            place = world.sites[0].place
            chats = [await Chat.ask(client, place, 160, 20) for _ in range(CHATS)]
            _allow_files_of(world.stack, 1)
            refused = await asyncio.to_thread(api.post, "/api/keys", {"name": f"full-{number}"})
            row.expect(refused.status == 503, f"a key on a full disk: {refused.status}")
            await asyncio.sleep(5)
            _allow_files_of(world.stack, resource.RLIM_INFINITY)
            row.times += 1
            row.expect(await _stores_again(world), "the hub does not store again")
            statuses += [await chat.finish(client, row, BACK_S) for chat in chats]
        row.note(f"{statuses.count('complete')} of {len(statuses)} chats whole")
        row.expect(statuses.count("complete") == len(statuses), f"chats ended as {statuses}")
        await traffic.stop()
        check_agents(world, row)


def _allow_files_of(stack: Stack, size: int) -> None:
    resource.prlimit(stack.hub.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def _stores_again(world: World, within_s: float = 15.0) -> bool:
    api = world.stack.api(world.person)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        made = await asyncio.to_thread(api.post, "/api/keys", {"name": f"k{time.monotonic_ns()}"})
        if made.status == 201:
            return True
        await asyncio.sleep(0.2)
    return False


async def database_locked(plan: Plan, row: Row, times: int) -> None:
    """Another program holds the SQLite database for 20 s: models are served, chats end whole."""
    async with small_world(plan.sub("db-locked")) as (world, _):
        await _without_database(
            plan, row, times, world, lambda: asyncio.to_thread(_hold_database, world.stack)
        )


def _hold_database(stack: Stack) -> None:
    path = stack.data_dir / "underpass.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(20)
        other.rollback()


async def database_locked_and_cut(plan: Plan, row: Row, times: int) -> None:
    """Agents lose their line and come back while nothing can be stored: afterwards all is known."""
    async with open_lines(plan, plan.sub("db-locked-cut")) as world:
        traffic = start_traffic(plan, row, world, "db-locked-cut")
        api = world.stack.api(world.person)

        def all_run() -> bool:
            return all(one["status"] == "running" for one in api.items("/api/tunnels"))

        for _ in range(times):
            lines = [site.line for site in world.sites if site.line is not None]
            for line in lines:
                line.is_refusing = True
                line.reset()
            await asyncio.sleep(1)
            holding = asyncio.create_task(asyncio.to_thread(_hold_database, world.stack))
            await asyncio.sleep(1)
            for line in lines:
                line.is_refusing = False
            row.times += 1
            await holding
            row.expect(await until(all_run, 15), "a tunnel is not running although its link is up")
        await traffic.stop()
        check_agents(world, row)


async def database_gone(plan: Plan, row: Row, times: int) -> None:
    """PostgreSQL is away for 20 s, with its connections."""
    server = await asyncio.to_thread(PostgresServer)
    try:
        url = await asyncio.to_thread(server.create, "chaos")
        options = ("--database-url", url)
        async with small_world(plan.sub("db-gone"), options) as (world, _):

            async def away() -> None:
                await asyncio.to_thread(server.halt)
                await asyncio.sleep(20)
                await asyncio.to_thread(server.go_on)

            await _without_database(plan, row, times, world, away)
    finally:
        await asyncio.to_thread(server.stop)


async def _without_database(
    plan: Plan, row: Row, times: int, world: World, away: Callable[[], object]
) -> None:
    place = world.sites[0].place
    async with new_client() as client:
        traffic = _traffic(plan, row, world, "db")
        statuses = []
        for _ in range(times):
            chats = [await Chat.ask(client, place, 200, 20) for _ in range(CHATS)]
            await asyncio.sleep(2)
            await away()  # type: ignore[misc] # a coroutine, of whichever kind
            row.times += 1
            statuses += [await chat.finish(client, row, BACK_S) for chat in chats]
            row.expect(await _stores_again(world), "the hub does not store again")
        row.note(f"{statuses.count('complete')} of {len(statuses)} chats whole")
        row.expect(statuses.count("complete") == len(statuses), f"chats ended as {statuses}")
        await traffic.stop()
    check_agents(world, row)


def _traffic(plan: Plan, row: Row, world: World, name: str) -> Traffic:
    traffic = Traffic(row, f"{plan.seed} {name}")
    for site in world.sites:
        for _ in range(4):
            traffic.start(site.place, site.kinds)
    return traffic


def why_no_postgres() -> str:
    """Why there is no PostgreSQL to take away."""
    is_there = shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return "" if is_there else "PostgreSQL is not installed"


# --- clock and memory -----------------------------------------------------------------------------


async def clock(plan: Plan, row: Row, times: int) -> None:
    """The hub's clock is set an hour ahead, then back: nobody is signed out, no stream ends."""
    folder = plan.sub("clock")
    offset = folder / "offset"
    offset.write_text("+0")

    def with_a_clock_of_ours(stack: Stack) -> None:
        stack.hub_environment = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async with small_world(folder, prepare=with_a_clock_of_ours) as (world, _):
        traffic = _traffic(plan, row, world, "clock")
        api = world.stack.api(world.person)
        for number in range(times):
            await asyncio.sleep(3)
            offset.write_text("+0" if number % 2 else "+3600")
            row.times += 1
            await asyncio.sleep(3)
            seen = await asyncio.to_thread(api.get, "/healthz")
            is_ahead = _date_of(seen.headers.get("date", "")) - time.time() > 1800
            row.expect(is_ahead == (number % 2 == 0), "the hub's clock was not set")
            provider = await asyncio.to_thread(world.stack.provider, world.person, "box")
            status = provider["status"] if provider else "missing"
            row.expect(status == "running", f"the provider is {status} after the clock was set")
        await traffic.stop()
        check_agents(world, row)


def _date_of(text: str) -> float:
    return parsedate_to_datetime(text).timestamp() if text else 0.0


def why_no_clock() -> str:
    """Why the hub's clock cannot be set."""
    return "" if FAKETIME.exists() else "libfaketime is not installed (apt-get install faketime)"


async def memory(plan: Plan, row: Row, times: int) -> None:
    """A hub that may take 256 MiB more than it has, and clients that never read their answers."""
    folder = plan.sub("memory")

    def with_a_small_budget(stack: Stack) -> None:
        stack.hub_environment = {"UNDERPASS_MEMORY_LINKS_BYTES": str(32 << 20)}

    async with small_world(folder, prepare=with_a_small_budget) as (world, stub):
        hub = world.stack.hub
        limit = psutil.Process(hub.pid).memory_info().vms + (256 << 20)
        resource.prlimit(hub.pid, resource.RLIMIT_AS, (limit, limit))
        before = hub.rss_bytes()
        traffic = _traffic(plan, row, world, "memory")
        writers = []
        try:
            for _ in range(times):
                writers.append(await _never_reads(world.sites[0].place))
                row.times += 1
            await asyncio.sleep(10)
            held = await asyncio.to_thread(stub.open_requests, "stuck")
            row.expect(held == times, f"{held} of {times} answers wait for their reader")
            grown = hub.rss_bytes() - before
        finally:
            for writer in writers:
                writer.transport.abort()
        await traffic.stop()
        row.note(f"{grown / 2**20:.0f} MiB more with {times} clients that do not read")
        row.expect(grown < 200 << 20, f"the hub grew by {grown / 2**20:.0f} MiB")
        check_agents(world, row)


async def _never_reads(place: Place) -> asyncio.StreamWriter:
    host, _, port = place.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    wish = '{"chunks":10000000,"chunk_bytes":8000,"tag":"stuck"}'
    body = f'{{"model":"{place.model}","stream":true,"messages":[],"stub":{wish}}}'
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport as well
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {place.key}\r\nContent-Type: application/json\r\n\r\n{body}".encode()
    )
    return writer


FAULTS = [
    Fault("hub-killed", "hub: kill -9 in mid-answer", 5, killed),
    Fault("hub-killed-cut", "hub: kill -9, the next handshakes break too", 5, killed_and_cut),
    Fault("hub-frozen", "hub: frozen for 25 s", 2, frozen),
    Fault("hub-stopped", "hub: SIGTERM in mid-answer", 3, stopped),
    Fault("disk-full", "hub: disk full for 5 s", 3, disk_full),
    Fault("db-locked", "hub: database locked for 20 s", 1, database_locked),
    Fault("db-locked-cut", "hub: database locked, all links cut", 1, database_locked_and_cut),
    Fault("db-gone", "hub: PostgreSQL gone for 20 s", 1, database_gone, why_no_postgres),
    Fault("clock", "hub: clock set by an hour, and back", 4, clock, why_no_clock),
    Fault("memory", "hub: 256 MiB of memory, clients that never read", 100, memory),
]
