"""One connection as a link sees it, and the words before a link is chosen."""

from __future__ import annotations

import asyncio
from typing import Protocol

from underpass.tunnel.protocol import goodbye
from underpass.tunnel.protocol.handshake import Hello, HelloReader

FAREWELL_S = 2.0
"""How long a last CLOSE may take to leave."""

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
