"""Waiting for conditions, never for time.

A test says what must become true and within which bound; a machine that is slow today makes the test
slower, not red, and a machine that is fast does not wait.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.05


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """Polls until `condition()` is true and returns its value; AssertionError otherwise.

    An AssertionError or OSError inside the condition counts as "not yet" and is shown at the end.
    """
    deadline = time.monotonic() + within_s
    pause = FIRST_PAUSE_S
    while True:
        value, error = _try(condition)
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_sentence(condition, within_s, what, value)) from error
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


async def eventually_async(
    condition: Callable[[], Any], within_s: float = 10.0, what: str = ""
) -> Any:
    """As `eventually`, for coroutines: the loop goes on while it waits."""
    deadline = time.monotonic() + within_s
    pause = FIRST_PAUSE_S
    while True:
        value, error = await _try_async(condition)
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_sentence(condition, within_s, what, value)) from error
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


class Steady:
    """A condition: what `read()` gives is something, and has been the same for `for_s` seconds."""

    def __init__(self, read: Callable[[], Any], for_s: float) -> None:
        self._read = read
        self._for_s = for_s
        self._value: Any = None
        self._since = time.monotonic()

    def __call__(self) -> bool:
        value, now = self._read(), time.monotonic()
        if value != self._value or not value:
            self._value, self._since = value, now
        return now - self._since >= self._for_s


def _try(condition: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return condition(), None
    except (AssertionError, OSError) as error:
        return None, error


async def _try_async(condition: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        found = condition()
        return (await found if inspect.isawaitable(found) else found), None
    except (AssertionError, OSError) as error:
        return None, error


def _sentence(condition: Callable[[], Any], within_s: float, what: str, value: object) -> str:
    name = what or getattr(condition, "__qualname__", repr(condition))
    return f"not within {within_s:g} s: {name} (last value: {value!r})"
