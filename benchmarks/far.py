"""`python -m benchmarks.far PORT TARGET MS`: a line so long that each byte takes so many milliseconds.

A TCP forwarder on loopback, in a process of its own. What is on its way is bounded only by what the
ends let out before they hear of each other, and that is what is measured on it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

import uvloop


class Lane:
    """One direction: what comes in goes out `delay_s` later, in order; b"" is the end."""

    def __init__(self, delay_s: float) -> None:
        self.out: asyncio.Transport | None = None
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def push(self, data: bytes) -> None:
        due = self._loop.time() + self._delay_s
        self._waiting.append((due, data))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._pull)

    def _pull(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            _, data = self._waiting.popleft()
            if self.out is None or self.out.is_closing():
                continue
            if data:
                self.out.write(data)
            else:
                self.out.close()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._pull)


class End(asyncio.Protocol):
    """One end of the line: its bytes go down one lane, and it sends what comes up the other."""

    def __init__(self, down: Lane, up: Lane) -> None:
        self._down, self._up = down, up

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._up.out = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._down.push(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._down.push(b"")

    def pause_writing(self) -> None:
        if self._down.out is not None:
            self._down.out.pause_reading()

    def resume_writing(self) -> None:
        if self._down.out is not None and not self._down.out.is_closing():
            self._down.out.resume_reading()


async def serve(port: int, target: int, delay_s: float) -> None:
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    dialling: set[asyncio.Task[object]] = set()

    def accept() -> End:
        there, back = Lane(delay_s), Lane(delay_s)
        task: asyncio.Task[object] = loop.create_task(
            loop.create_connection(lambda: End(back, there), "127.0.0.1", target)
        )
        dialling.add(task)
        task.add_done_callback(dialling.discard)
        return End(there, back)

    server = await loop.create_server(accept, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
