"""What a page costs its browser: CPU by process, and how long each task held up the main thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page

MAIN_THREAD = "CrRendererMain"
TASK = "ThreadControllerImpl::RunTask"


@dataclass
class Cost:
    """CPU seconds of the browser's processes over a time, and the main thread's longest tasks."""

    wall_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    """By the kind of process: renderer, browser, GPU, utility."""
    tasks_ms: list[float] = field(default_factory=list)
    """CPU time of each task of the page's main thread: a frame cannot be shorter than its tasks."""
    walls_ms: list[float] = field(default_factory=list)
    """The same tasks by the clock: on a busy machine they wait for others as well."""

    @property
    def renderer_share(self) -> float:
        """Of one core."""
        return self.cpu_s.get("renderer", 0.0) / self.wall_s

    @property
    def whole_share(self) -> float:
        """Of one core, with the browser's other processes."""
        return sum(self.cpu_s.values()) / self.wall_s


class Meter:
    """`async with Meter(browser, page) as cost:` measures what happens inside."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self._browser = browser
        self._page = page
        self._events: list[dict[str, Any]] = []
        self._complete = asyncio.Event()
        self.cost = Cost()

    async def __aenter__(self) -> Cost:
        self._whole = await self._browser.new_browser_cdp_session()
        self._trace = await self._page.context.new_cdp_session(self._page)
        self._trace.on("Tracing.dataCollected", lambda data: self._events.extend(data["value"]))
        self._trace.on("Tracing.tracingComplete", lambda _: self._complete.set())
        config = {"includedCategories": ["toplevel", "__metadata"], "excludedCategories": ["*"]}
        await self._trace.send("Tracing.start", {"traceConfig": config})
        self._before = await self._processes()
        self._began = time.monotonic()
        return self.cost

    async def __aexit__(self, *_: object) -> None:
        self.cost.wall_s = time.monotonic() - self._began
        for name, seconds in (await self._processes()).items():
            kind = name.split(" ")[0]
            spent = seconds - self._before.get(name, 0.0)
            self.cost.cpu_s[kind] = self.cost.cpu_s.get(kind, 0.0) + spent
        await self._trace.send("Tracing.end")
        await asyncio.wait_for(self._complete.wait(), 60)
        self._read_tasks()
        await self._trace.detach()
        await self._whole.detach()

    async def _processes(self) -> dict[str, float]:
        """CPU seconds so far by `kind pid`."""
        found = await self._whole.send("SystemInfo.getProcessInfo")
        return {f"{one['type']} {one['id']}": one["cpuTime"] for one in found["processInfo"]}

    def _read_tasks(self) -> None:
        mains = {
            (event["pid"], event["tid"])
            for event in self._events
            if event.get("name") == "thread_name" and event["args"].get("name") == MAIN_THREAD
        }
        for event in self._events:
            if event.get("name") != TASK or (event["pid"], event["tid"]) not in mains:
                continue
            self.cost.tasks_ms.append(event.get("tdur", event.get("dur", 0)) / 1000)
            self.cost.walls_ms.append(event.get("dur", 0) / 1000)
