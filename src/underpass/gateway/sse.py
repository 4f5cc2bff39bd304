"""The little of server-sent events that the relay needs: it never parses what passes."""

from __future__ import annotations

import json
from typing import Any

from underpass.core.errors import AppError
from underpass.gateway import errors

KEEPALIVE = b": keepalive\n\n"
TAIL_BYTES = 4
"""So many last bytes tell whether an event has ended."""

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


def is_at_boundary(tail: bytes) -> bool:
    """Whether the bytes sent so far, which end with `tail`, leave no event open."""
    return not tail or tail.endswith(_EVENT_ENDS)


def error_event(error: AppError, route_name: str, tail: bytes = b"") -> bytes:
    """The last event of a stream that failed.

    An event that was cut in the middle is closed first: whoever parses it meets an error there,
    whoever skips it meets ours; nobody takes the stream for complete.
    """
    return _as_event(errors.document(error, has_type=_has_names(route_name)), route_name, tail)


def upstream_error_event(answer: bytes, status: int, route_name: str) -> bytes:
    """A model server's own error as the last event, where its status can no longer be passed."""
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = None
    if not (isinstance(parsed, dict) and parsed.get("error")):
        text = answer.decode("utf-8", "replace").strip() or "no text"
        parsed = {
            "error": {
                "message": f"The model server answered {status}: {text}",
                "type": "api_error",
                "param": None,
                "code": status,
            }
        }
    if _has_names(route_name):
        parsed = {"type": "error"} | parsed
    return _as_event(parsed, route_name, b"")


def _as_event(document: dict[str, Any], route_name: str, tail: bytes) -> bytes:
    opened = b"" if is_at_boundary(tail) else b"\n\n"
    name = b"event: error\n" if _has_names(route_name) else b""
    return opened + name + b"data: " + json.dumps(document).encode() + b"\n\n"


def _has_names(route_name: str) -> bool:
    # Clients of these two read the event's name and skip an event that has none.
    return route_name.startswith(("messages", "responses"))
