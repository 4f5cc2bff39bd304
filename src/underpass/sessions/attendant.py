"""What an agent says on its link, in order, becomes facts, tunnels and log lines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from underpass.core.errors import AppError
from underpass.core.states import EndReason
from underpass.core.times import in_words
from underpass.sessions.facts import AgentEnd, LinkState
from underpass.sessions.logs import Logs
from underpass.sessions.room import LinkLike, Live, Room, log
from underpass.sessions.tunnels import Tunnels

MAX_WAITING = 5000
"""Messages of one agent that may wait; one that floods the hub loses its link."""
MAX_LOG_LINES = 1000

Work = Callable[[], Awaitable[None]]


class Attendant:
    """Serves one link of one session. Its methods return at once; a task of its own keeps order."""

    def __init__(
        self, room: Room, tunnels: Tunnels, logs: Logs, live: Live, link: LinkLike
    ) -> None:
        self._room = room
        self._tunnels = tunnels
        self._logs = logs
        self._live = live
        self._link = link
        self._queue: asyncio.Queue[Work | None] = asyncio.Queue(MAX_WAITING)
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def link(self) -> LinkLike:
        """The link that it serves."""
        return self._link

    # --- from the link's callbacks ---------------------------------------------------------------

    def on_control(self, message: dict[str, Any]) -> None:
        """One control message of the agent."""
        self._put(lambda: self._said(message))

    def link_down(self) -> None:
        """The connection was lost and is within its grace."""
        self._put(self._down)

    def link_up_again(self) -> None:
        """The same link has a new connection."""
        self._put(self._up_again)

    def link_closed(self, reason: str) -> None:
        """The link is over."""
        self._put(lambda: self._closed(reason))
        self._put(None)

    async def settled(self) -> None:
        """Until everything that came in so far is done."""
        await self._queue.join()

    async def close(self) -> None:
        """Drops what waits, without touching the session: the hub is going."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # --- in order ---------------------------------------------------------------------------------

    def _put(self, work: Work | None) -> None:
        try:
            self._queue.put_nowait(work)
        except asyncio.QueueFull:
            log.warning("session %s says more than can be written", self._live.record.id)

    async def _run(self) -> None:
        while True:
            work = await self._queue.get()
            try:
                if work is None:
                    return
                async with self._live.lock:
                    await work()
            except AppError as error:
                log.warning("session %s: %s", self._live.record.id, error.message)
            except Exception:  # noqa: BLE001 - one strange message must not end the link's service
                log.exception("a message of session %s failed", self._live.record.id)
            finally:
                self._queue.task_done()
            self._room.wake(self._live.record.id)

    @property
    def _is_current(self) -> bool:
        """Whether no newer link has taken the session over."""
        return self._live.link is self._link

    async def _said(self, message: dict[str, Any]) -> None:
        if not self._is_current:
            return
        live = self._live
        match message.get("type"):
            case "agent.hello":
                await self._hello(message)
            case "tunnel.offer":
                await self._tunnels.offered(live, message)
            case "tunnel.readiness":
                await self._tunnels.is_ready(live, message)
            case "tunnel.withdraw" | "tunnel.failed":
                await self._tunnels.withdrawn(live, message)
            case "session.log":
                self._logs.add(live.record.id, (message.get("lines") or ())[:MAX_LOG_LINES])
            case "session.wall_time":
                await self._wall_time(message.get("left_s"))
            case "session.ended":
                live.said = _agent_end(message)
            case other:
                # A newer agent may say more than this hub knows.
                log.debug("session %s says %s", live.record.id, other)

    async def _hello(self, message: dict[str, Any]) -> None:
        scheduler = message.get("scheduler")
        changes: dict[str, Any] = {
            "host": str(message.get("host") or "")[:255] or self._live.record.host,
            "agent_version": str(message.get("version") or "")[:60] or None,
            "scheduler": scheduler if isinstance(scheduler, dict) else None,
        }
        await self._room.change(self._live, **changes)
        await self._room.note(
            self._live.record.id, "agent_connected", f"The agent on {changes['host']} is connected."
        )
        await self._wall_time(message.get("wall_time_left_s"))

    async def _wall_time(self, left_s: Any) -> None:
        if not isinstance(left_s, int | float) or isinstance(left_s, bool):
            return
        ends_at = self._room.clock.now() + max(0.0, float(left_s))
        known = self._live.record.wall_time_ends_at
        # The agent counts down; only a real change is worth a push.
        if known is not None and abs(known - ends_at) < 30:
            return
        await self._room.change(self._live, wall_time_ends_at=ends_at)
        if left_s < 600:
            text = f"Its time ends in {in_words(float(left_s))}."
            await self._room.note(self._live.record.id, "wall_time", text)
        await self._tunnels.refresh(self._live)

    async def _down(self) -> None:
        if self._is_current:
            self._set(LinkState.DOWN)
            await self._tunnels.link_lost(self._live)

    async def _up_again(self) -> None:
        if self._is_current:
            self._set(LinkState.UP)
            await self._tunnels.link_back(self._live)

    async def _closed(self, reason: str) -> None:
        if not self._is_current:
            return
        self._set(LinkState.CLOSED)
        self._live.link = None
        self._live.readiness.clear()
        await self._tunnels.link_gone(self._live)
        text = "The agent's connection ended." if not reason else f"The connection ended: {reason}"
        await self._room.note(self._live.record.id, "agent_gone", text[:300])

    def _set(self, state: LinkState) -> None:
        self._live.link_state = state
        self._live.link_since = self._room.clock.now()


def _agent_end(message: dict[str, Any]) -> AgentEnd:
    code = message.get("exit_code")
    try:
        reason = EndReason(str(message.get("reason")))
    except ValueError:
        reason = EndReason.SERVER_EXITED
    return AgentEnd(
        reason,
        code if isinstance(code, int) else None,
        str(message.get("message") or "")[:1000],
    )
