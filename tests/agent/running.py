"""A whole agent in this process, connected to a fake hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.hub import TOKEN, FakeHub, wait_up
from underpass.agent.report import News
from underpass.agent.run import Agent, Plan
from underpass.agent.serve import Offer
from underpass.core.targets import Target
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way


@dataclass
class Running:
    """The agent, what it reported, and its task."""

    agent: Agent
    news: list[News] = field(default_factory=list)
    task: "asyncio.Task[int]" = field(init=False)

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.news if isinstance(one, kind)]


def offer(target: str, *, openai: bool = True, ref: str = "t1", name: str | None = None) -> Offer:
    return Offer(ref, Target.parse(target), openai, name)


@contextlib.asynccontextmanager
async def running_agent(
    hub: FakeHub,
    *offers: Offer,
    environ: Mapping[str, str] | None = None,
    wait: bool = True,
    **plan: Any,
) -> AsyncIterator[Running]:
    """Runs until the block ends; the agent is cancelled then if it still runs."""
    way = Way(HubAddress.parse(hub.url), environ={})
    news: list[News] = []
    agent = Agent(
        Plan(token=TOKEN, offers=offers, **plan), way, environ=environ or {}, report=news.append
    )
    running = Running(agent, news)
    running.task = asyncio.create_task(agent.run())
    try:
        if wait:
            await wait_up(hub)
        yield running
    finally:
        running.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running.task
