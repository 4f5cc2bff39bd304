"""Waiting for a condition that nobody announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

POLL_S = 0.02


async def until(condition: Callable[[], bool], poll_s: float = POLL_S) -> None:
    """Returns once the condition holds, looked at a few times a second. For rare, short waits."""
    while not condition():  # noqa: ASYNC110 - counters and states of others, which have no event
        await asyncio.sleep(poll_s)
