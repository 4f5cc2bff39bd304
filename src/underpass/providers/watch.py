"""Looks at each custom provider in the background, so that its status and models stay true.

A provider that runs is looked at every `poll_s` seconds; one that does not, sooner at first and then
ever later. A request that fails on the way asks for a look at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from underpass.core.errors import StreamReset
from underpass.core.states import ProviderStatus
from underpass.providers.custom import Custom
from underpass.providers.faults import EndpointFault
from underpass.providers.look import NO_LIST, chosen, look

FIRST_RETRY_S = 2.0
LEAST_GAP_S = 0.5
"""Between two looks, however many requests fail."""
AT_ONCE = 16

Settle = Callable[[Custom, ProviderStatus, str, list[dict[str, Any]] | None], Awaitable[None]]
"""Told what a look found: status, reason, models (None: keep those that are known)."""

log = logging.getLogger("underpass.providers")


class Watch:
    """One task for each provider. `start`, `stop`, and `wake` for a look at once."""

    def __init__(self, settle: Settle, poll_s: float) -> None:
        self._settle = settle
        self._poll_s = poll_s
        self._turns = asyncio.Semaphore(AT_ONCE)

    def start(self, custom: Custom) -> None:
        """Begins to look at it, now and then."""
        custom.watching = asyncio.create_task(self._run(custom), name=f"watch-{custom.id}")

    async def stop(self, custom: Custom) -> None:
        """Ends that."""
        task, custom.watching = custom.watching, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, custom: Custom) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            custom.wake.clear()
            try:
                async with self._turns:
                    status, reason, models = await examine(custom)
                await self._settle(custom, status, reason, models)
            except Exception:
                # A bug on the way must not leave the provider unwatched for good.
                log.exception("looking at provider %s failed", custom.id)
                status = ProviderStatus.UNREACHABLE
            is_well = status is ProviderStatus.RUNNING
            wait_s = self._poll_s if is_well else min(retry_s, self._poll_s)
            retry_s = FIRST_RETRY_S if is_well else min(2 * retry_s, self._poll_s)
            await asyncio.sleep(min(LEAST_GAP_S, wait_s))
            try:
                async with asyncio.timeout(wait_s):
                    await custom.wake.wait()
            except TimeoutError:
                continue


async def examine(custom: Custom) -> tuple[ProviderStatus, str, list[dict[str, Any]] | None]:
    """Status, reason and models of a provider just now."""
    allow = custom.stored.model_allow
    if custom.endpoint is None:
        return ProviderStatus.UNREACHABLE, custom.record.status_reason, None
    try:
        listed = await look(custom.endpoint, has_key=custom.stored.has_key)
    except EndpointFault as error:
        if error.fault == NO_LIST and (named := chosen((), allow)):
            return ProviderStatus.RUNNING, "", named
        return ProviderStatus.UNREACHABLE, f"{error.message} {error.fault.hint}".strip(), None
    except StreamReset as error:
        return ProviderStatus.UNREACHABLE, error.message, None
    return ProviderStatus.RUNNING, "", chosen(listed, allow)
