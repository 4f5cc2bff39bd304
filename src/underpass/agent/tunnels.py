"""All tunnels of one agent: what it offers, what the hub asks for, whose a stream is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from underpass.agent.counters import Counters
from underpass.agent.forward import answer_error
from underpass.agent.meter import Meter
from underpass.agent.ownership import Owners
from underpass.agent.report import Note, Report, TunnelNews
from underpass.agent.serve import Offer, TunnelService
from underpass.core.errors import AppError, NotAllowed, TunnelError, TunnelStopped
from underpass.core.targets import Target
from underpass.tunnel.link import Stream

Message = dict[str, Any]

COMMAND_REF = "command"
"""The `ref` of the tunnel to the wrapped command."""


class Tunnels:
    """The agent's half of the tunnels; the hub's verbs end here."""

    def __init__(
        self,
        *,
        owners: Owners,
        key: str | None,
        meter: Meter,
        say: Callable[[Message], None],
        report: Report,
        allow_hub_targets: bool,
        on_refused: Callable[[AppError], None],
        hub_url: str = "",
    ) -> None:
        """`on_refused` is called when the hub will not have an offered tunnel. `hub_url` is how
        this machine calls the hub, for a hub that does not know how people call it."""
        self._hub_url = hub_url
        self._owners = owners
        self._key = key
        self._meter = meter
        self._say = say
        self._report = report
        self._allow_hub_targets = allow_hub_targets
        self._on_refused = on_refused
        self._services: list[TunnelService] = []
        self._watches: dict[TunnelService, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False

    # --- the agent's own ---------------------------------------------------------------------

    def offer(self, offers: Iterable[Offer]) -> None:
        """Start to serve these; they are announced whenever a link is new."""
        for offer in offers:
            self._begin(offer)

    def move(self, target: Target) -> None:
        """The wrapped command listens elsewhere now: its tunnel follows, under the same id."""
        for service in [s for s in self._services if s.offer.ref == COMMAND_REF]:
            self._end(service)
            moved = self._begin(replace(service.offer, target=target), service.tunnel_id)
            moved.is_stopped = service.is_stopped
            self._say(moved.offer_message())

    def announce(self) -> None:
        """Offer everything: the hub at the other end of the link knows nothing yet.

        What was stopped from there stays stopped until it is started from there.
        """
        for service in self._services:
            if not service.is_stopped:
                self._say(service.offer_message())

    async def counters(self) -> Counters | None:
        """What the first model server that runs has counted; None where none does."""
        for service in self._services:
            if service.counts:
                return await service.counters()
        return None

    async def close(self) -> None:
        """End all streams and watches."""
        self.is_closing = True
        tasks = [*self._watches.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for service in self._services:
            await service.close()

    # --- from the link -----------------------------------------------------------------------

    def on_stream(self, stream: Stream) -> None:
        """A stream was opened: serve it in a task of its own."""
        self._spawn(self._serve(stream))

    def on_control(self, message: Message) -> bool:
        """Act on a message about tunnels; False if it is about something else."""
        handler = {
            "tunnel.accepted": self._accepted,
            "tunnel.refused": self._refused,
            "tunnel.open": self._open,
            "tunnel.stop": self._stop,
            "tunnel.start": self._start,
        }.get(str(message.get("type")))
        if handler is None:
            return False
        handler(message)
        return True

    # --- inside ------------------------------------------------------------------------------

    def _end(self, service: TunnelService) -> None:
        self._services.remove(service)
        self._watches.pop(service).cancel()
        self._spawn(service.close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, offer: Offer, tunnel_id: str | None = None) -> TunnelService:
        service = TunnelService(
            offer,
            owners=self._owners,
            key=self._key,
            meter=self._meter,
            say=self._say,
            report=self._report,
        )
        service.tunnel_id = tunnel_id
        self._services.append(service)
        self._watches[service] = asyncio.create_task(service.watch())
        return service

    async def _serve(self, stream: Stream) -> None:
        service = self._by_id(stream.opening.tunnel)
        if service is not None and not service.is_stopped:
            await service.serve(stream)
            return
        try:
            await answer_error(stream, TunnelStopped("This tunnel is stopped in the session."))
        except TunnelError:
            return  # the stream went away meanwhile

    def _by_id(self, tunnel_id: str) -> TunnelService | None:
        return next((s for s in self._services if s.tunnel_id == tunnel_id), None)

    def _accepted(self, message: Message) -> None:
        ref, tunnel_id = message.get("ref"), message.get("tunnel_id")
        for service in self._services:
            if service.offer.ref == ref and isinstance(tunnel_id, str):
                service.accepted(tunnel_id)
                offer = service.offer
                self._report(
                    TunnelNews(
                        name=str(message.get("name") or offer.name or ""),
                        target=str(offer.target),
                        openai=offer.openai,
                        chat_url=self._absolute(str(message.get("chat_url") or "")),
                    )
                )

    def _absolute(self, url: str) -> str:
        return f"{self._hub_url}{url}" if url.startswith("/") else url

    def _refused(self, message: Message) -> None:
        hint = message.get("hint")
        self._on_refused(
            NotAllowed(
                str(message.get("message") or "The hub refuses this tunnel."),
                code=str(message.get("code") or "tunnel_refused"),
                hint=str(hint) if hint else None,
            )
        )

    def _open(self, message: Message) -> None:
        """The hub asks for a further tunnel: only where the session's user allowed that."""
        tunnel_id = str(message.get("tunnel_id") or "")
        known = self._by_id(tunnel_id)
        if known is not None:
            self._reopen(known, tunnel_id, openai=message.get("openai") is True)
            return
        try:
            target = self._checked_target(str(message.get("target") or ""))
        except AppError as error:
            self._say(
                {
                    "type": "tunnel.failed",
                    "tunnel_id": tunnel_id,
                    "code": error.code,
                    "message": error.sentence(),
                }
            )
            return
        name = message.get("name")
        offer = Offer(
            ref=tunnel_id,
            target=target,
            openai=message.get("openai") is True,
            name=name if isinstance(name, str) else None,
        )
        self._begin(offer, tunnel_id)
        self._report(Note(f"The hub opened a tunnel to {target}.", code="tunnel_opened"))

    def _reopen(self, known: TunnelService, tunnel_id: str, *, openai: bool) -> None:
        """The same tunnel with its OpenAI flag on or off, as its owner wishes at the hub.

        Taking the flag off would open the server's other routes: only where hub targets are
        allowed. Otherwise the tunnel goes on as it is, and the hub shows no provider.
        """
        may_change = openai or self._allow_hub_targets
        if known.offer.openai is openai or not may_change:
            known.is_stopped = False
            known.accepted(tunnel_id)
            return
        self._end(known)
        self._begin(replace(known.offer, openai=openai), tunnel_id)

    def _checked_target(self, text: str) -> Target:
        target = Target.parse(text)
        offered = any(s.offer.target == target for s in self._services)
        if offered or (self._allow_hub_targets and target.is_loopback):
            self._owners.check(target)
            return target
        raise NotAllowed(
            f"This agent was not started for {target}.",
            code="target_not_allowed",
            hint=f"In the session, run: underpass tunnel {target}",
        )

    def _stop(self, message: Message) -> None:
        service = self._by_id(str(message.get("tunnel_id")))
        if service is not None:
            service.is_stopped = True

    def _start(self, message: Message) -> None:
        service = self._by_id(str(message.get("tunnel_id")))
        if service is not None:
            service.is_stopped = False
            service.accepted(str(message.get("tunnel_id")))
