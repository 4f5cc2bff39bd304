"""Each fault, by whom it hits. A fault is a coroutine that makes its world, hurts it and fills a row."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from chaos.tally import Row
from chaos.world import Plan

Run = Callable[[Plan, Row, int], Coroutine[Any, Any, None]]
"""Fills the row, with so many injections."""


@dataclass(frozen=True)
class Fault:
    """One line of the table."""

    name: str
    title: str
    times: int
    run: Run
    why_not: Callable[[], str] = lambda: ""
    """Why this machine cannot do it; empty if it can."""
