"""The numbers that bound the gateway."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Plain values; the hub's settings fill them."""

    max_body_bytes: int = 64 * MIB
    """A larger request body is refused with 413."""
    whole_body_bytes: int = MIB
    """A body up to this size is held in memory and checked wholly before the model server sees
    any of it. A larger one is passed on as soon as its model is known, and the server judges the
    rest; what came before the model waits in a file once it is more than this."""
    spool_dir: str | None = None
    """Where such files are (they have no name and vanish with the request); None for the
    system's temporary folder."""
    calls_per_user: int = 256
    """Requests of one user under way at a time; one more gets 429."""
    keepalive_s: float = 15.0
    """A streaming client hears something at least this often while its model is silent: between
    events it gets an SSE comment after two thirds of this to all of it. Before the answer's head
    it is all of it, because the first comment settles the status: 200, and an error after it is
    an event."""
    responses_per_user: int = 1000
    """How many ids of `/v1/responses` are remembered for each user, newest first."""
