"""Which headers pass through, in either direction.

Everything else passes as it is: both lists name what must not, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from underpass.tunnel.link import Headers

# RFC 9110 §7.6.1: these speak about one connection, and ours has two.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_NOT_UPSTREAM = _HOP_BY_HOP | {
    # The hub's secrets are none of the model server's business.
    *("authorization", "x-api-key", "api-key", "cookie"),
    # The agent writes its own; the length changes with the model's name.
    *("host", "content-length", "expect"),
    # Ours goes instead: one id in every hop's log.
    "x-request-id",
    # Where the caller sits is private, and Ollama refuses an Origin that it does not know.
    *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    *("origin", "referer", "via"),
}

_NOT_DOWNSTREAM = _HOP_BY_HOP | {
    # The hub's own server writes these.
    *("date", "server", "x-request-id"),
    # An answer comes from a stranger to the hub's origin: it may set or open nothing there.
    *("set-cookie", "set-cookie2", "clear-site-data", "service-worker-allowed", "refresh"),
    *("strict-transport-security", "public-key-pins", "alt-svc", "content-security-policy"),
    *("nel", "report-to", "reporting-endpoints", "www-authenticate"),
}
_NOT_DOWNSTREAM_PREFIXES = ("access-control-", "x-underpass-", "cross-origin-")


def for_upstream(
    headers: Iterable[tuple[str, str]],
    *,
    request_id: str,
    body_bytes: int | None,
    is_stream: bool,
) -> Headers:
    """A request's headers for the model server; `body_bytes` None means that it is not known."""
    kept = list(headers)
    drop = _NOT_UPSTREAM | _named_by_connection(kept)
    if is_stream:
        # Comments and a last error event can only be added to text that is not compressed.
        drop |= {"accept-encoding"}
    passed = [
        (name.lower(), value)
        for name, value in kept
        if name.lower() not in drop and not name.lower().startswith(("x-underpass-", "sec-", ":"))
    ]
    passed.append(("x-request-id", request_id))
    if is_stream:
        passed.append(("accept-encoding", "identity"))
    if body_bytes is not None:
        passed.append(("content-length", str(body_bytes)))
    return tuple(passed)


def for_client(
    headers: Iterable[tuple[str, str]], *, request_id: str, is_event_stream: bool
) -> list[tuple[bytes, bytes]]:
    """An answer's headers for the client, as ASGI wants them."""
    kept = list(headers)
    drop = _NOT_DOWNSTREAM | _named_by_connection(kept)
    passed = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in kept
        if name.lower() not in drop and not name.lower().startswith(_NOT_DOWNSTREAM_PREFIXES)
    ]
    passed.append((b"x-request-id", request_id.encode("latin-1", "replace")))
    # A model's words must never run as a page of the hub: not as HTML that a link leads to, nor
    # as the script of such a page, which the hub's own policy would let in from its own origin.
    passed.append((b"x-content-type-options", b"nosniff"))
    passed.append(
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox")
    )
    if is_event_stream:
        passed += _unbuffered(kept)
    return passed


def event_stream(request_id: str) -> list[tuple[bytes, bytes]]:
    """The head of a streaming answer that the hub begins before the model server does."""
    head = [("content-type", "text/event-stream; charset=utf-8")]
    return for_client(head, request_id=request_id, is_event_stream=True)


def is_event_stream(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the answer is an SSE stream in plain text, to which lines can be added."""
    content_type = value_of(headers, "content-type").partition(";")[0].strip().lower()
    encoding = value_of(headers, "content-encoding").strip().lower()
    return content_type == "text/event-stream" and encoding in ("", "identity")


def value_of(headers: Iterable[tuple[str, str]], wanted: str) -> str:
    """The first value of the header `wanted` (lower case); empty if there is none."""
    for name, value in headers:
        if name.lower() == wanted:
            return value
    return ""


def _named_by_connection(headers: Iterable[tuple[str, str]]) -> set[str]:
    named: set[str] = set()
    for name, value in headers:
        if name.lower() == "connection":
            named |= {part.strip().lower() for part in value.split(",")}
    return named


def _unbuffered(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """What tells proxies between hub and client to let each event through at once."""
    have = {name.lower() for name, _ in headers}
    wanted = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    return [pair for pair in wanted if pair[0].decode() not in have]
