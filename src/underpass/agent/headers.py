"""Which headers cross the agent, in each direction. Pure.

The model server sees a client on its own machine: no trace of the hub, of its keys and cookies,
or of the browser that asked. The hub sees what the server answered, less what belongs to one
connection or would act on the hub's own pages.
"""

from __future__ import annotations

from collections.abc import Iterable

Headers = tuple[tuple[str, str], ...]

AGENT_ERROR = "x-underpass-error"
"""Marks an answer as the agent's own; stripped from whatever a server sends."""

# RFC 9110 §7.6.1: these speak about one connection, not about the message.
HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
    }
)
_NOT_UPSTREAM = frozenset(
    {
        # rewritten
        *("host", "x-request-id"),
        # the hub's credentials
        *("authorization", "x-api-key", "api-key", "cookie"),
        # where the request came from is none of the model server's business, and Ollama
        # refuses requests that carry a foreign Origin
        *("forwarded", "via", "x-real-ip", "true-client-ip", "origin", "referer"),
    }
)
_NOT_UPSTREAM_PREFIXES = ("x-forwarded", "x-underpass", "sec-", "cf-")
_NOT_DOWNSTREAM = frozenset({"set-cookie", "set-cookie2", "alt-svc", "strict-transport-security"})


def to_server(headers: Iterable[tuple[str, str]], *, key: str | None, request_id: str) -> Headers:
    """The request's headers for the model server, with its own key where it has one."""
    pairs = list(headers)
    dropped = HOP_BY_HOP | _NOT_UPSTREAM | _named_by_connection(pairs)
    kept = [
        (name, value)
        for name, text in pairs
        if name.lower() not in dropped
        and not name.lower().startswith(_NOT_UPSTREAM_PREFIXES)
        and (value := _as_utf8(text)) is not None
    ]
    kept.append(("X-Request-Id", request_id))
    if key is not None:
        kept.append(("Authorization", f"Bearer {key}"))
    return tuple(kept)


def to_hub(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The answer's headers for the hub: names as they were, values byte for byte (latin-1)."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    dropped = HOP_BY_HOP | _NOT_DOWNSTREAM | _named_by_connection(pairs)
    return tuple(
        (name, value)
        for name, value in pairs
        if name.lower() not in dropped and not name.lower().startswith("x-underpass")
    )


def value_of(headers: Iterable[tuple[str, str]], wanted: str) -> str | None:
    """The first value of a header (name in lower case), or None."""
    return next((value for name, value in headers if name.lower() == wanted), None)


def _named_by_connection(pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {
        word.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for word in value.split(",")
    }


def _as_utf8(value: str) -> str | None:
    """The client writes headers as UTF-8: what came as other bytes cannot pass and is left out."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None
