"""A session's log lines: gathered for a moment, stored in one go, followed by open pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from underpass.core.errors import AppError
from underpass.core.times import LATEST_S
from underpass.sessions.room import Room, log
from underpass.store import SessionLogLine

GATHER_S = 0.2
MAX_WAITING_LINES = 2000
"""What one session may have waiting to be stored; a flood loses its oldest lines."""
PAGE_LINES = 500
MAX_TEXT_CHARS = 10_000
"""Of one line while it waits: a little more than is stored, so that the store marks the cut."""
SOURCES = frozenset({"stdout", "stderr", "agent"})


class Logs:
    """The logs of all sessions of this hub."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._waiting: dict[str, list[SessionLogLine]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._has_work = asyncio.Event()
        self._news: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Begins to store what comes in."""
        self._writer = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Stores what waits and stops."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None
        await self.flush()

    def add(self, session_id: str, lines: Iterable[dict[str, Any]]) -> None:
        """Takes lines as an agent sends them: {"t", "source", "text"}."""
        waiting = self._waiting.setdefault(session_id, [])
        waiting.extend(self._line(line) for line in lines if isinstance(line, dict))
        del waiting[:-MAX_WAITING_LINES]
        self._has_work.set()

    def say(self, session_id: str, text: str) -> None:
        """One line of Underpass's own."""
        self.add(session_id, [{"t": self._room.clock.now(), "source": "agent", "text": text}])

    async def flush(self) -> None:
        """Stores what waits, now."""
        waiting, self._waiting = self._waiting, {}
        for session_id, lines in waiting.items():
            try:
                if await self._room.store.sessions.find(session_id) is None:
                    continue
                await self._room.store.session_logs.append(session_id, lines)
            except AppError as error:
                # A full disk, or lines that one session's agent made up, must end neither the
                # session nor the others' logs; its own has a gap.
                log.warning("log lines of %s were lost: %s", session_id, error.message)
            event = self._news.pop(session_id, None)
            if event is not None:
                event.set()

    async def tail(self, session_id: str, lines: int) -> tuple[SessionLogLine, ...]:
        """The last lines, those that wait to be stored among them."""
        if session_id in self._waiting:
            await self.flush()
        return await self._room.store.session_logs.tail(session_id, lines)

    async def last_of_server(self, session_id: str) -> str:
        """The last line that the model server wrote, preferably one of an error."""
        found = [one for one in await self.tail(session_id, 40) if one.text.strip()]
        by_server = [one.text for one in found if one.source != "agent"]
        telling = [text for text in by_server if "error" in text.lower()]
        return (telling or by_server or [""])[-1]

    async def follow(self, session_id: str, after: int) -> AsyncIterator[SessionLogLine]:
        """Lines after a cursor, then each new one as it comes; never ends by itself."""
        while True:
            event = self._news.setdefault(session_id, asyncio.Event())
            lines = await self._room.store.session_logs.after(session_id, after, PAGE_LINES)
            for line in lines:
                after = line.seq
                yield line
            if not lines:
                await event.wait()

    async def _write(self) -> None:
        while True:
            await self._has_work.wait()
            await asyncio.sleep(GATHER_S)
            self._has_work.clear()
            await self.flush()

    def _line(self, said: dict[str, Any]) -> SessionLogLine:
        at, source = said.get("t"), str(said.get("source"))
        if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at <= LATEST_S:
            at = self._room.clock.now()  # NaN comes here, too
        return SessionLogLine(
            at=float(at),
            source=source if source in SOURCES else "agent",
            text=str(said.get("text") or "")[:MAX_TEXT_CHARS],
        )
