"""All of it at random for a long time: `--soak 30m`. Afterwards memory and open files are what they were.

After a warm-up, and again at the end, all streams finish and everything comes to rest: what hub and
agents hold then is compared.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psutil

from chaos.chats import Chat
from chaos.faults.client import go_away, sip
from chaos.faults.connection import check_agents, start_traffic
from chaos.streams import Place, new_client, run_events
from chaos.tally import Row
from chaos.world import Plan, Site, World, open_lines
from tests.rig.processes import Process

REST_S = 75.0
"""An ended run of a chat stays in the hub's memory for 60 s."""
GROWS_AT_MOST = 0.05
FILES_MORE_AT_MOST = 3
WARM_UP = 0.25
Mischief = Callable[[World, Row, random.Random], Coroutine[Any, Any, None]]


async def soak(plan: Plan, row: Row, seconds: float) -> None:
    """Streams and faults for so many seconds."""
    async with open_lines(plan, plan.sub("soak")) as world:
        warm_s = max(30.0, WARM_UP * seconds)
        await _for_a_while(plan, Row("warm-up"), world, warm_s, "warm-up")
        before = await _at_rest(world)
        await _for_a_while(plan, row, world, max(30.0, seconds - warm_s), "soak")
        after = await _at_rest(world)
        for name, (rss, files) in after.items():
            was_rss, was_files = before[name]
            grown = rss / was_rss - 1
            row.expect(grown <= GROWS_AT_MOST, f"{name} grew by {100 * grown:.1f} %")
            more = files - was_files
            row.expect(more <= FILES_MORE_AT_MOST, f"{name} has {more} more open files")
        row.note(_in_words(before, after))
        check_agents(world, row)


def _in_words(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> str:
    hub = f"hub {before['hub'][0] / 2**20:.0f} → {after['hub'][0] / 2**20:.0f} MiB"
    files = f"{before['hub'][1]} → {after['hub'][1]} files"
    worst = max(after[name][0] / before[name][0] - 1 for name in after if name != "hub")
    return f"{hub}, {files}; an agent at most {100 * worst:+.1f} %"


async def _at_rest(world: World) -> dict[str, tuple[int, int]]:
    """Resident bytes and open files of each process, once nothing has happened for a while."""
    await asyncio.sleep(REST_S)

    def look(process: Process) -> tuple[int, int]:
        return process.rss_bytes(), psutil.Process(process.pid).num_fds()

    agents = {f"agent {number}": look(site.agent) for number, site in enumerate(world.sites)}
    return {"hub": look(world.stack.hub), **agents}


async def _for_a_while(plan: Plan, row: Row, world: World, seconds: float, name: str) -> None:
    traffic = start_traffic(plan, row, world, name)
    rng = plan.rng(name)
    deadline = time.monotonic() + seconds
    running: set[asyncio.Task[None]] = set()
    while time.monotonic() < deadline:
        task = asyncio.create_task(rng.choice(MISCHIEF)(world, row, random.Random(rng.random())))
        running.add(task)
        task.add_done_callback(running.discard)
        row.times += 1
        await asyncio.sleep(rng.uniform(0.05, 0.6))
    await asyncio.gather(*running)
    await traffic.stop()


# --- the mischief ---------------------------------------------------------------------------------


def _any(world: World, rng: random.Random, *, raw: bool = True) -> Site:
    return rng.choice([site for site in world.sites if raw or not site.is_raw])


async def _line(world: World, row: Row, rng: random.Random) -> None:
    line = _any(world, rng).line
    assert line is not None
    what = rng.randrange(5)
    if what == 0:
        line.reset_within(rng.randint(1, 3000))
    elif what == 1:
        line.half_close(toward_hub=rng.random() < 0.5)
    elif what == 2:
        line.reset_one_end()
    elif what == 3:
        line.change_address()
    else:
        line.reset()


async def _stall(world: World, row: Row, rng: random.Random) -> None:
    line = _any(world, rng).line
    assert line is not None
    line.stall()
    await asyncio.sleep(rng.uniform(0.5, 6))
    line.flow()


async def _freeze(world: World, row: Row, rng: random.Random) -> None:
    agent = _any(world, rng).agent
    agent.signal(signal.SIGSTOP)
    await asyncio.sleep(rng.uniform(0.5, 12))
    agent.signal(signal.SIGCONT)


async def _abandon(world: World, row: Row, rng: random.Random) -> None:
    place = _any(world, rng, raw=False).place
    for _ in range(20):
        await go_away(place, rng, "abandoned")


async def _sipping(world: World, row: Row, rng: random.Random) -> None:
    task = asyncio.create_task(sip(_any(world, rng, raw=False).place))
    await asyncio.sleep(rng.uniform(1, 8))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _chat(world: World, row: Row, rng: random.Random) -> None:
    async with new_client() as client:
        place = _any(world, rng, raw=False).place
        chat = await Chat.ask(client, place, rng.randint(20, 100), 20)
        status = await chat.finish(client, row, 90)
        row.expect(status == "complete", f"a chat ended as {status}")


async def _server_cuts(world: World, row: Row, rng: random.Random) -> None:
    told = Row("told")
    place: Place = _any(world, rng, raw=False).place
    async with new_client() as client:
        wish = {"chunks": 100, "rate": 50, "cut_after": rng.randint(1, 90)}
        check = await run_events(client, place, told, wish)
    row.streams += 1
    row.bytes += told.bytes
    row.expect(not check.is_done and told.lost + told.doubled == 0, "a cut answer that looks whole")


MISCHIEF: list[Mischief] = [
    *(_line, _line, _line, _stall, _freeze, _abandon, _sipping, _chat, _chat, _server_cuts),
]
