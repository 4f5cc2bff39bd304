"""A real hub link and a real agent link, joined by a carrier in memory.

The test plays the agent: it takes each Stream that the hub opens from `opened()`. `cut()` loses
the carrier, `join()` brings a new one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from underpass.tunnel.link import CarrierClosed, Link, Stream, receive_hello
from underpass.tunnel.protocol.agent import AgentLink
from underpass.tunnel.protocol.hub import HubLink
from underpass.tunnel.protocol.limits import LinkSettings

OWNER = "ses_1"
SSE = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)


class Wire:
    """What is on its way in both directions; `is_cut` ends it for both ends."""

    def __init__(self) -> None:
        self.is_cut = False
        self.sent_to: dict[str, deque[bytes]] = {"hub": deque(), "agent": deque()}
        self._waiting: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        """Something has changed."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def changed(self) -> None:
        """Waits for that."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter


class MemoryCarrier:
    """One end of a Wire."""

    def __init__(self, wire: Wire, here: str, there: str) -> None:
        self._wire = wire
        self._here = here
        self._there = there

    async def send(self, data: bytes) -> None:
        """Waits while two messages are on their way, as a socket's buffer would."""
        while not self._wire.is_cut and len(self._wire.sent_to[self._there]) >= 2:
            await self._wire.changed()
        if self._wire.is_cut:
            raise CarrierClosed
        self._wire.sent_to[self._there].append(data)
        self._wire.wake()

    async def receive(self) -> bytes:
        """The next message."""
        waiting = self._wire.sent_to[self._here]
        while not self._wire.is_cut and not waiting:
            await self._wire.changed()
        if self._wire.is_cut:
            raise CarrierClosed
        data = waiting.popleft()
        self._wire.wake()
        return data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Ends it for both."""
        self._wire.is_cut = True
        self._wire.wake()


class LinkedPair:
    """`hub` is the Link that the registry holds; the agent's streams come out of `opened`."""

    def __init__(self, settings: LinkSettings) -> None:
        self.hub = Link(HubLink("lnk_1", OWNER, settings=settings))
        self.agent = Link(AgentLink(settings=settings), on_stream=self._on_stream)
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()
        self._wire = Wire()
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self) -> None:
        """A new carrier; returns when both ends are up."""
        wire = self._wire = Wire()
        at_hub, at_agent = MemoryCarrier(wire, "hub", "agent"), MemoryCarrier(wire, "agent", "hub")
        self._tasks = [
            asyncio.create_task(self.agent.serve(at_agent)),
            asyncio.create_task(self._serve_hub(at_hub)),
        ]
        while not (self.hub.is_up and self.agent.is_up):
            await wire.changed()

    async def cut(self) -> None:
        """The carrier is lost; returns when both ends know."""
        self._wire.is_cut = True
        self._wire.wake()
        await asyncio.gather(*self._tasks)

    async def opened(self) -> Stream:
        """The next stream that the hub opened, at the agent's end."""
        return await self._streams.get()

    async def close(self) -> None:
        """The end of the test."""
        await self.hub.close("done")
        await self.agent.close("done")
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve_hub(self, carrier: MemoryCarrier) -> None:
        await self.hub.serve(carrier, hello=await receive_hello(carrier), owner=OWNER)

    def _on_stream(self, stream: Stream) -> None:
        self._streams.put_nowait(stream)


@asynccontextmanager
async def linked(settings: LinkSettings | None = None) -> AsyncIterator[LinkedPair]:
    """A pair that is up."""
    pair = LinkedPair(settings or LinkSettings())
    await pair.join()
    try:
        yield pair
    finally:
        await pair.close()


async def read_all(stream: Stream) -> bytes:
    """The request's body, at the agent's end."""
    body = bytearray()
    while data := await stream.read():
        body += data
    return bytes(body)
