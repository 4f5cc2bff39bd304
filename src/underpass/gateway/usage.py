"""Counts what passes, per user and provider, in memory: the metrics read it, nothing waits for it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PAIRS = 10_000


@dataclass(slots=True)
class Usage:
    """What one user did with one provider since the hub started."""

    user_id: str
    provider_id: str
    active: int = 0
    """Requests under way."""
    requests: int = 0
    errors: int = 0
    """Answers of 400 and above, and those that broke off."""
    cancelled: int = 0
    """The client went away, or Stop."""
    bytes_in: int = 0
    """Towards the model server."""
    bytes_out: int = 0
    first_byte_s: float = 0.0
    """Sum over `first_bytes` requests of the time to the answer's first byte, in seconds."""
    first_bytes: int = 0


class UsageBook:
    """One Usage per user and provider. The pair that came first goes first when it is full."""

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._max_pairs = max_pairs
        self._pairs: dict[tuple[str, str], Usage] = {}

    def of(self, user_id: str, provider_id: str) -> Usage:
        """The counts of this pair, to be changed in place."""
        usage = self._pairs.get((user_id, provider_id))
        if usage is None:
            if len(self._pairs) >= self._max_pairs:
                del self._pairs[next(iter(self._pairs))]
            usage = self._pairs[user_id, provider_id] = Usage(user_id, provider_id)
        return usage

    def all(self) -> list[Usage]:
        """All counts, for `/metrics`."""
        return list(self._pairs.values())
