"""Where a link is in its life, and which moves there are; docs/protocol.md draws the table."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a link is in its life."""

    NEW = "new"
    CONNECTING = "connecting"
    """Agent: HELLO is out, WELCOME is not in."""
    UP = "up"
    DOWN = "down"
    """No carrier; streams wait for the next one until grace ends."""
    CLOSED = "closed"


LINK_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.NEW: frozenset({Phase.CONNECTING, Phase.UP, Phase.CLOSED}),
    Phase.CONNECTING: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    # A newer carrier displaces an older one at once, without a moment of DOWN.
    Phase.UP: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    Phase.DOWN: frozenset({Phase.CONNECTING, Phase.UP, Phase.DOWN, Phase.CLOSED}),
    Phase.CLOSED: frozenset({Phase.CLOSED}),
}
