"""What happens to an agent: killed, frozen, started again beside a server that lives."""

from __future__ import annotations

import asyncio
import signal
import time
from functools import partial

from chaos.faults import Fault
from chaos.faults.connection import check_agents
from chaos.faults.hub import small_world
from chaos.streams import Place, Traffic, new_client, run_events
from chaos.tally import Row
from chaos.world import Plan, World, until
from tests.rig.stub import StubProcess

SAID_WITHIN_S = 5.0
SERVER_TOLD_S = 1.0
FROZEN_S = 30.0
STREAMS = 5


async def killed(plan: Plan, row: Row, times: int) -> None:
    """kill -9: provider and session say so, the server's requests end, and a new agent takes over
    beside the server, which never stopped."""
    async with small_world(plan.sub("agent-killed")) as (world, stub), new_client() as client:
        place = world.sites[0].place
        said_s, told_s, back_s = [0.0], [0.0], [0.0]
        for number in range(times):
            told = Row("told")
            wish = {"chunks": 100_000, "rate": 20, "tag": f"kill-{number}"}
            running = [
                asyncio.create_task(run_events(client, place, told, wish)) for _ in range(STREAMS)
            ]
            await asyncio.sleep(1.5)
            began = time.monotonic()
            await asyncio.to_thread(world.stack.agents[-1].kill)
            row.times += 1
            row.expect(
                await until(partial(_is_not_running, world), 2 * SAID_WITHIN_S),
                "the provider still says it runs 10 s after its agent was killed",
            )
            said_s.append(time.monotonic() - began)
            ends = await asyncio.to_thread(_ends, stub, f"kill-{number}")
            row.expect(
                len(ends) == STREAMS, f"{len(ends)} of {STREAMS} requests ended at the server"
            )
            told_s.append(max(ends, default=began) - began)
            again = time.monotonic()
            words = (world.person, str(stub.port), "box", "--replace")
            await asyncio.to_thread(world.stack.open_tunnel, *words)
            back_s.append(time.monotonic() - again)
            checks = await asyncio.gather(*running)
            row.pause(time.monotonic() - began)
            row.streams += told.streams
            row.bytes += told.bytes
            row.lost += told.lost
            row.doubled += told.doubled
            for check in checks:
                row.expect(not check.is_done, "an answer that was cut ended like a whole one")
            await run_events(client, place, row, {"chunks": 20, "rate": 100})
        row.note(
            f"said so within {max(said_s):.1f} s, server's requests ended within {max(told_s):.1f} s"
        )
        row.note(f"a new agent beside the server serves after {max(back_s):.1f} s")
        row.expect(max(said_s) <= SAID_WITHIN_S, f"said so only after {max(said_s):.1f} s")
        row.expect(max(told_s) <= SERVER_TOLD_S, f"the server was freed after {max(told_s):.1f} s")
        row.expect(world.stack.hub.is_alive, "the hub ended")


def _is_not_running(world: World) -> bool:
    provider = world.stack.provider(world.person, "box")
    tunnels = world.stack.api(world.person).items("/api/tunnels")
    status = next((one["status"] for one in tunnels if one["name"] == "box"), "gone")
    return provider is None or provider["status"] != "running" or status != "running"


def _ends(stub: StubProcess, tag: str) -> list[float]:
    deadline = time.monotonic() + 5
    while True:
        seen = stub.all_seen_of(tag)
        ended = [one["ended_at"] for one in seen if one["outcome"] == "disconnected"]
        if len(ended) >= STREAMS or time.monotonic() > deadline:
            return ended
        time.sleep(0.05)


async def frozen(plan: Plan, row: Row, times: int) -> None:
    """SIGSTOP for 30 s: the hub drops the link after 20 s, the agent comes back with its streams."""
    async with small_world(plan.sub("agent-frozen")) as (world, _):
        traffic = Traffic(row, f"{plan.seed} agent-frozen")
        for _ in range(STREAMS):
            traffic.start(world.sites[0].place, world.sites[0].kinds)
        for _ in range(times):
            await asyncio.sleep(3)
            world.sites[0].agent.signal(signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)
            world.sites[0].agent.signal(signal.SIGCONT)
            row.times += 1
            await asyncio.sleep(3)
        await traffic.stop()
        check_agents(world, row)


async def restarted(plan: Plan, row: Row, times: int) -> None:
    """SIGTERM to the agent and started again: the server lives on, and is served again."""
    async with small_world(plan.sub("agent-restarted")) as (world, stub), new_client() as client:
        back_s = [0.0]
        place: Place = world.sites[0].place
        for _ in range(times):
            short = {"chunks": 30, "rate": 20}
            running = asyncio.create_task(run_events(client, place, row, short))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            world.stack.agents[-1].signal(signal.SIGTERM)
            row.times += 1
            await running
            await asyncio.to_thread(world.stack.agents[-1].wait, 15)
            await asyncio.to_thread(world.stack.open_tunnel, world.person, str(stub.port), "box")
            back_s.append(time.monotonic() - began)
            await run_events(client, place, row, {"chunks": 20, "rate": 100})
        row.note(
            f"asked to stop, it let answers finish; served again after {max(back_s):.1f} s at most"
        )
        row.expect(stub.process.is_alive, "the server ended with its agent")


FAULTS = [
    Fault("agent-killed", "agent: kill -9", 3, killed),
    Fault("agent-frozen", "agent: frozen for 30 s", 2, frozen),
    Fault("agent-restarted", "agent: restarted beside a living server", 3, restarted),
]
