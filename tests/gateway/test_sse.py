"""Where an event ends, and the last event of a stream that failed."""

import json

import pytest

from underpass.core.errors import UpstreamUnreachable
from underpass.gateway import sse

ERROR = UpstreamUnreachable("Gone.", hint="Look.")


@pytest.mark.parametrize(
    ("tail", "is_at_boundary"),
    [
        (b"", True),
        (b"\n\n", True),
        (b"1\r\n\r\n"[-4:], True),
        (b"\r\r", True),
        (b"ta: ", False),
        (b"1\n", False),
        (b"1\r\n", False),
    ],
)
def test_where_an_event_ends(tail: bytes, is_at_boundary: bool) -> None:
    """At an empty line, with any of the three line ends."""
    assert sse.is_at_boundary(tail) is is_at_boundary


def test_the_last_event_has_openais_shape() -> None:
    """`data: {"error": …}` in one line, after an open event was closed."""
    event = sse.error_event(ERROR, "chat/completions", b"\n\n")
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "upstream_unreachable"
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    assert sse.error_event(ERROR, "chat/completions", b"da").startswith(b"\n\ndata: ")


@pytest.mark.parametrize("route", ["messages", "responses", "responses.get"])
def test_named_events_where_clients_read_names(route: str) -> None:
    """Anthropic's SDK skips an event without a name: the error must have one."""
    event = sse.error_event(ERROR, route, b"")
    assert event.startswith(b'event: error\ndata: {"type": "error", ')


def test_a_servers_own_error_is_kept() -> None:
    """Its error object as it is; anything else as text in ours."""
    event = sse.upstream_error_event(b'{"error":\n{"message": "m"}}', 500, "completions")
    assert event == b'data: {"error": {"message": "m"}}\n\n'
    for answer in (b"plain", b"[1]", b'{"error": null}', b"\xff"):
        event = sse.upstream_error_event(answer, 500, "completions")
        assert "answered 500" in json.loads(event[6:])["error"]["message"]
