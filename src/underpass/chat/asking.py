"""How a run asks a model: through the gateway's door, like every other caller."""

from __future__ import annotations

from typing import Protocol

from underpass.core.principal import Principal
from underpass.gateway.door import DoorRequest


class Answer(Protocol):
    """The head of an answer and its bytes; `gateway.door.DoorAnswer` is one."""

    @property
    def status(self) -> int: ...

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises AppError when the answer breaks off."""
        ...

    def cancel(self, reason: str) -> None:
        """Closes the upstream connection at once; does nothing after the end."""


class Ask(Protocol):
    """Sends a `chat/completions` body; raises AppError before the first byte of an answer."""

    async def __call__(self, principal: Principal, body: bytes, request_id: str) -> Answer: ...


class DoorLike(Protocol):
    """`gateway.door.Door`, as far as a run needs it."""

    async def call(self, principal: Principal, request: DoorRequest) -> Answer:
        """Raises AppError before the first byte of an answer."""
        ...


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
