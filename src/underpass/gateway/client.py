"""The ASGI client: gives its body, and says at once when it has gone away.

One task per request reads what the server receives, from the first byte to the last: it is the
only place that learns of a disconnect, in every phase, and it costs nothing per chunk of answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

READ_AHEAD_BYTES = 256 * 1024
"""Taken from a client ahead of what the tunnel takes: a client that goes away is seen behind so
many bytes, and no more of them lie in memory."""


class Client:
    """Run `watch` as a task; iterate over the body; `on_gone` is called once if the client goes away."""

    def __init__(self, receive: Receive, on_gone: Callable[[], object]) -> None:
        self.is_gone = False
        self._receive = receive
        self._on_gone = on_gone
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_complete = False
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()

    async def watch(self) -> None:
        """Takes the body as there is room, then waits for the client to go away."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                self._on_gone()
                return
            if body := message.get("body"):
                self._waiting.append(body)
                self._waiting_bytes += len(body)
            self._is_complete = self._is_complete or not message.get("more_body")
            self._has_news.set()
            while self._waiting_bytes > READ_AHEAD_BYTES:
                self._has_room.clear()
                await self._has_room.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body as they come; StopAsyncIteration at its end."""
        while not self._waiting:
            if self._is_complete:
                raise StopAsyncIteration
            self._has_news.clear()
            await self._has_news.wait()
        body = self._waiting.popleft()
        self._waiting_bytes -= len(body)
        self._has_room.set()
        return body
