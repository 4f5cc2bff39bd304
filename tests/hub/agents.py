"""An agent of a few lines: the real link and the real way to dial, with nothing behind it."""

import asyncio
from typing import Any

from tests.rig.waiting import eventually_async
from underpass.core.errors import LinkRefused, RemoteProtocolError
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way, WebSocketCarrier, dial
from underpass.tunnel.link import GoAway, Link, Stream
from underpass.tunnel.protocol.agent import AgentLink

HELLO = {"type": "agent.hello", "version": "0", "host": "gpu-17", "user": "a", "pid": 1, "cwd": "/"}


class TinyAgent:
    """One link to a hub; `told` is what the hub said."""

    def __init__(self, url: str, token: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.streams: list[Stream] = []
        self.goaways: list[GoAway] = []
        self.refused: LinkRefused | None = None
        self.link = Link(
            AgentLink(software="test"),
            on_stream=self.streams.append,
            on_control=self.told.append,
            on_goaway=self.goaways.append,
        )
        self._way = Way(HubAddress.parse(url), environ={})
        self._token = token
        self.carrier: WebSocketCarrier | None = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Dials and is up. Raises LinkRefused, DialError."""
        self.carrier = await dial(self._way, self._token)
        self._task = asyncio.create_task(self._serve(self.carrier))
        await eventually_async(lambda: self.link.is_up or self._is_over(), 5, "the link is up")

    async def _serve(self, carrier: WebSocketCarrier) -> None:
        try:
            await self.link.serve(carrier)
        except LinkRefused as error:
            self.refused = error
        except RemoteProtocolError:
            pass

    def _is_over(self) -> bool:
        return self._task is not None and self._task.done()

    def say(self, kind: str, **more: Any) -> None:
        self.link.send_control({"type": kind, **more})

    def said(self, kind: str) -> dict[str, Any] | None:
        """The newest message of that type from the hub."""
        return next((one for one in reversed(self.told) if one["type"] == kind), None)

    async def cut(self) -> None:
        """The connection breaks, as networks break them."""
        assert self.carrier is not None
        self.carrier._transport.abort()
        await eventually_async(lambda: not self.link.is_up, 5, "the loss is noticed")
        await self.ended()

    async def ended(self) -> None:
        """Until its carrier is gone."""
        if self._task is not None:
            await asyncio.wait_for(asyncio.shield(self._task), 5)

    async def close(self) -> None:
        """Ends it for good."""
        if not self.link.is_closed:
            await self.link.close("test over")
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
