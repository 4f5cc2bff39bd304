"""Without TARGET: this user's own model servers that listen on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from underpass.agent.connect import Upstream
from underpass.agent.listener import Listener
from underpass.agent.ownership import Owners
from underpass.agent.probe import Prober
from underpass.agent.readiness import Readiness, judge
from underpass.core.states import ProviderStatus
from underpass.core.targets import Target

# Ports below are the system's; asking a few hundred listeners at once would be rude.
LEAST_PORT = 1024
MAX_CANDIDATES = 200
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A listener that answers like a model server."""

    target: Target
    readiness: Readiness


async def discover(owners: Owners, *, key: str | None = None) -> list[Found]:
    """The model servers, by port. A server that is still loading counts too."""
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def ask(target: Target) -> Found | None:
        async with turnstile:
            return await _ask(target, owners, key)

    answers = await asyncio.gather(*(ask(t) for t in candidates(owners.own_listeners())))
    return [found for found in answers if found is not None]


def candidates(listeners: Iterable[Listener]) -> list[Target]:
    """Where to ask: one target per port, on the loopback address it answers to. Pure."""
    hosts: dict[int, str] = {}
    for one in sorted(listeners, key=lambda listener: (listener.port, listener.address.version)):
        if one.port < LEAST_PORT:
            continue
        host = str(one.address)
        if one.address.is_unspecified:
            host = "127.0.0.1"
        elif one.address.version == 6 and one.address == ipaddress.IPv6Address("::1"):
            host = "::1"
        hosts.setdefault(one.port, host)
    return [Target(host=host, port=port) for port, host in hosts.items()][:MAX_CANDIDATES]


async def _ask(target: Target, owners: Owners, key: str | None) -> Found | None:
    upstream = Upstream(target, owners)
    try:
        look = await Prober(upstream, key).look()
    finally:
        await upstream.close()
    readiness = judge(None, look, str(target))
    is_listed = look.models.is_ok and bool(readiness.models)
    is_loading = look.models.status == 503 and readiness.state is ProviderStatus.LOADING
    wants_key = look.models.status == 401 and isinstance(look.models.body, dict)
    return Found(target, readiness) if is_listed or is_loading or wants_key else None
