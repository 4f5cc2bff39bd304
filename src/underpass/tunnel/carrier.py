"""One connection as a link sees it, and the words before a link is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.handshake import Hello, HelloReader

FAREWELL_S = 2.0
"""How long a last CLOSE may take to leave."""

LONG_TURN_BYTES = 32 * 1024
"""After so much of one carrier others get their turn."""

_HELLO_S = 10.0
_CODE_POLICY = 1008  # RFC 6455


class CarrierClosed(Exception):
    """The carrier is gone; `code` is the WebSocket's, 1006 when there was none."""

    def __init__(self, reason: str = "", code: int = 1006) -> None:
        super().__init__(reason or f"closed ({code})")
        self.code = code
        self.reason = reason


class Carrier(Protocol):
    """One WebSocket, binary messages."""

    async def send(self, data: bytes) -> None:
        """Returns when the transport's buffer is below its high-water mark.

        Raises CarrierClosed.
        """

    async def receive(self) -> bytes:
        """The next message. Raises CarrierClosed."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it; may be called twice, and returns soon."""


@runtime_checkable
class PushingCarrier(Carrier, Protocol):
    """A carrier that need not be asked for each message, which costs a task's turn."""

    async def deliver(self, take: Callable[[bytes], None]) -> None:
        """Gives `take` each message in the turn in which it comes. Raises CarrierClosed at the end,
        and what `take` raises."""


async def deliver(carrier: Carrier, take: Callable[[bytes], None]) -> None:
    """Gives `take` each message. Returns when the carrier is closed; raises what `take` raises."""
    try:
        if isinstance(carrier, PushingCarrier):
            await carrier.deliver(take)
            return
        while True:
            data = await carrier.receive()
            take(data)
            if len(data) > LONG_TURN_BYTES:
                # A fast carrier never makes us wait; writers and cancels need their turn too.
                await asyncio.sleep(0)
    except CarrierClosed:
        return


async def receive_hello(carrier: Carrier, *, timeout_s: float = _HELLO_S) -> Hello:
    """Hub: reads an agent's HELLO, before it is known which link it belongs to.

    Raises RemoteProtocolError kinds, CarrierClosed, TimeoutError.
    """
    reader = HelloReader()
    async with asyncio.timeout(timeout_s):
        while True:
            hello = reader.feed(await carrier.receive())
            if hello is not None:
                return hello


async def refuse(carrier: Carrier, code: str, message: str) -> None:
    """Hub: tells the agent why it is turned away, and closes the carrier.

    After a code of `goodbye.PERMANENT` the agent does not come back; after `token`, `epoch` or
    `gone` it comes as a new link.
    """
    try:
        async with asyncio.timeout(FAREWELL_S):
            await carrier.send(goodbye.close_frame(code, message))
    except (CarrierClosed, TimeoutError):
        pass
    await carrier.close(_CODE_POLICY, code)
