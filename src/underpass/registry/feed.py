"""Changes, pushed to the open pages of the user they belong to.

A watcher has a short queue. One that does not keep up loses what is in it and gets a single
`resync` instead, which tells the page to take a new snapshot: memory is bounded and nobody
waits for a sleeping tab. There is no task per watcher; who reads one, waits on it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

MAX_WAITING = 256
"""Events that a watcher may be behind before it has to take a new snapshot."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One change. `op` is `upsert`, `delete`, or `resync` (kind and item are empty then)."""

    seq: int
    kind: str
    op: str
    item: dict[str, Any] = field(default_factory=dict)


class Feed:
    """Publishes to all watchers of one owner, and to nobody else."""

    def __init__(self, max_waiting: int = MAX_WAITING, *, first: int = 0) -> None:
        """`first`: where the counting begins; a hub that restarts goes on beyond where it was."""
        self._first = first
        self._max_waiting = max_waiting
        self._watchers: dict[str, set[Watcher]] = {}
        self._last: dict[str, int] = {}
        self._seq = first

    def __repr__(self) -> str:
        return f"Feed(seq={self._seq}, watchers={sum(map(len, self._watchers.values()))})"

    def publish(self, owner_id: str, kind: str, op: str, item: dict[str, Any]) -> None:
        """Hands a change to every open page of the owner; never waits.

        `item` must not be changed afterwards: all watchers share it.
        """
        self._seq += 1
        self._last[owner_id] = self._seq
        watchers = self._watchers.get(owner_id)
        if not watchers:
            return
        event = FeedEvent(self._seq, kind, op, item)
        for watcher in watchers:
            watcher.put(event)

    def position(self, owner_id: str) -> int:
        """The `seq` of the last change of the owner's that was published."""
        return self._last.get(owner_id, self._first)

    def resync(self, user_ids: Iterable[str] | None = None) -> None:
        """Tells the open pages of these users (None: of all) to take a new snapshot."""
        self._seq += 1
        chosen = self._watchers if user_ids is None else self._watchers.keys() & set(user_ids)
        for user_id in chosen:
            self._last[user_id] = self._seq
            for watcher in self._watchers[user_id]:
                watcher.put(FeedEvent(self._seq, "", "resync"))

    def watch(self, owner_id: str) -> Watcher:
        """Starts to collect from this moment on: watch first, then take the snapshot.

        Close the watcher in the end (`with feed.watch(…) as events`), else it stays registered.
        """
        watcher = Watcher(self, owner_id, self._max_waiting)
        self._watchers.setdefault(owner_id, set()).add(watcher)
        return watcher

    def remove(self, watcher: Watcher) -> None:
        """Stops feeding a watcher; `Watcher.close` calls it."""
        watchers = self._watchers.get(watcher.owner_id)
        if watchers is None:
            return
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[watcher.owner_id]

    @property
    def watcher_count(self) -> int:
        """How many are watching, over all owners."""
        return sum(len(watchers) for watchers in self._watchers.values())


class Watcher(AsyncIterator[FeedEvent]):
    """One open page's view of the feed: an async iterator that ends when it is closed."""

    def __init__(self, feed: Feed, owner_id: str, max_waiting: int) -> None:
        self.owner_id = owner_id
        self._feed = feed
        self._max_waiting = max_waiting
        self._waiting: deque[FeedEvent] = deque()
        self._is_ready = asyncio.Event()
        self._is_closed = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open"
        return f"Watcher({self.owner_id}, waiting={len(self._waiting)}, {state})"

    def put(self, event: FeedEvent) -> None:
        """Queues an event, or a resync in the place of all that was not taken in time."""
        if len(self._waiting) >= self._max_waiting:
            self._waiting.clear()
            event = FeedEvent(event.seq, "", "resync")
        self._waiting.append(event)
        self._is_ready.set()

    async def __anext__(self) -> FeedEvent:
        """The next change; waits for it. Cancelling the wait loses nothing."""
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
            self._is_ready.clear()
            await self._is_ready.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Ends the watching; a reader that waits gets what is queued and then the end."""
        self._is_closed = True
        self._feed.remove(self)
        self._is_ready.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
