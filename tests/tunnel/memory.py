"""Carriers in memory: two ends of one connection that a test can slow down and cut."""

from __future__ import annotations

import asyncio
from collections import deque

from underpass.tunnel.link import CarrierClosed


class MemoryCarrier:
    """One end. `high_water` bytes may wait for the other end before `send` waits too."""

    def __init__(self, high_water: int = 64 * 1024) -> None:
        self.peer: MemoryCarrier = self
        self.high_water = high_water
        self.close_code: int | None = None
        self.close_reason = ""
        self.messages_in = 0
        self.largest = 0
        self._inbox: deque[bytes] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()

    async def send(self, data: bytes) -> None:
        """Hands a message to the other end."""
        if self.close_code is not None:
            raise CarrierClosed("closed", self.close_code)
        peer = self.peer
        peer._inbox.append(data)
        peer._waiting += len(data)
        peer.largest = max(peer.largest, len(data))
        peer._arrived.set()
        while peer._waiting > self.high_water and self.close_code is None:
            peer._drained.clear()
            await peer._drained.wait()

    async def receive(self) -> bytes:
        """The next message, once the test lets it through."""
        while True:
            await self._flows.wait()
            if self._inbox:
                data = self._inbox.popleft()
                self._waiting -= len(data)
                self._drained.set()
                self.messages_in += 1
                return data
            if self.close_code is not None:
                raise CarrierClosed(self.close_reason, self.close_code)
            self._arrived.clear()
            await self._arrived.wait()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes both ends; what is on its way still arrives."""
        for end in (self, self.peer):
            if end.close_code is None:
                end.close_code, end.close_reason = code, reason
            end._arrived.set()
            end._drained.set()

    def cut(self) -> None:
        """The connection breaks: what is on its way is lost."""
        for end in (self, self.peer):
            end._inbox.clear()
            end._waiting = 0
            end._flows.set()
            if end.close_code is None:
                end.close_code, end.close_reason = 1006, "cut"
            end._arrived.set()
            end._drained.set()

    def hold(self) -> None:
        """What comes to this end waits."""
        self._flows.clear()

    def flow(self) -> None:
        """It goes on."""
        self._flows.set()


def carrier_pair(high_water: int = 64 * 1024) -> tuple[MemoryCarrier, MemoryCarrier]:
    """Two ends of one connection."""
    one, other = MemoryCarrier(high_water), MemoryCarrier(high_water)
    one.peer, other.peer = other, one
    return one, other
