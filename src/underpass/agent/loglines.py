"""Lines of the session's log on their way to the hub: joined, bounded, never in the way.

While the link is down the newest lines are kept; how many were left out is said in their place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from underpass.agent.waiting import until
from underpass.core.clock import Clock
from underpass.core.errors import TunnelError

JOIN_FOR_S = 0.25
RETRY_AFTER_S = 2.0
MAX_LINES_KEPT = 2000
MAX_LINES_AT_ONCE = 200
MAX_TEXT_CHARS = 4000
MAX_CHARS_AT_ONCE = 64 * 1024


class LogLines:
    """Takes lines one by one, sends them as control messages."""

    def __init__(self, say: Callable[[dict[str, Any]], None], clock: Clock) -> None:
        """`say` sends a control message; it raises TunnelError while it has no room."""
        self._say = say
        self._clock = clock
        self._lines: deque[dict[str, Any]] = deque()
        self._left_out = 0
        self._has_lines = asyncio.Event()

    def add(self, source: str, text: str) -> None:
        """One line; returns at once."""
        if len(self._lines) >= MAX_LINES_KEPT:
            self._lines.popleft()
            self._left_out += 1
        self._lines.append(
            {"t": self._clock.now(), "source": source, "text": text[:MAX_TEXT_CHARS]}
        )
        self._has_lines.set()

    async def run(self) -> None:
        """Send for ever, a few times a second."""
        while True:
            await self._has_lines.wait()
            await asyncio.sleep(JOIN_FOR_S)
            await until(self.flush, RETRY_AFTER_S)

    def flush(self) -> bool:
        """Send what is there; False if the link had no room for all of it."""
        while self._lines:
            lines = self._take()
            try:
                self._say({"type": "session.log", "lines": lines})
            except TunnelError:
                self._lines.extendleft(reversed(lines))
                return False
        self._has_lines.clear()
        return True

    def _take(self) -> list[dict[str, Any]]:
        taken, size = [], 0
        if self._left_out:
            text = f"({self._left_out} lines left out while the link was down)"
            taken.append({"t": self._clock.now(), "source": "agent", "text": text})
            self._left_out = 0
        while self._lines and len(taken) < MAX_LINES_AT_ONCE and size < MAX_CHARS_AT_ONCE:
            line = self._lines.popleft()
            size += len(line["text"])
            taken.append(line)
        return taken
