"""What happens to the line between an agent and its hub.

A stream whose agent comes back within the grace (60 s) must go on from the byte where it stopped, in
both directions. The quick faults hit many links at once, again and again; those of packets take the
time that a dead line takes.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import psutil

from chaos import packets
from chaos.faults import Fault
from chaos.line import Line
from chaos.streams import Place, Traffic, new_client, run_events
from chaos.tally import Row
from chaos.world import (
    Plan,
    Site,
    World,
    open_lines,
    open_stack,
    open_stub,
    open_wires,
    until,
)
from tests.rig.processes import Process
from tests.rig.waiting import eventually_async

CLIENTS = 2
"""Streams at a time on each link."""
WIRES = 6
BACK_S = 30.0
QUIET_UP_S = 0.5
EARLY = 0.2
Inject = Callable[[Line, random.Random], bool]


class Quota:
    """How many injections are still to be made, by all links together."""

    def __init__(self, times: int, seconds: float) -> None:
        self.left = times
        self.done = 0
        self._deadline = time.monotonic() + seconds

    def take(self) -> bool:
        """Whether one more may be made; it counts once `done` says so."""
        if self.left <= 0 or time.monotonic() > self._deadline:
            return False
        self.left -= 1
        return True


# --- quick ones, on lines of user space -----------------------------------------------------------


async def on_lines(inject: Inject, name: str, plan: Plan, row: Row, times: int) -> None:
    """Many links at once, each hit again as soon as bytes flow on it."""
    async with open_lines(plan, plan.sub(name)) as world:
        traffic = start_traffic(plan, row, world, name)
        quota = Quota(times, plan.seconds)
        hub = psutil.Process(world.stack.hub.pid)
        before = hub.memory_info().rss, hub.num_fds()
        await asyncio.gather(
            *(
                _hit_again_and_again(site.line, inject, quota, plan.rng(name, number))
                for number, site in enumerate(world.sites)
                if site.line is not None
            )
        )
        await traffic.stop()
        row.times += quota.done
        # A connection whose agent does not answer the hub's goodbye is kept for 10 s.
        await until(lambda: hub.num_fds() < before[1] + 5, BACK_S)
        files = hub.num_fds() - before[1]
        row.note(f"hub {(hub.memory_info().rss - before[0]) / 2**20:+.0f} MiB, {files:+d} files")
        row.expect(files < 5, f"the hub has {files} more open files")
        check_agents(world, row)


def start_traffic(plan: Plan, row: Row, world: World, name: str) -> Traffic:
    """Streams on every site of the world."""
    traffic = Traffic(row, f"{plan.seed} {name}")
    for site in world.sites:
        for _ in range(CLIENTS):
            traffic.start(site.place, site.kinds)
    return traffic


def check_agents(world: World, row: Row) -> None:
    """No process ended, and none has raised what it did not expect."""
    row.expect(world.stack.hub.is_alive, "the hub ended")
    for process in (world.stack.hub, *(site.agent for site in world.sites)):
        said = process.output()
        is_calm = "Traceback" not in said and "Exception in ASGI" not in said
        row.expect(is_calm, f"an error that nobody expected in {process.log}")
    for site in world.sites:
        row.expect(site.agent.is_alive, f"an agent ended: {site.agent.tail(3)}")


async def _hit_again_and_again(
    line: Line, inject: Inject, quota: Quota, rng: random.Random
) -> None:
    while quota.take():
        # Some are hit as soon as they are there: in the middle of the handshake.
        is_early = rng.random() < EARLY
        enough = line.bytes_passed + (1 if is_early else rng.randint(2_000, 30_000))
        await until(partial(_may_hit, line, enough), BACK_S)
        await asyncio.sleep(rng.uniform(0, 0.05))
        if inject(line, rng):
            quota.done += 1
        else:
            quota.left += 1
        if not await until(lambda: line.cut_at is None, 2.0):
            line.cut_at = None  # so few bytes flow that it would come much later
            line.reset()


def _may_hit(line: Line, enough: int) -> bool:
    # Where the windows are full or a client pauses, few bytes flow: then time decides.
    pair = line.current
    if pair is None:
        return False
    return line.bytes_passed > enough or time.monotonic() - pair.since > QUIET_UP_S


def _reset(line: Line, rng: random.Random) -> bool:
    if rng.random() < 0.5:
        return line.reset()
    return line.reset_within(rng.randint(1, 3000))


def _half_close(line: Line, rng: random.Random) -> bool:
    return line.half_close(toward_hub=rng.random() < 0.5)


def _one_end(line: Line, rng: random.Random) -> bool:
    return line.reset_one_end()


def _address(line: Line, rng: random.Random) -> bool:
    return line.change_address()


def _any_of_them(line: Line, rng: random.Random) -> bool:
    return rng.choice([_reset, _half_close, _one_end, _address])(line, rng)


# --- proxies ------------------------------------------------------------------------------------


async def proxy_cuts(plan: Plan, row: Row, times: int) -> None:
    """A proxy that ends every connection when it is 30 s old."""
    async with open_lines(plan, plan.sub("proxy-cuts")) as world:
        lines = [site.line for site in world.sites if site.line is not None]
        traffic = start_traffic(plan, row, world, "proxy-cuts")
        for line in lines:
            line.max_age_s = 30.0
        await until(lambda: _cuts(lines) >= times, plan.seconds)
        for line in lines:
            line.max_age_s = None
        await traffic.stop()
        row.times += _cuts(lines)
        check_agents(world, row)


async def proxy_idles(plan: Plan, row: Row, times: int) -> None:
    """A proxy that ends every connection on which nothing passed for 5 s: sooner than we ping."""
    async with open_lines(plan, plan.sub("proxy-idles")) as world:
        sites = [site for site in world.sites if not site.is_raw]
        lines = [site.line for site in world.sites if site.line is not None]
        for line in lines:
            line.idle_s = 5.0
        deadline = time.monotonic() + plan.seconds

        async def slow_streams(site: Site) -> None:
            async with new_client() as client:
                while _cuts(lines) < times and time.monotonic() < deadline:
                    await run_events(client, site.place, row, {"chunks": 4, "rate": 1 / 7})

        await asyncio.gather(*(slow_streams(site) for site in sites))
        row.times += _cuts(lines)
        row.note("events 7 s apart")
        check_agents(world, row)


def _cuts(lines: list[Line]) -> int:
    return sum(line.cuts for line in lines)


# --- packets ------------------------------------------------------------------------------------


async def on_wires(
    hurt: Callable[[Site, Row, random.Random], Awaitable[int]],
    name: str,
    plan: Plan,
    row: Row,
    times: int,
) -> None:
    """Each link's wire is hurt `times / wires` times; all links at once."""
    async with open_wires(plan, plan.sub(name), min(WIRES, times)) as world:
        traffic = start_traffic(plan, row, world, name)
        quota = Quota(times, plan.seconds)

        async def one(site: Site, rng: random.Random) -> None:
            await asyncio.sleep(rng.uniform(0.5, 2.0))
            while quota.take():
                made = await hurt(site, row, rng)
                row.times += made
                await asyncio.sleep(rng.uniform(0.5, 2.0))

        await asyncio.gather(*(one(site, plan.rng(name, n)) for n, site in enumerate(world.sites)))
        await traffic.stop()
        dropped = sum(site.wire.dropped for site in world.sites if site.wire)
        packets_ = sum(site.wire.packets for site in world.sites if site.wire)
        row.note(f"{dropped:,} of {packets_:,} packets dropped")
        check_agents(world, row)


async def _blackhole(seconds: float, site: Site, row: Row, rng: random.Random) -> int:
    assert site.wire is not None
    site.wire.is_open = False
    await asyncio.sleep(seconds)
    site.wire.is_open = True
    await asyncio.sleep(min(seconds, 5.0))
    return 1


async def _lossy(site: Site, row: Row, rng: random.Random) -> int:
    assert site.wire is not None
    site.wire.loss = 0.01
    await asyncio.sleep(30.0)
    site.wire.loss = 0.0
    return 1


async def _far_away(round_trip_s: float, site: Site, row: Row, rng: random.Random) -> int:
    assert site.wire is not None
    site.wire.delay_s = round_trip_s / 2
    await asyncio.sleep(15.0)
    site.wire.delay_s = 0.0
    return 1


async def _moved(site: Site, row: Row, rng: random.Random) -> int:
    assert site.wire is not None
    await asyncio.to_thread(site.wire.change_address)
    await asyncio.sleep(30.0)  # until both ends have noticed: nobody tells them
    return 1


# --- two agents ---------------------------------------------------------------------------------


async def twins(plan: Plan, row: Row, times: int) -> None:
    """A second agent with the same session's token: the newest one has it, at once and alone.

    What ran at the older agent ends, told as such, and no byte is passed off as part of it.
    """
    folder = plan.sub("twins")
    async with open_stack(folder) as (stack, person), open_stub(folder) as stub:
        wish = {"attach": True, "name": "twin", "host": "gpu"}
        made = await asyncio.to_thread(stack.api(person).post, "/api/sessions", wish)
        (folder / "token").write_text(made.json()["token"])
        (folder / "token").chmod(0o600)
        order = folder / "order.json"
        spec = {
            "format": 1,
            "hub": stack.url,
            "token_file": str(folder / "token"),
            "session_id": made.json()["session"]["id"],
            "target": str(stub.port),
            "tunnel": "twin",
        }
        order.write_text(json.dumps(spec))
        order.chmod(0o600)
        newest = stack.start_agent("agent", "--spec", str(order))
        await asyncio.to_thread(stack.wait_provider, person, "twin", "running")
        place = Place(stack.url, person.key, "twin/stub")
        deadline = time.monotonic() + plan.seconds
        for _ in range(times):
            if time.monotonic() > deadline:
                break
            older, told = newest, Row("told")
            async with new_client() as client:
                long = {"chunks": 10_000, "rate": 50}
                running = asyncio.create_task(run_events(client, place, told, long))
                await asyncio.sleep(0.5)
                newest = stack.start_agent("agent", "--spec", str(order))
                check = await asyncio.wait_for(running, 30)
                row.expect(bool(check.error), "the older agent's stream ended without a word")
                await eventually_async(partial(_is_over, older), 10, "the older agent leaves")
                await asyncio.to_thread(stack.wait_provider, person, "twin", "running")
                await run_events(client, place, row, {"chunks": 20, "rate": 100})
            row.streams += 1
            row.bytes += told.bytes
            row.lost += told.lost
            row.doubled += told.doubled
            row.pause(told.worst_pause_s)
            row.times += 1
        row.note("streams of the older agent end with a word")


def _is_over(agent: Process) -> bool:
    return not agent.is_alive


def _quick(name: str, title: str, times: int, inject: Inject) -> Fault:
    return Fault(name, title, times, partial(on_lines, inject, name))


def _packets(
    name: str,
    title: str,
    times: int,
    hurt: Callable[[Site, Row, random.Random], Awaitable[int]],
) -> Fault:
    return Fault(name, title, times, partial(on_wires, hurt, name), packets.why_not)


FAULTS = [
    _quick("reset", "connection reset", 4000, _reset),
    _quick("half-closed", "connection half closed", 2500, _half_close),
    _quick("one-end", "reset at one end, the other hears nothing", 2000, _one_end),
    _quick("address", "address changed, old connection dead", 1500, _address),
    _quick("mixed", "any of these, by chance", 500, _any_of_them),
    Fault("proxy-cuts", "proxy cuts every 30 s", 32, proxy_cuts),
    Fault("proxy-idles", "proxy cuts after 5 s of silence", 60, proxy_idles),
    _packets("blackhole-1", "packets vanish for 1 s", 30, partial(_blackhole, 1.0)),
    _packets("blackhole-10", "packets vanish for 10 s", 18, partial(_blackhole, 10.0)),
    _packets("blackhole-50", "packets vanish for 50 s", 6, partial(_blackhole, 50.0)),
    _packets("moved", "agent's address is another one, nobody is told", 6, _moved),
    _packets("loss", "1 % of packets lost", 6, _lossy),
    _packets("far-40", "40 ms round trip", 6, partial(_far_away, 0.040)),
    _packets("far-200", "200 ms round trip", 6, partial(_far_away, 0.200)),
    Fault("twins", "two agents with one identity", 5, twins),
]
