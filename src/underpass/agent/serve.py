"""One tunnel in the agent: what it leads to, who may use it, how its server does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from underpass.agent import counters
from underpass.agent.connect import Upstream
from underpass.agent.forward import Forwarder
from underpass.agent.meter import Meter
from underpass.agent.ownership import Owners, PortOfAnotherUser
from underpass.agent.probe import Prober
from underpass.agent.readiness import Readiness, judge, wants_answer
from underpass.agent.report import Report, ServerNews
from underpass.core.states import ProviderStatus
from underpass.core.targets import Target
from underpass.tunnel.link import Stream

LOOK_EVERY_S = 10.0
GLANCE_EVERY_S = 0.5
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
# A burst of failing requests is one reason to look, not a hundred.
LEAST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Offer:
    """A tunnel to open. `ref` is the agent's own small id; `name` None lets the hub choose."""

    ref: str
    target: Target
    openai: bool
    name: str | None = None
    serves: str | None = None
    """What the server calls its one model, where its own list is no use; None: it is asked."""

    def as_message(self) -> dict[str, Any]:
        """The control message `tunnel.offer`."""
        return {
            "type": "tunnel.offer",
            "ref": self.ref,
            "name": self.name,
            "target": str(self.target),
            "openai": self.openai,
        }


class TunnelService:
    """Serves one tunnel from its offer until it is closed."""

    def __init__(
        self,
        offer: Offer,
        *,
        owners: Owners,
        key: str | None,
        meter: Meter,
        say: Callable[[dict[str, Any]], None],
        report: Report,
    ) -> None:
        """`say` sends a control message to the hub; `report` tells whoever started the agent."""
        self.offer = offer
        self.tunnel_id: str | None = None
        """The hub's name for it, once the hub has one."""
        self.readiness: Readiness | None = None
        self.is_stopped = False
        """The hub stopped it: its streams are refused until the hub starts it again."""
        self._owners = owners
        self._say = say
        self._report = report
        self._upstream = Upstream(offer.target, owners)
        self._prober = Prober(self._upstream, key)
        self._look_now = asyncio.Event()
        self._forwarder = Forwarder(
            self._upstream,
            openai=offer.openai,
            key=key,
            meter=meter,
            on_trouble=self._look_now.set,
        )

    def offer_message(self) -> dict[str, Any]:
        """Its offer to a hub that knows nothing yet; one that knew it is told which it was."""
        known = {} if self.tunnel_id is None else {"tunnel_id": self.tunnel_id}
        return self.offer.as_message() | known

    def accepted(self, tunnel_id: str) -> None:
        """The hub knows the tunnel now, under this id: tell it how the server does."""
        self.tunnel_id = tunnel_id
        if self.readiness is not None:
            self._tell(self.readiness, tunnel_id)

    @property
    def counts(self) -> bool:
        """Whether it leads to a server that runs and has counters."""
        now = self.readiness
        if now is None or now.server is None or now.state is not ProviderStatus.RUNNING:
            return False
        return now.server.kind in counters.KINDS

    async def counters(self) -> counters.Counters | None:
        """What that server has counted so far."""
        now = self.readiness
        if now is None or now.server is None:
            return None
        return counters.read(now.server.kind, await self._prober.text("/metrics"))

    async def serve(self, stream: Stream) -> None:
        """One stream of this tunnel."""
        await self._forwarder.serve(stream)

    async def watch(self) -> None:
        """Follow the server for ever, and tell hub and user whatever changes."""
        pause_s = FIRST_PAUSE_S
        while True:
            before = self.readiness
            self._look_now.clear()
            await self._look()
            state = self.readiness.state if self.readiness else None
            if state is ProviderStatus.RUNNING:
                pause_s = LOOK_EVERY_S
            elif before is None or state is not before.state:
                pause_s = FIRST_PAUSE_S
            else:
                pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            await asyncio.sleep(LEAST_PAUSE_S)
            if state is ProviderStatus.RUNNING:
                await self._rest_while_it_listens(pause_s)
            else:
                await self._rest(pause_s)

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._upstream.close()

    # --- inside ------------------------------------------------------------------------------

    async def _rest(self, seconds: float) -> bool:
        """Waits so long, or until there is a reason to look now (True)."""
        try:
            async with asyncio.timeout(seconds):
                await self._look_now.wait()
                return True
        except TimeoutError:
            return False

    async def _rest_while_it_listens(self, seconds: float) -> None:
        """Waits, and asks the kernel each second whether the listener is still there and ours.

        The server is not bothered by it, and its end shows at once, not with the next request.
        """
        left_s = seconds
        while left_s > 0 and not await self._rest(min(GLANCE_EVERY_S, left_s)):
            left_s -= GLANCE_EVERY_S
            try:
                self._owners.check(self.offer.target)
            except PortOfAnotherUser:
                return
            if not self._owners.is_listening(self.offer.target):
                return

    async def _look(self) -> None:
        place = str(self.offer.target)
        if not self.offer.openai:
            self._set(self._look_at_port(place))
            return
        look = await self._prober.look()
        serves = self.offer.serves
        if serves is not None:
            # It may load the model at the first request only: running is what has answered.
            look = replace(look, needs_answer=True)
        self._set(judge(self.readiness, look, place, serves))
        assert self.readiness is not None
        if wants_answer(self.readiness, look):
            reply = await self._prober.first_token(self.readiness.models[0].id)
            self._set(judge(self.readiness, replace(look, answer=reply), place, serves))

    def _look_at_port(self, place: str) -> Readiness:
        """For a tunnel of plain bytes: something listens, or nothing does. Nothing is sent to it."""
        has_run = self.readiness is not None and self.readiness.has_run
        try:
            self._owners.check(self.offer.target)
        except PortOfAnotherUser as error:
            state = ProviderStatus.UNREACHABLE if has_run else ProviderStatus.STARTING
            return Readiness(state, error.message, has_run=has_run)
        if self._owners.is_listening(self.offer.target):
            return Readiness(ProviderStatus.RUNNING, "Ready.", has_run=True)
        state = ProviderStatus.UNREACHABLE if has_run else ProviderStatus.STARTING
        return Readiness(state, f"Nothing listens on {place}.", has_run=has_run)

    def _set(self, now: Readiness) -> None:
        before, self.readiness = self.readiness, now
        if now.says_the_same(before):
            return
        self._report(ServerNews(str(self.offer.target), now))
        if self.tunnel_id is not None:
            self._tell(now, self.tunnel_id)

    def _tell(self, readiness: Readiness, tunnel_id: str) -> None:
        """`tunnel.readiness`, with whether a model server was looked at or a port alone: the hub
        may have changed the flag while this is on its way."""
        self._say(readiness.as_message(tunnel_id) | {"openai": self.offer.openai})
