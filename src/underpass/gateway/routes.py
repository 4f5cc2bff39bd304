"""The ASGI app of `/v1` (and the few routes that model servers keep outside it).

Thin: which route, who calls, then the door and the relay; every error in OpenAI's shape.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote

from underpass.core.errors import AppError
from underpass.core.ids import new_id
from underpass.core.principal import Principal, Scope
from underpass.core.routes import match
from underpass.gateway import errors, models
from underpass.gateway.client import Client, Receive
from underpass.gateway.door import Door, DoorRequest, route_not_found
from underpass.gateway.relay import BODY_SINK, Relay, Send

Authenticate = Callable[[MutableMapping[str, Any]], Awaitable[Principal]]
"""Finds the caller of an ASGI scope; raises NotAuthenticated or NotAllowed."""

LOG_DETAILS = "underpass.log_details"
"""Where an ASGI scope keeps what its request's log line says besides: ids and names of ours."""

logger = logging.getLogger(__name__)

_MODELS = "/v1/models"


class GatewayApp:
    """A plain ASGI callable: give it every request whose path `serves` says yes to."""

    def __init__(self, door: Door, authenticate: Authenticate) -> None:
        self._door = door
        self._authenticate = authenticate

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is the gateway's to answer, be it with a 404."""
        return (
            path == "/v1"
            or path.startswith("/v1/")
            or path in ("/tokenize", "/detokenize", "/rerank", "/score")
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        request_id = _request_id(scope)
        body = scope.get(BODY_SINK)
        relay = Relay(send, request_id, self._door.limits.keepalive_s, body)
        try:
            await self._answer(scope, receive, send, relay, request_id)
        except AppError as error:
            await _reply(
                send,
                scope["method"],
                error.http_status,
                errors.body(error, scope["path"]),
                errors.headers(error, request_id),
            )
        except Exception:
            # The one place that may not let anything through: what is left is our own bug.
            logger.exception("%s failed inside the gateway", request_id)
            if relay.has_begun:
                return
            bug = AppError("The hub failed on this request.", hint="Tell the hub's admin.")
            pairs = errors.headers(bug, request_id)
            await _reply(send, scope["method"], 500, errors.body(bug, ""), pairs)

    async def _answer(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        relay: Relay,
        request_id: str,
    ) -> None:
        method, path = scope["method"], _raw_path(scope)
        if method == "OPTIONS" and (allowed := _methods_of(path)):
            # No CORS headers: a web page of another origin has no business with a model here.
            await _reply(send, method, 204, b"", [(b"allow", ", ".join(allowed).encode())])
            return
        is_listing = path == _MODELS or path.startswith(f"{_MODELS}/")
        if not (is_listing and method in ("GET", "HEAD")) and match(method, path) is None:
            raise route_not_found(path)
        principal = await self._authenticate(scope)
        principal.require(Scope.GATEWAY)
        if is_listing:
            document = self._models(principal, path, scope.get("query_string", b""))
            pairs = [
                (b"content-type", b"application/json"),
                (b"x-request-id", request_id.encode()),
            ]
            await _reply(send, method, 200, json.dumps(document).encode(), pairs)
            return
        await self._relay(scope, receive, relay, principal, request_id)

    def _models(self, principal: Principal, path: str, query: bytes) -> dict[str, Any]:
        if path == _MODELS:
            wanted = parse_qs(query.decode("latin-1")).get("all", [""])[-1].lower()
            return models.listing(
                self._door.registry, principal, with_stopped=wanted in ("true", "1")
            )
        # Clients write an id's `/` as it is or as %2F; this route ends here, so both are safe.
        return models.one(self._door.registry, principal, unquote(path[len(_MODELS) + 1 :]))

    async def _relay(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        relay: Relay,
        principal: Principal,
        request_id: str,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        # Cancelling this task is how a client that goes away ends everything, in every phase.
        client = Client(receive, task.cancel)
        watcher = asyncio.create_task(client.watch())
        query = scope.get("query_string", b"").decode("latin-1")
        path = _raw_path(scope)
        try:
            call = await self._door.prepare(
                principal,
                DoorRequest(
                    method=scope["method"],
                    path=f"{path}?{query}" if query else path,
                    headers=tuple(
                        (name.decode("latin-1"), value.decode("latin-1"))
                        for name, value in scope["headers"]
                    ),
                    body=client,
                    request_id=request_id,
                ),
            )
            # For the one line that the hub writes about a request.
            scope[LOG_DETAILS] = {"route": call.route_name, "provider": call.provider.id}
            try:
                await relay.run(call)
            finally:
                call.close()
        except asyncio.CancelledError:
            if not client.is_gone:
                raise
            task.uncancel()
        finally:
            watcher.cancel()


def _request_id(scope: MutableMapping[str, Any]) -> str:
    """The id that the hub's outermost app gave this request, or a new one where there is none."""
    return str(scope.get("underpass.request_id") or new_id("req"))


def _raw_path(scope: MutableMapping[str, Any]) -> str:
    """The path as it stands on the wire: an escape must not be taken for what it decodes to."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if raw else str(scope["path"])


def _methods_of(path: str) -> list[str]:
    found = [method for method in ("GET", "POST") if match(method, path)]
    return [*(["HEAD"] if path.startswith(_MODELS) else []), *found, "OPTIONS"] if found else []


async def _reply(
    send: Send, method: str, status: int, body: bytes, pairs: list[tuple[bytes, bytes]]
) -> None:
    pairs = [*pairs, (b"content-length", str(len(body)).encode())] if status != 204 else pairs
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
