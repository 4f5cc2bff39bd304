"""GOAWAY and CLOSE: the words with which a carrier or a link ends."""

from __future__ import annotations

from underpass.tunnel.protocol import texts
from underpass.tunnel.protocol.frames import Flag, FrameType, frame
from underpass.tunnel.protocol.limits import MAX_REASON_CHARS

PERMANENT = frozenset(
    {"version", "revoked", "stopped", "replaced", "not_allowed", "not_authenticated"}
)
"""Codes of CLOSE after which the agent must not come back. `replaced`: another agent of the same
session has come, and two that take turns would throw each other out for ever."""

RESTART = frozenset({"token", "epoch", "gone"})
"""Codes of CLOSE after which the agent comes back as a new link."""

COMPLETE = "complete"
"""The reason of a CANCEL for a request whose answer is all there: nobody needs its rest."""

REFUSED = "refused"
"""The reason of a CANCEL from an agent that never began the request."""


def goaway_frame(reason: str, seconds_left: float, *, is_closing: bool) -> bytes:
    """GOAWAY."""
    fields = {"reason": reason[:MAX_REASON_CHARS], "seconds_left": max(0.0, seconds_left)}
    flags = Flag.CLOSING if is_closing else 0
    return frame(FrameType.GOAWAY, 0, texts.dump(fields), flags)


def read_goaway(payload: bytes) -> tuple[str, float]:
    """`(reason, seconds_left)`. Raises BadFrame."""
    fields = texts.load_object(payload, "GOAWAY")
    reason = texts.text(fields, "reason", MAX_REASON_CHARS)
    return reason, texts.seconds(fields, "seconds_left", 1e9)


def close_frame(code: str, message: str) -> bytes:
    """CLOSE: the link is over, or was refused."""
    fields = {"code": code[:64], "message": message[:MAX_REASON_CHARS]}
    return frame(FrameType.CLOSE, 0, texts.dump(fields))


def read_close(payload: bytes) -> tuple[str, str]:
    """`(code, message)`. Raises BadFrame."""
    fields = texts.load_object(payload, "CLOSE")
    return texts.text(fields, "code", 64), texts.text(fields, "message", MAX_REASON_CHARS)
