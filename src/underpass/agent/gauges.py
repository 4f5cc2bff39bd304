"""Tells the hub every few seconds how busy the session is: its GPUs, and what its server has counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from underpass.agent.counters import Counters
from underpass.agent.gpus import Gpus
from underpass.agent.meter import Meter

EVERY_S = 15.0
FIRST_S = 2.0
"""The link is not up before."""
MOST_OF_THE_TIME = 0.02
"""A driver that takes long to answer is asked so seldom that asking takes no more of the time than this."""


class Gauges:
    """One session's."""

    def __init__(
        self,
        gpus: Gpus,
        counters: Callable[[], Awaitable[Counters | None]],
        meter: Meter,
        say: Callable[[dict[str, Any]], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """`counters` asks the model server; `say` sends a control message."""
        self._gpus = gpus
        self._counters = counters
        self._meter = meter
        self._say = say
        self._every_s = every_s

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(min(FIRST_S, self._every_s))
        while True:
            began_at = loop.time()
            self._say(await self.message())
            took_s = loop.time() - began_at
            await asyncio.sleep(max(self._every_s, took_s / MOST_OF_THE_TIME))

    async def message(self) -> dict[str, Any]:
        """The control message `session.gauges`."""
        counted = await self._counters()
        uses = await self._gpus.use() if self._gpus.are_told else []
        return {
            "type": "session.gauges",
            "gpus": [use.as_message() for use in uses],
            "server": None if counted is None else asdict(counted),
            # With nearly all servers one event of an answer is one token: better than nothing.
            "events": self._meter.events_out,
        }
