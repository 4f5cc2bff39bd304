"""The ways out of a machine to its hub, and finding out which one works.

direct       a connection of one's own
proxy        through the proxy that the environment names; it goes first where there is one
login node   through the machine that joined the cluster, for nodes that have no way out (`clusters.relay`)

A way that hangs must not hold up the next one: each gets a head start, then the next is tried beside it, and
the first that reaches the hub is taken. The one that worked last goes first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underpass.core.errors import ConfigError
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way, WebSocketCarrier, dial
from underpass.tunnel.dial_errors import DialError
from underpass.tunnel.proxy import parse_proxy

DIRECT, PROXY, LOGIN_NODE = "direct", "proxy", "login node"
HEAD_START_S = 3.0


@dataclass(frozen=True, slots=True)
class Route:
    """One way, by its word."""

    word: str
    way: Way


class Ways:
    """All ways of one machine to one hub. `via` is the word of the one that was taken last."""

    def __init__(self, routes: Sequence[Route], relays: Relays | None = None) -> None:
        """`relays`: further routes that may come and go."""
        self._routes = list(routes)
        self._relays = relays
        self.via: str | None = None

    @classmethod
    def only(cls, way: Way) -> Ways:
        """This way and no other."""
        return cls([Route(DIRECT if way.proxy is None else PROXY, way)])

    @classmethod
    def of_job(
        cls, way: Way, environ: Mapping[str, str], relay_file: str | None, ca_file: str | None
    ) -> Ways:
        """Those of a job: as its environment says, then direct, then through the login node."""
        del environ  # `way` has read it
        routes = [Route(DIRECT if way.proxy is None else PROXY, way)]
        if way.proxy is not None:
            routes.append(Route(DIRECT, way.through(None, ca_file)))
        relays = None
        if relay_file is not None and way.address.is_tls:
            # Without TLS the login node could read what it passes on.
            relays = Relays(way, Path(relay_file), ca_file)
        return cls(routes, relays)

    @property
    def address(self) -> HubAddress:
        """The hub's."""
        return self._routes[0].way.address

    async def dial(self, token: str) -> WebSocketCarrier:
        """Opens one WebSocket on the first way that leads to the hub.

        Raises DialError (no way does, just now) or LinkRefused (the hub itself says no).
        """
        waiting: dict[asyncio.Task[WebSocketCarrier], Route] = {}
        faults: list[tuple[Route, DialError]] = []
        try:
            for route in self._ordered():
                waiting[asyncio.ensure_future(dial(route.way, token))] = route
                found = await self._first(waiting, faults, HEAD_START_S)
                if found is not None:
                    return found
            found = await self._first(waiting, faults, None)
            if found is not None:
                return found
        finally:
            await _drop(waiting)
        raise _none_works(faults)

    def _ordered(self) -> Iterator[Route]:
        """The one that worked last first; the login node's are looked for when they are needed."""
        own = sorted(self._routes, key=lambda route: route.word != self.via)  # stable
        relayed = self._relays.routes if self._relays is not None else list
        if self.via == LOGIN_NODE:
            yield from relayed()
        yield from own
        if self.via != LOGIN_NODE:
            yield from relayed()

    async def _first(
        self,
        waiting: dict[asyncio.Task[WebSocketCarrier], Route],
        faults: list[tuple[Route, DialError]],
        patience_s: float | None,
    ) -> WebSocketCarrier | None:
        """The first carrier there is; None when all have failed, or the head start is over."""
        while waiting:
            done, _ = await asyncio.wait(
                waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return None
            for task in done:
                route = waiting.pop(task)
                try:
                    carrier = task.result()
                except DialError as error:
                    faults.append((route, error))
                else:
                    self.via = route.word
                    return carrier
        return None


class Relays:
    """The login node's doors, as it wrote them down on the disk that its jobs share."""

    def __init__(self, way: Way, file: Path, ca_file: str | None) -> None:
        self._way = way
        self._file = file
        self._ca_file = ca_file

    def routes(self) -> list[Route]:
        """Those that it has now: a login node that was restarted may have others."""
        try:
            document: Any = json.loads(self._file.read_text(encoding="utf-8"))
            urls = [str(url) for url in document["urls"]]
            proxies = [parse_proxy(url, source="the login node") for url in urls[:8]]
        except (OSError, ValueError, TypeError, KeyError, ConfigError):
            return []
        return [Route(LOGIN_NODE, self._way.through(proxy, self._ca_file)) for proxy in proxies]


async def _drop(waiting: dict[asyncio.Task[WebSocketCarrier], Route]) -> None:
    """Ends the attempts that nobody needs any more, also one that has just succeeded."""
    for task in waiting:
        task.cancel()
    for found in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(found, WebSocketCarrier):
            await found.close()


def _none_works(faults: Sequence[tuple[Route, DialError]]) -> DialError:
    """Of one way its own words; of several what each of them said."""
    first = faults[0][1]
    if len(faults) == 1:
        return first
    said = "; ".join(f"{route.word}: {error.message.rstrip('.')}" for route, error in faults)
    waits = [error.retry_after_s for _, error in faults if error.retry_after_s is not None]
    return DialError(
        f"No way leads to {faults[0][0].way.address} ({said}).",
        code=first.code,
        hint="Ask the site for a way out, or keep `underpass clusters join` running on a login node.",
        retry_after_s=max(waits, default=None),
    )
