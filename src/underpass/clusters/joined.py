"""The hub's side of a joined cluster: the five verbs as messages on its link.

While no link is there every verb raises SchedulerSilent: the jobs' state is unknown, and their
agents go on reporting by themselves.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from underpass.clusters import messages
from underpass.clusters.base import Capabilities, JobOrder, JobRef, JobReport
from underpass.core.errors import SchedulerSilent

ANSWER_TIMEOUT_S = 45.0
"""A verb may ask a scheduler three things, each of which has its own time limit."""
OFFLINE = "cluster_offline"
"""The code of a SchedulerSilent when nothing was even sent."""

Send = Callable[[dict[str, Any]], object]


class JoinedCluster:
    """One machine that joined. `bind` gives it a link, `unbind` takes it away."""

    def __init__(
        self,
        name: str,
        *,
        kind: str = "local",
        scheduler_poll_s: float = 15.0,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.kind = kind
        self._scheduler_poll_s = scheduler_poll_s
        self._name = name
        self._timeout_s = answer_timeout_s
        self._send: Send | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def __repr__(self) -> str:
        return f"JoinedCluster({self._name}, {'online' if self.is_online else 'offline'})"

    @property
    def poll_interval_s(self) -> float:
        """A poll crosses the network, and schedulers ask for patience."""
        return 5.0 if self.kind == "local" else self._scheduler_poll_s

    @property
    def is_online(self) -> bool:
        """Whether its machine is connected."""
        return self._send is not None

    def bind(self, send: Send) -> None:
        """The machine dialled in: calls go through `send` from now on."""
        self.unbind()
        self._send = send

    def unbind(self) -> None:
        """The link is gone: whoever waits for an answer gets SchedulerSilent."""
        self._send = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                # It was asked and may have done it: not the code of one that was never asked.
                future.set_exception(SchedulerSilent(f"The cluster {self._name} went away."))

    def unbind_if(self, send: Send) -> None:
        """The same, unless a newer link has taken over in the meantime."""
        if self._send == send:
            self.unbind()

    def on_answer(self, message: Mapping[str, Any]) -> None:
        """An answer came in; one that nobody waits for any more is dropped."""
        future = self._waiting.pop(message.get("call", 0), None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(messages.error_from_json(message["error"] or {}))
        else:
            future.set_result(message.get("value"))

    async def submit(self, order: JobOrder) -> str:
        """Starts a job there."""
        return str(await self._call("submit", {"order": messages.order_to_json(order)}))

    async def show(self, order: JobOrder) -> str:
        """A submit that only shows."""
        args = {"order": messages.order_to_json(replace(order, token="")), "show": True}
        return str(await self._call("submit", args))

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """Asks for all tags at once."""
        found = await self._call("poll", {"tags": list(tags)})
        return [messages.report_from_json(one) for one in found or ()]

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """Passes the wish on."""
        await self._call("cancel", {"job": messages.job_to_json(job), "kill": kill})

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """Asks the machine."""
        found = await self._call("capabilities", {"programs": list(programs)})
        return messages.capabilities_from_json(found or {})

    async def logs(self, job: JobRef, lines: int) -> list[str]:
        """Asks the machine."""
        found = await self._call("logs", {"job": messages.job_to_json(job), "lines": lines})
        return [str(line) for line in found or ()]

    async def _call(self, verb: str, args: dict[str, Any]) -> Any:
        if self._send is None:
            raise self._silent()
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send({"type": messages.CALL, "call": number, "verb": verb, "args": args})
            return await asyncio.wait_for(future, self._timeout_s)
        except TimeoutError:
            raise SchedulerSilent(
                f"The cluster {self._name} did not answer within {self._timeout_s:g} s."
            ) from None
        finally:
            self._waiting.pop(number, None)

    def _silent(self) -> SchedulerSilent:
        return SchedulerSilent(
            f"The cluster {self._name} is not connected.",
            code=OFFLINE,
            hint="Run `underpass clusters join` on it again.",
        )
