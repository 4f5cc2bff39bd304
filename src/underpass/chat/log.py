"""What a run has said so far, and those who watch it.

The log only grows. Its sequence numbers are **positions**: the characters of text and reasoning
so far, plus one for each tool-call delta. A watcher that says "I have up to N" gets exactly the
rest, whatever the pieces were that it saw before, and asking twice does no harm. Status is not
part of the text: a watcher gets the present one when it comes, and each change.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from underpass.chat.pieces import Piece, PieceKind, merge

KEEPALIVE_S = 15.0
GATHER_S = 0.1


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What a watcher gets: `delta`, `status`, `end`, or `keepalive` (which carries nothing)."""

    name: str
    position: int
    data: Mapping[str, Any]


class RunLog:
    """An append-only log of pieces in memory, for one run."""

    def __init__(self, status: str) -> None:
        self.position = 0
        self.status: Mapping[str, Any] = {"status": status}
        self.end: Mapping[str, Any] | None = None
        """The finished message as the API shows it; None while the run goes on."""
        self._starts: list[int] = []
        self._pieces: list[Piece] = []
        self._version = 0
        self._status_version = 0
        self._waiting: set[asyncio.Future[bool]] = set()
        self.watchers = 0
        self._is_left = False

    # --- writing -----------------------------------------------------------------------------

    def append(self, pieces: list[Piece]) -> None:
        """Adds the pieces and wakes who waits for them."""
        for piece in pieces:
            self._starts.append(self.position)
            self._pieces.append(piece)
            self.position += piece.size
        if pieces:
            self._wake()

    def set_status(self, status: str, **more: Any) -> None:
        """Says where the run is: `status` and, for instance, `reason` or `error`."""
        told = {"status": status, **{name: value for name, value in more.items() if value}}
        if told != self.status:
            self.status = told
            self._status_version += 1
            self._wake()

    def finish(self, message: Mapping[str, Any]) -> None:
        """Ends the log; every watcher gets the finished message and is let go."""
        self.end = message
        self._wake()

    def let_go(self) -> None:
        """Lets every watcher go without an end: the hub stops, and they come back to the next."""
        self._is_left = True
        self._wake()

    def compact(self, upto: int) -> None:
        """Joins the pieces that lie wholly before the position `upto`, to save memory."""
        count = bisect_right(self._starts, upto)
        if count and self._starts[count - 1] + self._pieces[count - 1].size > upto:
            count -= 1
        joined = merge(self._pieces[:count])
        starts, position = [], 0
        for piece in joined:
            starts.append(position)
            position += piece.size
        self._starts[:count] = starts
        self._pieces[:count] = joined

    # --- reading -----------------------------------------------------------------------------

    def read(self, after: int = 0, upto: int | None = None) -> list[Piece]:
        """What comes after the position `after`, in as few pieces as the order allows."""
        if after >= self.position:
            return []
        first = max(0, bisect_right(self._starts, after) - 1)
        last = len(self._pieces) if upto is None else bisect_right(self._starts, upto - 1)
        rest = self._pieces[first:last]
        if after > self._starts[first]:
            rest[0] = rest[0].after(after - self._starts[first])
        return merge(rest)

    async def watch(
        self,
        after: int = 0,
        *,
        every_s: float = 0.0,
        gather_s: float = GATHER_S,
        keepalive_s: float = KEEPALIVE_S,
    ) -> AsyncGenerator[LogEvent, None]:
        """The present status, everything after `after`, then what comes, until the end.

        Whoever keeps up gets each piece at once, or what gathered in `every_s` seconds if that is
        what it wants. Whoever was still busy with the last event when more came lags: it gets what
        gathered, at most every `gather_s` seconds.
        """
        told_status = -1
        loop = asyncio.get_running_loop()
        not_before = 0.0
        self.watchers += 1
        try:
            while True:
                version = self._version
                if told_status != self._status_version:
                    told_status = self._status_version
                    yield LogEvent("status", after, self.status)
                pieces = self.read(after)
                if pieces:
                    after = self.position
                    not_before = loop.time() + every_s
                    yield LogEvent("delta", after, as_delta(pieces))
                if self.end is not None and after >= self.position:
                    yield LogEvent("end", max(after, self.position), {"message": self.end})
                    return
                if self._is_left:
                    return
                is_lagging = self._version != version
                if not is_lagging and not await self._changed(keepalive_s):
                    yield LogEvent("keepalive", after, {})
                elif self.end is None and (is_lagging or every_s):
                    await asyncio.sleep(not_before - loop.time() if every_s else gather_s)
        finally:
            self.watchers -= 1

    async def _changed(self, timeout_s: float) -> bool:
        """Whether something came within the time."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(waiting)
        timer = loop.call_later(timeout_s, _settle, waiting, False)
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting.discard(waiting)

    def _wake(self) -> None:
        self._version += 1
        for waiting in self._waiting:
            _settle(waiting, True)
        self._waiting.clear()


def as_delta(pieces: list[Piece]) -> dict[str, Any]:
    """The pieces as the data of one `delta` event."""
    delta: dict[str, Any] = {}
    for kind in (PieceKind.REASONING, PieceKind.TEXT):
        text = "".join(piece.text for piece in pieces if piece.kind is kind)
        if text:
            delta[kind.value] = text
    tools = [piece.tool for piece in pieces if piece.tool is not None]
    if tools:
        delta["tool_calls"] = tools
    return delta


def _settle(waiting: asyncio.Future[bool], value: bool) -> None:
    if not waiting.done():
        waiting.set_result(value)
