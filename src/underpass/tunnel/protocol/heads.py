"""What opens a stream and what answers it: `OpenHead` and `Head`, and their text on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from underpass.core.errors import BadFrame, TunnelError
from underpass.tunnel.protocol import texts
from underpass.tunnel.protocol.limits import (
    MAX_PAYLOAD_BYTES,
    MAX_REQUEST_ID_CHARS,
    MAX_WINDOW_BYTES,
)

Headers = tuple[tuple[str, str], ...]
"""Name and value pairs in the order of the wire, repeated names kept."""

# A line break in any of these would let one side write lines into the other's HTTP.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUE = re.compile(r"[\0\r\n]")
_NOT_IN_PATH = re.compile(r"[\0-\x20\x7f]")


class StreamKind(StrEnum):
    """`http` is one request and its answer; `raw` is bytes both ways, each half with its end."""

    HTTP = "http"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class OpenHead:
    """A request's head. `path` is the raw target with its query, as it came."""

    kind: StreamKind
    tunnel: str
    request_id: str
    method: str
    path: str
    headers: Headers
    durable: bool = False
    """The agent keeps the whole answer until the hub releases it."""


@dataclass(frozen=True, slots=True)
class Head:
    """An answer's head. For `raw`, 200 means connected."""

    status: int
    headers: Headers


def encode_open(head: OpenHead, limit: int) -> bytes:
    """The payload of OPEN; `limit` is the credit for the answer.

    Raises TunnelError with code `head_invalid` or `head_too_big`.
    """
    payload = texts.dump(
        {
            "kind": str(head.kind),
            "tunnel": head.tunnel,
            "request_id": head.request_id,
            "method": head.method,
            "path": head.path,
            "headers": head.headers,
            "durable": head.durable,
            "limit": limit,
        }
    )
    return _sendable(payload, decode_open)


def encode_head(head: Head) -> bytes:
    """The payload of HEAD. Raises TunnelError with code `head_invalid` or `head_too_big`."""
    payload = texts.dump({"status": head.status, "headers": head.headers})
    return _sendable(payload, decode_head)


def decode_open(payload: bytes) -> tuple[OpenHead, int]:
    """The head in an OPEN and the credit for its answer. Raises BadFrame."""
    fields = texts.load_object(payload, "OPEN")
    try:
        kind = StreamKind(texts.text(fields, "kind", 8))
    except ValueError:
        raise BadFrame("OPEN of an unknown kind.") from None
    method = texts.text(fields, "method", 64)
    path = texts.text(fields, "path", MAX_PAYLOAD_BYTES)
    if method and not _TOKEN.fullmatch(method):
        raise BadFrame("OPEN with a method that is no token.")
    if _NOT_IN_PATH.search(path):
        raise BadFrame("OPEN with a space or control character in its path.")
    durable = fields.get("durable")
    if not isinstance(durable, bool):
        raise BadFrame("OPEN whose 'durable' is not true or false.")
    head = OpenHead(
        kind=kind,
        tunnel=texts.text(fields, "tunnel", 256),
        request_id=texts.text(fields, "request_id", MAX_REQUEST_ID_CHARS),
        method=method,
        path=path,
        headers=_headers(fields),
        durable=durable,
    )
    return head, texts.whole(fields, "limit", MAX_WINDOW_BYTES)


def decode_head(payload: bytes) -> Head:
    """The head in a HEAD. Raises BadFrame."""
    fields = texts.load_object(payload, "HEAD")
    status = texts.whole(fields, "status", 999)
    if status < 100:
        raise BadFrame("HEAD with a status below 100.")
    return Head(status=status, headers=_headers(fields))


def _headers(fields: dict[str, Any]) -> Headers:
    pairs = []
    for pair in texts.items(fields, "headers", MAX_PAYLOAD_BYTES // 8):
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadFrame("A header that is not a pair.")
        name, value = pair
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise BadFrame("A header whose name is no token.")
        if not isinstance(value, str) or _NOT_IN_VALUE.search(value):
            raise BadFrame("A header whose value is no single line.")
        pairs.append((name, value))
    return tuple(pairs)


def _sendable(payload: bytes, decode: Any) -> bytes:
    # What the peer would refuse must fail here, at its cause, and not close the link.
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TunnelError(
            f"The head is {len(payload)} bytes long; the tunnel takes {MAX_PAYLOAD_BYTES}.",
            code="head_too_big",
        )
    try:
        decode(payload)
    except BadFrame as error:
        raise TunnelError(
            f"The head cannot be sent: {error.message}", code="head_invalid"
        ) from None
    return payload
