"""A door to scripted models: what chat's tests have in the place of the gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fakes.answers import DONE, delta, event
from underpass.core.errors import AppError
from underpass.core.principal import Principal
from underpass.gateway.door import DoorRequest


class ScriptedAnswer:
    """An answer that the test writes while it is read."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.cancelled: str | None = None
        self.cancelled_at: float | None = None
        self.is_released = False
        self._queue: asyncio.Queue[bytes | AppError] = asyncio.Queue()

    def say(self, *words: str) -> None:
        """Sends a chunk of text for each word."""
        for word in words:
            self.send(delta(content=word))

    def send(self, data: bytes | AppError) -> None:
        """Sends bytes as they are, or breaks off."""
        self._queue.put_nowait(data)

    def finish(self, *words: str, **usage: int) -> None:
        """Says the words and ends the answer as a server does."""
        self.say(*words)
        self.send(delta("stop"))
        if usage:
            self.send(event({"choices": [], "usage": usage}))
        self.send(DONE)
        self.send(b"")

    async def read(self) -> bytes:
        """What the test sent; b"" at the end."""
        item = await self._queue.get()
        if isinstance(item, AppError):
            raise item
        return item

    def cancel(self, reason: str) -> None:
        """Notes the cancel."""
        if self.cancelled is None:
            self.cancelled = reason
            self.cancelled_at = asyncio.get_running_loop().time()

    def release(self) -> None:
        """Notes that the answer is stored."""
        self.is_released = True


class FakeDoor:
    """Gives each call the next of `errors` or a new ScriptedAnswer, and keeps what was asked."""

    def __init__(self) -> None:
        self.requests: list[DoorRequest] = []
        self.callers: list[Principal] = []
        self.answers: list[ScriptedAnswer] = []
        self.errors: list[AppError] = []
        self.status = 200
        self.is_silent = False
        """Whether calls wait for ever for their head."""
        self.cancelled_calls = 0
        self._called = asyncio.Event()

    async def call(self, principal: Principal, request: DoorRequest) -> ScriptedAnswer:
        """As the gateway's door: an error before the first byte, or an answer."""
        self.requests.append(request)
        self.callers.append(principal)
        self._called.set()
        if self.errors:
            raise self.errors.pop(0)
        if self.is_silent:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled_calls += 1
                raise
        self.answers.append(ScriptedAnswer(self.status))
        return self.answers[-1]

    async def called(self) -> None:
        """Returns when the next call has come."""
        await asyncio.wait_for(self._called.wait(), 5)
        self._called.clear()
        await asyncio.sleep(0)

    async def answer(self) -> ScriptedAnswer:
        """The answer to the next call."""
        await self.called()
        return self.answers[-1]

    def body(self, index: int = -1) -> dict[str, Any]:
        """What was asked."""
        data = self.requests[index].body
        assert isinstance(data, bytes)
        parsed: dict[str, Any] = json.loads(data)
        return parsed
