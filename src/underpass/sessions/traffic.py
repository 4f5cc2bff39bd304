"""How many bytes pass through tunnels: taken from the links, written down every few seconds.

A link counts all of its session's bytes. They are put down to the session's first tunnel that
runs, which nearly always is its only one.
"""

from __future__ import annotations

import asyncio

from underpass.core.errors import AppError
from underpass.core.states import TunnelStatus
from underpass.sessions.room import Live, Room, log
from underpass.tunnel.link import Link

EVERY_S = 5.0
LEAST_BYTES = 2048
"""Pings and readiness are no traffic: less than this is not worth a write and a push."""


class Traffic:
    """Counts for all live sessions, from `start` to `close`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._task: asyncio.Task[None] | None = None
        self._counted: dict[int, tuple[int, int]] = {}
        """Bytes from and to each link (by its identity) that are written down already."""

    def start(self) -> None:
        """Begins to count."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Writes down what is new, and stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.count()

    async def count(self) -> None:
        """Writes down what passed since the last time."""
        links = {}
        for live in list(self._room.live.values()):
            if isinstance(live.link, Link):
                links[id(live.link)] = live.link
                try:
                    await self._count(live, live.link)
                except AppError as error:
                    log.warning("bytes of %s not stored: %s", live.record.id, error.message)
        self._counted = {key: seen for key, seen in self._counted.items() if key in links}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.count()
            except Exception:  # noqa: BLE001 - our own bug must not end the counting
                log.exception("bytes could not be counted")

    async def _count(self, live: Live, link: Link) -> None:
        stats = link.stats
        from_session, to_session = self._counted.get(id(link), (0, 0))
        out, in_ = stats.bytes_in - from_session, stats.bytes_out - to_session
        if out + in_ < LEAST_BYTES:
            return
        tunnels = await self._room.store.tunnels.of_session(live.record.id)
        running = [tunnel for tunnel in tunnels if tunnel.status is TunnelStatus.RUNNING]
        if not running:
            return
        self._counted[id(link)] = (stats.bytes_in, stats.bytes_out)
        async with live.lock:
            first = await self._room.store.tunnels.get(running[0].id)
            first = await self._room.store.tunnels.update(
                first.id, bytes_in=first.bytes_in + in_, bytes_out=first.bytes_out + out
            )
        await self._room.publish_tunnel(first)
