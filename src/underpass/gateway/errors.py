"""Errors in OpenAI's shape, and the border at which the tunnel's errors become the provider's."""

from __future__ import annotations

import json
import math
from typing import Any

from underpass.core.errors import (
    AppError,
    CallerError,
    InvalidRequest,
    ModelLoading,
    NotFound,
    ProviderError,
    ProviderTimeout,
    ResumeExpired,
    StreamReset,
    TooMany,
    TunnelError,
    TunnelStopped,
    UpstreamUnreachable,
)
from underpass.registry.live import ProviderView
from underpass.registry.pick import LOADING_RETRY_AFTER_S
from underpass.tunnel.link import goodbye

# Reasons of StreamReset that say that the way is gone, not that the server broke it off.
_LINK_GONE = goodbye.PERMANENT | goodbye.RESTART

# The words are Anthropic's where OpenAI has none of its own, so both clients know them.
_TYPE_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def document(error: AppError, *, has_type: bool = False) -> dict[str, Any]:
    """The body of an error answer: `{"error": {"message", "type", "param", "code"}}`.

    `has_type` adds the `"type": "error"` that clients of Messages and Responses look for; to all
    others one more member makes no difference.
    """
    inner = {
        "message": error.sentence(),
        "type": _TYPE_BY_STATUS.get(error.http_status, "api_error"),
        "param": error.fields.get("param"),
        "code": error.code,
    }
    inner |= {name: value for name, value in error.fields.items() if name not in inner}
    return {"type": "error", "error": inner} if has_type else {"error": inner}


def body(error: AppError, path: str) -> bytes:
    """The same as JSON in one line, for an answer on `path`."""
    return json.dumps(document(error, has_type=path.startswith("/v1/messages"))).encode()


def headers(error: AppError, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an error answer, without its length."""
    pairs = [
        (b"content-type", b"application/json"),
        (b"x-request-id", request_id.encode("latin-1", "replace")),
        (b"x-content-type-options", b"nosniff"),
    ]
    if error.retry_after_s is not None:
        pairs.append((b"retry-after", str(math.ceil(error.retry_after_s)).encode()))
    if error.http_status == 401:
        pairs.append((b"www-authenticate", b"Bearer"))
    return pairs


def from_agent(code: str, message: str, status: int, provider: ProviderView) -> AppError:
    """The error that the agent gave in the model server's place (`x-underpass-error`)."""
    if code == ModelLoading.code:
        return ModelLoading(
            message,
            hint="Try again in a few seconds.",
            retry_after_s=LOADING_RETRY_AFTER_S,
        )
    if code == UpstreamUnreachable.code:
        return _unreachable(provider, message)
    if code == TunnelStopped.code:
        return stopped(provider, message)
    if status == 404:
        return NotFound(message, code=code)
    if 400 <= status < 500:
        return CallerError(message, code=code)
    return ProviderError(message, code=code)


def from_tunnel(error: TunnelError, provider: ProviderView, *, has_begun: bool) -> AppError:
    """What a tunnel's error means for the caller. `has_begun`: a part of the answer was passed."""
    part = " The answer is incomplete." if has_begun else ""
    if provider.is_shareable:
        return _from_endpoint(error, provider, part)
    reason = error.reason if isinstance(error, StreamReset) else ""
    if reason == goodbye.REFUSED or (reason in _LINK_GONE and not has_begun):
        return stopped(provider, "Its agent takes no new requests.")
    if reason == TunnelStopped.code:
        return stopped(provider, part.strip())
    if reason in _LINK_GONE or isinstance(error, ResumeExpired):
        return ProviderTimeout(
            f"The tunnel to {_place(provider)} was lost and did not come back in time.{part}",
            hint="Look whether its session still runs; restart the session and its tunnel if not.",
        )
    if reason:
        words = reason.replace("_", " ")
        return _unreachable(provider, f"It broke the connection off ({words}).{part}")
    if error.code == "too_many_streams":
        return TooMany(
            f"The tunnel of {_place(provider)} has as many requests under way as it takes.",
            hint="Wait for one to finish.",
            retry_after_s=1.0,
        )
    if error.code in ("link_closed", "draining"):
        return stopped(provider, "Its agent takes no new requests.")
    if error.code == "head_too_big":
        return InvalidRequest(
            "The request's headers are too long for the tunnel.",
            hint="Send fewer or shorter headers: all together must stay under 16 KiB.",
            code="headers_too_large",
        )
    if error.code == "head_invalid":
        return InvalidRequest("A header or the path of the request holds a control character.")
    return ProviderError(
        f"The tunnel to {_place(provider)} failed: {error.message}{part}", code=error.code
    )


def _from_endpoint(error: TunnelError, provider: ProviderView, part: str) -> ProviderError:
    """A custom endpoint's fault. Where the endpoint is, its owner knows and others need not."""
    code = error.reason if isinstance(error, StreamReset) else error.code
    start = "The endpoint "
    said = error.message.startswith(start)
    what = error.message.removeprefix(start) if said else f"was given up ({code})."
    return UpstreamUnreachable(
        f"The endpoint of {_place(provider)} {what}{part}",
        hint=f"Its owner, {provider.owner_name}, can look at the provider.",
        reason=code,
    )


def stopped(provider: ProviderView, why: str = "") -> ProviderError:
    """The way is not there although the provider's picture says it is, or it refuses."""
    if provider.is_shareable:
        return UpstreamUnreachable(
            f"The endpoint of {_place(provider)} cannot be asked.",
            hint=provider.status_reason or f"Its owner, {provider.owner_name}, can look at it.",
        )
    detail = f" {why}" if why else ""
    return TunnelStopped(
        f"The tunnel of {_place(provider)} is stopped.{detail}",
        hint="To use it, restart the session and its tunnel.",
    )


def _unreachable(provider: ProviderView, cause: str) -> UpstreamUnreachable:
    target = provider.target or provider.name
    where = "" if target in cause else f"The model server at {target} ({_place(provider)}): "
    return UpstreamUnreachable(
        f"{where}{cause}", hint="Look at the session's log to see whether the server still runs."
    )


def _place(provider: ProviderView) -> str:
    return f"provider '{provider.name}'" + (f" on {provider.host}" if provider.host else "")
