"""What an agent says on its link, in order, becomes facts, tunnels and log lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.core.times import in_words
from underpass.sessions.facts import AgentEnd, LinkState
from underpass.sessions.logs import Logs
from underpass.sessions.room import LinkLike, Live, Room, log
from underpass.sessions.starting import read_progress
from underpass.sessions.tunnels import Tunnels

MAX_LOG_LINES = 1000
MAX_GPUS, MAX_GPU_NAME_CHARS = 64, 100
MAX_WALL_TIME_S = 10 * 365 * 86_400.0
MAX_EXIT_CODE = 1 << 16

# The ways out that an agent may have taken, as the end of a sentence.
_WAYS = {
    "direct": "",
    "proxy": " through the site's proxy",
    "login node": " through the login node",
}

Work = Callable[[], Awaitable[None]]


class Attendant:
    """Serves one link of one session. Called for one thing after the other, in order."""

    def __init__(
        self, room: Room, tunnels: Tunnels, logs: Logs, live: Live, link: LinkLike
    ) -> None:
        self._room = room
        self._tunnels = tunnels
        self._logs = logs
        self._live = live
        self._link = link

    async def on_control(self, message: dict[str, Any]) -> None:
        """One control message of the agent. Raises AppError; the link goes on."""
        await self._in_turn(lambda: self._said(message))

    async def link_down(self) -> None:
        """The connection was lost and is within its grace."""
        await self._in_turn(self._down)

    async def link_up_again(self) -> None:
        """The same link has a new connection."""
        await self._in_turn(self._up_again)

    async def link_closed(self, reason: str) -> None:
        """The link is over; `reason` is a stable word."""
        log.debug("= %s link closed: %s", self._live.record.id, reason)
        await self._in_turn(self._closed)

    async def _in_turn(self, work: Work) -> None:
        """Under the session's lock, unless a newer link has taken the session over."""
        async with self._live.lock:
            if self._is_current:
                await work()
        self._room.wake(self._live.record.id)

    @property
    def _is_current(self) -> bool:
        """Whether no newer link has taken the session over."""
        return self._live.link is self._link

    async def _said(self, message: dict[str, Any]) -> None:
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
                lines = message.get("lines")
                if isinstance(lines, list):
                    self._logs.add(live.record.id, lines[:MAX_LOG_LINES])
            case "session.way":
                live.via = _via(message.get("via"))
                await self._room.publish(live.record)
            case "session.progress":
                await self._progress(message)
            case "session.gauges":
                live.gauges.add(message, self._room.clock.now())
            case "session.wall_time":
                await self._wall_time(message.get("left_s"))
            case "session.ended":
                live.said, live.said_at = _agent_end(message), self._room.clock.now()
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
        self._live.gpus = _gpus(message.get("gpus"))
        self._live.via = _via(message.get("via"))
        await self._room.change(self._live, **changes)
        await self._room.note(
            self._live.record.id,
            "agent_connected",
            f"The agent on {changes['host']} is connected{_WAYS.get(self._live.via or '', '')}.",
        )
        await self._wall_time(message.get("wall_time_left_s"))

    async def _progress(self, message: dict[str, Any]) -> None:
        """Shown while it starts; each phase that begins stands on the timeline."""
        before, now = self._live.progress, read_progress(message)
        if now is None or now == before:
            return
        self._live.progress = now
        is_new = before is None or before.phase != now.phase
        # An agent says it again to a hub that was restarted: then it is old.
        if is_new and self._live.record.status in (SessionStatus.QUEUED, SessionStatus.STARTING):
            text = f"{replace(now, percent=None).words()}."
            await self._room.note(self._live.record.id, "progress", text)
        await self._tunnels.refresh(self._live)

    async def _wall_time(self, left_s: Any) -> None:
        if type(left_s) not in (int, float) or not left_s <= MAX_WALL_TIME_S:  # NaN is not, either
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
        self._set(LinkState.DOWN)
        await self._tunnels.link_lost(self._live)

    async def _up_again(self) -> None:
        self._set(LinkState.UP)
        await self._tunnels.link_back(self._live)

    async def _closed(self) -> None:
        self._set(LinkState.CLOSED)
        self._live.link = None
        self._live.readiness.clear()
        await self._tunnels.link_gone(self._live)
        if self._live.record.status not in SESSION_ENDS:
            text = "The agent's connection ended."
            await self._room.note(self._live.record.id, "agent_gone", text)

    def _set(self, state: LinkState) -> None:
        self._live.link_state = state
        self._live.link_since = self._room.clock.now()


def _via(said: Any) -> str | None:
    return said if isinstance(said, str) and said in _WAYS else None


def _gpus(said: Any) -> tuple[str, ...]:
    names = said if isinstance(said, list) else ()
    return tuple(str(name)[:MAX_GPU_NAME_CHARS] for name in names[:MAX_GPUS])


def _agent_end(message: dict[str, Any]) -> AgentEnd:
    code = message.get("exit_code")
    try:
        reason = EndReason(str(message.get("reason")))
    except ValueError:
        reason = EndReason.SERVER_EXITED
    return AgentEnd(
        reason,
        code if type(code) is int and abs(code) < MAX_EXIT_CODE else None,
        str(message.get("message") or "")[:1000],
    )
