"""What every HTTP request passes: its id, the security headers, one log line, the last error net.

Plain ASGI: it hands `receive` on as it is, so that a client's disconnect reaches whoever waits for
it, and it never holds a byte of a body back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import AppError
from underpass.core.ids import new_id
from underpass.gateway.routes import LOG_DETAILS
from underpass.hub import problems

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Observe = Callable[[str, str, int, float], None]
"""Told of each request when it ends: kind of route, method, status, seconds."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")

_QUIET = ("/assets/", "/healthz", "/readyz", "/metrics", "/favicon")
# Paths below these hold codes and ids of strangers' making: logged up to here only.
_CUT_AT = ("/api/auth/device/",)

_log = structlog.get_logger("underpass.http")


class Front:
    """The outermost ASGI callable. `inner` answers; this one sees that it is done properly."""

    def __init__(self, inner: AsgiApp, clock: Clock, observe: Observe) -> None:
        self._inner = inner
        self._clock = clock
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        # Always our own: model servers take it as the request's name, and cancelling one of two
        # requests that a caller gave the same name would end the other.
        request_id = new_id("req")
        scope["underpass.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await _Exchange(self, scope, send, request_id).run(receive)
            else:
                await self._inner(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on to the inner app."""
        await self._inner(scope, receive, send)

    def done(self, scope: Scope, status: int, began: float) -> None:
        """Counts and logs one request that has ended."""
        path, method = str(scope["path"]), str(scope["method"])
        took_s = self._clock.monotonic() - began
        self._observe(route_kind(path), method, status, took_s)
        level = "debug" if path.startswith(_QUIET) else "info"
        details = scope.get(LOG_DETAILS, {})
        getattr(_log, level)(
            "request",
            method=method,
            path=_shown(path),
            status=status,
            took_s=round(took_s, 3),
            **details,
        )

    def monotonic(self) -> float:
        """The clock's seconds."""
        return self._clock.monotonic()


class _Exchange:
    """One request and what was sent for it so far."""

    def __init__(self, front: Front, scope: Scope, send: Send, request_id: str) -> None:
        self._front = front
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._status = 0

    async def run(self, receive: Receive) -> None:
        began = self._front.monotonic()
        try:
            await self._front.answer(self._scope, receive, self._pass_on)
        except AppError as error:
            await self._fail(error, receive)
        except Exception as error:  # noqa: BLE001 (the last net: whatever it is, the client gets an answer)
            _log.error("unexpected error", exc_info=error)
            await self._fail(problems.our_mistake(), receive)
        finally:
            # 499 as nginx writes it: nothing was sent, as the client had gone.
            self._front.done(self._scope, self._status or 499, began)

    async def _fail(self, error: AppError, receive: Receive) -> None:
        if self._status:
            return  # the answer has begun: only breaking it off tells the client, and uvicorn does
        answer = problems.answer(error, self._request_id)
        await answer(self._scope, receive, self._pass_on)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = _with_headers(
                message.get("headers", []), self._scope, self._request_id
            )
        await self._send(message)


def route_kind(path: str) -> str:
    """A small, fixed set of names for the metrics: `api`, `gateway`, `page`, `health`."""
    if path.startswith("/api/"):
        return "api"
    if path.startswith(("/v1", "/tokenize", "/detokenize", "/rerank", "/score")):
        return "gateway"
    return "health" if path in ("/healthz", "/readyz", "/metrics") else "page"


def _with_headers(headers: Any, scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    """What the route set, and ours where it set nothing of that name."""
    found = [(bytes(name), bytes(value)) for name, value in headers]
    present = {name.lower() for name, _ in found}
    wanted = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
    if scope.get("scheme") == "https":
        wanted.append(HSTS)
    if str(scope["path"]).startswith("/api/"):
        wanted.append((b"cache-control", b"no-store"))
    return found + [pair for pair in wanted if pair[0] not in present]


def _shown(path: str) -> str:
    for start in _CUT_AT:
        if path.startswith(start):
            return start + "…"
    return path[:200]
