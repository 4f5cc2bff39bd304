"""`/healthz`, `/readyz`, `/metrics`: for load balancers and monitoring, without a session."""

from __future__ import annotations

import ipaddress
import json

from underpass.core.clock import Clock
from underpass.core.errors import AppError, NotAllowed, StorageError
from underpass.hub import problems
from underpass.hub.auth import Auth
from underpass.hub.auth.requests import address_of, header
from underpass.hub.http import Receive, Scope, Send
from underpass.hub.metrics import CONTENT_TYPE, Metrics
from underpass.store import Store

PATHS = ("/healthz", "/readyz", "/metrics")
WRITE_CHECK_S = 5.0
"""At most so often `/readyz` really tries a write: anybody may call it."""


class Health:
    """An ASGI callable for the three addresses."""

    def __init__(self, store: Store, auth: Auth, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._auth = auth
        self._metrics = metrics
        self._clock = clock
        self._is_stopping = False
        self._write_fault: StorageError | None = None
        self._checked_at = -WRITE_CHECK_S

    def stop(self) -> None:
        """From now on not ready: a load balancer sends people elsewhere."""
        self._is_stopping = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers GET and HEAD of one of PATHS."""
        if scope["method"] not in ("GET", "HEAD"):
            raise problems.plain(
                405, "method_not_allowed", "This address does not take that method."
            )
        path = scope["path"]
        if path == "/metrics":
            await self._check_may_read(scope)
            await _send(send, scope, 200, CONTENT_TYPE, self._metrics.text())
            return
        status, body = (200, {"status": "ok"}) if path == "/healthz" else await self._ready()
        await _send(send, scope, status, b"application/json", json.dumps(body).encode())

    async def _ready(self) -> tuple[int, dict[str, object]]:
        """503 only when nobody can be served: a hub that cannot write still serves models."""
        if self._is_stopping:
            return 503, {"status": "stopping"}
        try:
            await self._store.check()
        except StorageError as error:
            return 503, {"status": "unavailable", "storage": _said(error)}
        fault = await self._write_state()
        if fault is not None:
            return 200, {"status": "degraded", "storage": _said(fault)}
        return 200, {"status": "ready", "storage": "ok"}

    async def _write_state(self) -> StorageError | None:
        now = self._clock.monotonic()
        if now - self._checked_at >= WRITE_CHECK_S:
            self._checked_at = now
            try:
                await self._store.check_write()
                self._write_fault = None
            except StorageError as error:
                self._write_fault = error
        return self._write_fault

    async def _check_may_read(self, scope: Scope) -> None:
        """The metrics are for an admin's key, or for this machine itself.

        Behind a proxy on this machine everybody comes from loopback: then the headers that a proxy
        adds give it away, and a key is needed.
        """
        forwarded = header(scope, b"x-forwarded-for") or header(scope, b"forwarded")
        if header(scope, b"authorization") is None and forwarded is None and _is_here(scope):
            return
        caller = await self._auth.authenticate(scope)
        if not caller.acts_as_admin:
            raise NotAllowed("The metrics are for admins.", code="admin_only")


def _is_here(scope: Scope) -> bool:
    try:
        return ipaddress.ip_address(address_of(scope)).is_loopback
    except ValueError:
        return False


def _said(error: AppError) -> dict[str, str | None]:
    return {"code": error.code, "detail": error.message, "hint": error.hint}


async def _send(send: Send, scope: Scope, status: int, media_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
