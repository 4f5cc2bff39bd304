"""The machine's side of a joined cluster: answers the hub's calls with a local adapter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from underpass.clusters import messages
from underpass.clusters.base import Cluster
from underpass.core.errors import AppError, InvalidRequest

_log = logging.getLogger(__name__)

MAX_CALLS = 64
"""Calls that may run at once; a hub has one per session at most."""
MAX_TAGS = 10_000
MAX_LOG_LINES = 2000

Send = Callable[[dict[str, Any]], object]


class Verbs:
    """Give it each control message of the link; it sends the answers."""

    def __init__(self, cluster: Cluster, send: Send, *, version: str) -> None:
        self._cluster = cluster
        self._send = send
        self._version = version
        self._tasks: set[asyncio.Task[None]] = set()

    async def hello(self) -> None:
        """The first message of a new link: what this place is."""
        offer = await self._cluster.capabilities(())
        document = messages.capabilities_to_json(offer)
        self._send({"type": messages.HELLO, "version": self._version, "capabilities": document})

    def on_control(self, message: Mapping[str, Any]) -> None:
        """Takes one message; a call is answered by a task of its own, so none waits for another."""
        if message.get("type") != messages.CALL:
            return
        if len(self._tasks) >= MAX_CALLS:
            self._fail(message, InvalidRequest("Too many calls at once.", code="too_many"))
            return
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drops the calls that are still running; the jobs stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, message: Mapping[str, Any]) -> None:
        try:
            value = await self._do(str(message.get("verb")), message.get("args") or {})
        except AppError as error:
            self._fail(message, error)
        except Exception:  # noqa: BLE001 - whatever happened here, the hub must not wait for ever
            _log.exception("a call of the hub failed: %s", message.get("verb"))
            self._fail(message, AppError("The machine could not do it; see its own output."))
        else:
            self._send({"type": messages.ANSWER, "call": message.get("call"), "value": value})

    async def _do(self, verb: str, args: Mapping[str, Any]) -> Any:
        if verb == "submit":
            order = messages.order_from_json(args.get("order") or {})
            if args.get("show") is True:
                return await self._cluster.show(order)
            return await self._cluster.submit(order)
        if verb == "poll":
            tags = [str(tag) for tag in args.get("tags") or ()][:MAX_TAGS]
            return [messages.report_to_json(r) for r in await self._cluster.poll(tags)]
        if verb == "cancel":
            job = messages.job_from_json(args.get("job") or {})
            return await self._cluster.cancel(job, kill=args.get("kill") is True)
        if verb == "capabilities":
            programs = [str(name) for name in args.get("programs") or ()]
            return messages.capabilities_to_json(await self._cluster.capabilities(programs))
        if verb == "logs":
            job = messages.job_from_json(args.get("job") or {})
            lines = max(1, min(int(args.get("lines") or 1), MAX_LOG_LINES))
            return await self._cluster.logs(job, lines)
        raise InvalidRequest(f"This machine has no verb '{verb[:40]}'.", code="verb_unknown")

    def _fail(self, message: Mapping[str, Any], error: AppError) -> None:
        document = messages.error_to_json(error)
        self._send({"type": messages.ANSWER, "call": message.get("call"), "error": document})
