"""Counts what passes, by who and what, in memory: the metrics read it, nothing waits for it."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PAIRS = 10_000


@dataclass(slots=True)
class Usage:
    """What was done since the hub started: by a user with a key, with a model of a provider."""

    user_id: str
    provider_id: str
    key_id: str = ""
    """Empty: not with a key, which is to say in the chat."""
    model: str = ""
    """The server's own name for it."""
    session_id: str = ""
    """Where the provider ran; empty for a custom one."""
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
    tokens_in: int = 0
    """As the servers themselves said; answers without a word on it count nothing."""
    tokens_out: int = 0
    answer_s: float = 0.0
    """Seconds from first to last byte of the answers whose tokens are known."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What tells it from others."""
        return self.user_id, self.provider_id, self.key_id, self.model, self.session_id


class UsageBook:
    """One Usage for each combination. The one that came first goes first when it is full."""

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._max_pairs = max_pairs
        self._pairs: dict[tuple[str, str, str, str, str], Usage] = {}

    def of(
        self,
        user_id: str,
        provider_id: str,
        key_id: str = "",
        model: str = "",
        session_id: str = "",
    ) -> Usage:
        """The counts of this combination, to be changed in place."""
        key = (user_id, provider_id, key_id, model, session_id)
        usage = self._pairs.get(key)
        if usage is None:
            if len(self._pairs) >= self._max_pairs:
                del self._pairs[next(iter(self._pairs))]
            usage = self._pairs[key] = Usage(*key)
        return usage

    def all(self) -> list[Usage]:
        """All counts, for `/metrics`."""
        return list(self._pairs.values())
