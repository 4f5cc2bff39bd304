"""A hub that comes back to 500 agents at once: all of them are to be back within 30 s.

The agents are the real keeper of the link (`agent.hold.Holder`: dial, back off, resume) without the
rest of an agent, all in this process; the hub is a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from chaos.faults import Fault
from chaos.tally import Row
from chaos.world import Plan, open_stack, until
from tests.hub.agents import HELLO
from tests.rig.stack import Person, Stack
from underpass.agent.hold import Holder
from underpass.agent.report import LinkNews, News
from underpass.core.clock import SystemClock
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way

AGENTS = 500
ALL_BACK_S = 30.0
PATIENCE_S = 120.0


class KeptLink:
    """One agent that only holds its link."""

    def __init__(self, way: Way, token: str) -> None:
        self.is_up = False
        self.back_at = 0.0
        self.refusals = 0
        self._holder = Holder(
            way,
            token,
            software="chaos",
            on_stream=lambda stream: None,
            on_control=lambda message: None,
            on_fresh=self._introduce,
            report=self._report,
            clock=SystemClock(),
        )
        self._task = asyncio.create_task(self._holder.run())

    def _introduce(self) -> None:
        self._holder.say(HELLO)

    def _report(self, news: News) -> None:
        if isinstance(news, LinkNews):
            self.is_up = news.status == "running"
            self.refusals += not self.is_up
            if self.is_up:
                self.back_at = time.monotonic()

    async def close(self) -> None:
        """Gone, as by a kill."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def storm(plan: Plan, row: Row, times: int) -> None:
    """The hub is killed and started again, with 500 agents on it."""
    async with open_stack(plan.sub("storm")) as (stack, person):
        tokens = await asyncio.to_thread(_tokens, stack, person, AGENTS)
        way = Way(HubAddress.parse(stack.url), environ={})
        links = [KeptLink(way, token) for token in tokens]
        try:
            row.expect(
                await until(partial(_all_up, links), PATIENCE_S), "not all agents came at first"
            )
            for number in range(times):
                await _once(plan, row, stack, links, number)
        finally:
            await asyncio.gather(*(link.close() for link in links))


def _all_up(links: list[KeptLink]) -> bool:
    return all(link.is_up for link in links)


async def _once(plan: Plan, row: Row, stack: Stack, links: list[KeptLink], number: int) -> None:
    for link in links:
        link.refusals = 0
    away_s = [0.0, 5.0, 20.0][number % 3]
    await asyncio.to_thread(stack.hub.kill)
    row.times += 1
    await until(lambda: not any(link.is_up for link in links), 30)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(stack.start_hub)
    ready_at = time.monotonic()
    is_whole = await until(partial(_all_up, links), PATIENCE_S)
    back = sorted(link.back_at - ready_at for link in links)
    row.streams += len(links)
    row.pause(back[-1])
    row.note(
        f"away {away_s:g} s: half of {len(links)} agents back after {back[len(back) // 2]:.1f} s, "
        f"all after {back[-1]:.1f} s"
    )
    row.expect(is_whole, f"{sum(not link.is_up for link in links)} agents never came back")
    row.expect(back[-1] <= ALL_BACK_S, f"the last agent came after {back[-1]:.1f} s")


def _tokens(stack: Stack, person: Person, count: int) -> list[str]:
    api = stack.api(person)
    made = [
        api.post("/api/sessions", {"attach": True, "name": f"storm-{number}", "host": "h"})
        for number in range(count)
    ]
    return [str(one.json()["token"]) for one in made]


FAULTS = [Fault("storm", "hub restarts under 500 agents", 3, storm)]
