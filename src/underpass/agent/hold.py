"""Keeps the link to the hub: dials, drives, and dials again, for ever.

It ends only when coming back is useless (401, 403, version, revoked, stopped), with LinkRefused.
A link that the hub no longer knows is followed by a new one, and then everything is said again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from underpass.agent.report import LinkNews, Report
from underpass.agent.waiting import until
from underpass.core.clock import Clock
from underpass.core.errors import LocalProtocolError, RemoteProtocolError, TunnelError
from underpass.tunnel.backoff import Backoff
from underpass.tunnel.dial import Way, WebSocketCarrier
from underpass.tunnel.dial_errors import DialError
from underpass.tunnel.link import GoAway, Link, LinkState, Stream
from underpass.tunnel.protocol.agent import AgentLink
from underpass.tunnel.ways import Ways

Message = dict[str, Any]

LAST_WORDS_S = 5.0


class Holder:
    """One agent's way of always having a link."""

    def __init__(
        self,
        way: Way | Ways,
        token: str,
        *,
        software: str,
        on_stream: Callable[[Stream], None],
        on_control: Callable[[Message], None],
        on_fresh: Callable[[], None],
        report: Report,
        clock: Clock,
    ) -> None:
        """`on_fresh`: the link is up and the hub knows nothing of this agent yet."""
        self.ways = way if isinstance(way, Ways) else Ways.only(way)
        self._said_via: str | None = None
        self._token = token
        self._software = software
        self._on_stream = on_stream
        self._on_control = on_control
        self._on_fresh = on_fresh
        self._report = report
        self._clock = clock
        self._backoff = Backoff(random.uniform)
        self._connect_now = asyncio.Event()
        self._has_been_up = False
        self._is_closing = False
        self._carrier: WebSocketCarrier | None = None
        self.link = self._new_link()

    def say(self, message: Message) -> None:
        """Send a control message, now or when the link is up. Raises TunnelError if it is full."""
        self.link.send_control(message)

    async def run(self) -> None:
        """Dial and serve until `close`. Raises LinkRefused."""
        while True:
            self._connect_now.clear()
            try:
                carrier = await self.ways.dial(self._token)
            except DialError as error:
                await self._wait(error.sentence(), error.retry_after_s)
                continue
            self._backoff.connected(self._clock.monotonic())
            fault = await self._serve(carrier)
            if self._is_closing:
                return
            if self.link.is_closed:
                self.link = self._new_link()
            await self._wait(fault, None)

    async def close(self, last_words: Message, reason: str) -> None:
        """Say the last words and goodbye, as far as the hub can be reached within seconds."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await until(lambda: self.link.is_up)
                before = self._messages_sent()
                self.say(last_words)
                # Control goes before data: the next message that leaves has it.
                await until(lambda: not self.link.is_up or self._messages_sent() > before)
                self._is_closing = True
                await self.link.close(reason)
        except (TimeoutError, TunnelError):
            return  # the hub finds out by itself when the grace ends

    # --- inside ------------------------------------------------------------------------------

    def _messages_sent(self) -> int:
        return self._carrier.messages_sent if self._carrier is not None else 0

    def _new_link(self) -> Link:
        return Link(
            AgentLink(software=self._software),
            on_stream=self._on_stream,
            on_control=self._on_control,
            on_state=self._on_state,
            on_goaway=self._on_goaway,
        )

    async def _serve(self, carrier: WebSocketCarrier) -> str:
        """Drives the link over one carrier; returns why that ended."""
        self._carrier = carrier
        try:
            await self.link.serve(carrier)
        except (RemoteProtocolError, LocalProtocolError) as error:
            return f"The connection was closed: {error.message}"
        error_of_link: TunnelError | None = self.link.close_error
        return error_of_link.message if error_of_link else "The connection was lost."

    async def _wait(self, why: str, retry_after_s: float | None) -> None:
        wait_s = self._backoff.next_wait_s(self._clock.monotonic(), retry_after_s)
        status = "reconnecting" if self._has_been_up else "connecting"
        self._report(LinkNews(status, why, retry_in_s=wait_s))
        try:
            async with asyncio.timeout(wait_s):
                await self._connect_now.wait()
        except TimeoutError:
            return

    def _on_state(self, state: LinkState) -> None:
        if state is not LinkState.UP:
            return
        self._has_been_up = True
        via, before = self.ways.via, self._said_via
        self._said_via = via
        if self.link.is_fresh:
            self._on_fresh()
        elif via != before:
            self.say({"type": "session.way", "via": via})
        self._report(LinkNews("running"))

    def _on_goaway(self, goaway: GoAway) -> None:
        if goaway.is_closing:
            self._connect_now.set()
