"""How a run asks a model: through the gateway's door, like every other caller."""

from __future__ import annotations

import asyncio
from typing import Protocol

from underpass.core.errors import AppError, ProviderTimeout, TunnelError
from underpass.core.principal import Principal
from underpass.gateway.door import DoorRequest

DRAIN_S = 2.0


class Answer(Protocol):
    """The head of an answer and its bytes; `gateway.door.DoorAnswer` is one."""

    @property
    def status(self) -> int: ...

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises AppError when the answer breaks off."""
        ...

    def cancel(self, reason: str) -> None:
        """Closes the upstream connection at once; does nothing after the end."""

    def release(self) -> None:
        """The answer is stored: the agent need not keep it any longer."""


async def drain(answer: Answer) -> None:
    """Lets a server that said `[DONE]` close its answer by itself, and closes it otherwise."""
    try:
        async with asyncio.timeout(DRAIN_S):
            while await answer.read():
                pass
    except (TimeoutError, AppError):
        answer.cancel("done")


class Ask(Protocol):
    """Sends a `chat/completions` body; raises AppError before the first byte of an answer."""

    async def __call__(self, principal: Principal, body: bytes, request_id: str) -> Answer: ...


class StreamLike(Protocol):
    """`tunnel.stream.Stream`, as far as an adopted answer needs it."""

    @property
    def request_id(self) -> str: ...

    async def read(self) -> bytes:
        """Raises TunnelError."""
        ...

    def cancel(self, reason: str) -> None:
        """Ends the stream on both sides."""

    def release(self) -> None:
        """The agent may forget the answer."""


class DoorLike(Protocol):
    """`gateway.door.Door`, as far as a run needs it."""

    async def call(self, principal: Principal, request: DoorRequest) -> Answer:
        """Raises AppError before the first byte of an answer."""
        ...


class AdoptedAnswer:
    """The answer to a request of a hub before us, whole, as its agent kept it."""

    status = 200
    """Not kept; a refusal is known by its body."""

    def __init__(self, stream: StreamLike) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises ProviderTimeout when the link is lost."""
        try:
            return await self._stream.read()
        except TunnelError as error:
            raise ProviderTimeout(
                "The tunnel was lost and did not come back in time. The answer is incomplete.",
                hint="Look whether its session still runs; restart the session if not.",
            ) from error

    def cancel(self, reason: str) -> None:
        """Closes the upstream connection at once."""
        self._stream.cancel(reason)

    def release(self) -> None:
        """The answer is stored: the agent need not keep it any longer."""
        self._stream.release()


def ask_through(door: DoorLike) -> Ask:
    """The way to ask that goes through this door."""

    async def ask(principal: Principal, body: bytes, request_id: str) -> Answer:
        return await door.call(
            principal,
            DoorRequest(
                method="POST",
                path="/v1/chat/completions",
                headers=(("content-type", "application/json"), ("accept", "text/event-stream")),
                body=body,
                request_id=request_id,
                durable=True,
            ),
        )

    return ask
