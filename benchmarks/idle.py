"""What an idle tunnel costs the hub: many links, held by one process that does nothing else.

What a hub keeps of a tunnel is the same whether its agent is a process of its own or one of many in
here, and a dozen would not do: the hub's memory grows in steps of an arena (1 MiB), which would be
most of what a dozen add.
"""

import asyncio
from functools import partial

import aiohttp

from benchmarks.paths import Carriers
from tests.hub.agents import HELLO, TinyAgent
from tests.rig.stack import Person, Stack
from tests.rig.waiting import Steady, eventually, eventually_async

WARM_UP = 20
TUNNELS = 200
STEADY_S = 1.0


def measure_idle_tunnels(stack: Stack, person: Person, count: int = TUNNELS) -> float:
    """Growth of the hub in bytes per further tunnel with the OpenAI flag, once all are running."""
    return asyncio.run(_measure(stack, person, count))


async def _measure(stack: Stack, person: Person, count: int) -> float:
    headers = {"Authorization": f"Bearer {person.key}"}
    agents: list[TinyAgent] = []
    async with aiohttp.ClientSession(stack.url, headers=headers) as client:
        try:
            await _open(client, stack, WARM_UP, agents)
            before = await _settled_rss_bytes(stack)
            await _open(client, stack, count, agents)
            return (await _settled_rss_bytes(stack) - before) / count
        finally:
            for agent in agents:
                await agent.close()


async def _settled_rss_bytes(stack: Stack) -> int:
    carriers = Carriers(stack.hub.pid)
    steady = Steady(carriers.rss_bytes, STEADY_S)
    await asyncio.to_thread(eventually, steady, 30, "the hub's memory is steady")
    return carriers.rss_bytes()


async def attach(client: aiohttp.ClientSession, stack: Stack, name: str) -> TinyAgent:
    """An agent that is connected and has introduced itself, in a new session of that name."""
    wish = {"attach": True, "name": name, "host": "bench"}
    async with client.post("/api/sessions", json=wish) as made:
        token = (await made.json())["token"]
    agent = TinyAgent(stack.url, token)
    await agent.connect()
    agent.link.send_control(HELLO)
    return agent


async def _open(
    client: aiohttp.ClientSession, stack: Stack, count: int, agents: list[TinyAgent]
) -> None:
    """So many more tunnels, one after another, until their providers are running."""
    for number in range(len(agents), len(agents) + count):
        name = f"idle-{number}"
        agent = await attach(client, stack, name)
        agents.append(agent)
        agent.say("tunnel.offer", ref="1", name=name, target="8000", openai=True)
        accepted = await eventually_async(partial(agent.said, "tunnel.accepted"), 10)
        models = [{"id": "tiny", "max_model_len": 4096}]
        agent.say(
            "tunnel.readiness", tunnel_id=accepted["tunnel_id"], state="running", models=models
        )

    async def all_run() -> bool:
        async with client.get("/v1/models") as answer:
            listed = {model["id"] for model in (await answer.json())["data"]}
        return {f"idle-{number}/tiny" for number in range(len(agents))} <= listed

    await eventually_async(all_run, 30)
