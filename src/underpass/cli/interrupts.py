"""Ctrl-C while a turn of a chat is under way: it is for the answer and never for the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupts:
    """Counts Ctrl-C from its beginning on, and hands each to whoever handles them by then.

    One that comes before there is an answer to stop is kept for it; a second one then ends the
    turn. Where the system has no such signals (Windows), Ctrl-C ends the command.
    """

    def __init__(self) -> None:
        self._kept = 0
        self._handler: Callable[[], None] | None = None
        self._turn = asyncio.current_task()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """While this lasts, Ctrl-C raises nothing."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(signal.SIGINT, self._pressed)
        except (NotImplementedError, RuntimeError, ValueError):
            yield  # Windows, or not the main thread
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    @contextmanager
    def handled_by(self, handler: Callable[[], None]) -> Iterator[None]:
        """From now on each Ctrl-C calls `handler`; one that was kept does so at once."""
        self._handler = handler
        try:
            if self._kept:
                handler()
            yield
        finally:
            self._handler = None

    def _pressed(self) -> None:
        if self._handler is not None:
            self._handler()
            return
        self._kept += 1
        if self._kept > 1 and self._turn is not None:
            self._turn.cancel()
