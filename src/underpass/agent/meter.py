"""What passed through the agent: counters for the status line, never content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Plain counters; whoever shows them makes rates of differences."""

    streams: int = 0
    """Streams that are open now."""
    bytes_in: int = 0
    """Bytes of requests, from the hub."""
    bytes_out: int = 0
    """Bytes of answers, to the hub."""
    events_out: int = 0
    """Server-sent events of answers: with nearly all servers one is one token."""
    last_answer_at: float = float("-inf")
    """Monotonic seconds when a model server last answered anything."""
