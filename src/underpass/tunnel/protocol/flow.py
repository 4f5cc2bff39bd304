"""Budgets: how much memory windows may take, per link and above it for the whole hub.

A window is taken when a stream needs it and given back when the stream ends. Nobody waits for
a budget: when it is used up, a stream still gets `LEAST_WINDOW_BYTES` and goes on slowly. So
what a link can hold is its capacity and the least window of every half-stream.
"""

from __future__ import annotations

from underpass.tunnel.protocol.limits import (
    BUDGET_SHARE,
    FIRST_WINDOW_BYTES,
    LEAST_WINDOW_BYTES,
    MAX_WINDOW_BYTES,
)


class Budget:
    """Bytes that windows may take. A link's budget has the hub's as its `parent`."""

    __slots__ = ("capacity", "parent", "used")

    def __init__(self, capacity: int, parent: Budget | None = None) -> None:
        self.capacity = capacity
        self.parent = parent
        self.used = 0

    def __repr__(self) -> str:
        return f"<Budget {self.used} of {self.capacity}>"

    @property
    def free(self) -> int:
        """Bytes left here and above; never below 0."""
        free = max(0, self.capacity - self.used)
        return free if self.parent is None else min(free, self.parent.free)

    def take(self, want: int, least: int = 0) -> int:
        """Takes `want` bytes or fewer, at least `least` even when nothing is free."""
        granted = max(least, min(want, self.free // BUDGET_SHARE))
        self._add(granted)
        return granted

    def charge(self, amount: int) -> None:
        """Books `amount` whatever is free: for a window that the protocol fixes."""
        self._add(amount)

    def give(self, amount: int) -> None:
        """Gives back what was taken."""
        self._add(-amount)

    def _add(self, amount: int) -> None:
        self.used += amount
        if self.parent is not None:
            self.parent._add(amount)


class Window:
    """The size of one half-stream's window, backed by a budget."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: Budget, size: int = 0) -> None:
        """`size` bytes are charged at once, whatever is free."""
        self._budget = budget
        self.size = size
        budget.charge(size)

    def open(self, want: int = FIRST_WINDOW_BYTES) -> None:
        """Brings the window to `want` as far as the budget goes, `LEAST_WINDOW_BYTES` in any case."""
        least = max(0, LEAST_WINDOW_BYTES - self.size)
        if want > self.size:
            self.size += self._budget.take(want - self.size, least)

    def double(self) -> bool:
        """Grows up to twice the size, `MAX_WINDOW_BYTES` at most. False when it could not."""
        want = min(self.size, MAX_WINDOW_BYTES - self.size)
        granted = self._budget.take(want) if want > 0 else 0
        self.size += granted
        return granted > 0

    def close(self) -> None:
        """Gives everything back. May be called twice."""
        self._budget.give(self.size)
        self.size = 0
