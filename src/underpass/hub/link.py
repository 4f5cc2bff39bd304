"""`/link`: where agents connect. An ASGI WebSocket until it is accepted, then an `AgentSocket`.

Everything that can be refused is refused before the upgrade, as an HTTP answer that the agent can
read: a credential that is not good, a version, and more agents at once than the hub lets in (after
a restart all of them come back together).
"""

from __future__ import annotations

from typing import Protocol

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import (
    AppError,
    NotAllowed,
    NotAuthenticated,
    RemoteProtocolError,
)
from underpass.hub import problems
from underpass.hub.agent_socket import AGENT_SOCKET
from underpass.hub.auth.requests import header
from underpass.hub.http import Receive, Scope, Send
from underpass.hub.links import LinkCredential, Links
from underpass.store import ClusterRecord, SessionRecord, Store
from underpass.tunnel.link import CarrierClosed, receive_hello

SUBPROTOCOL = "underpass.v1"
BURST_S = 2.0
"""So many seconds' worth of links may come at once before the next ones have to wait."""
MAX_HANDSHAKES = 500

_log = structlog.get_logger("underpass.link")


class Doorman(Protocol):
    """The part of the room of sessions that knows whose tokens are good."""

    async def admit(self, token: str) -> SessionRecord | ClusterRecord:
        """Whose token it is. Raises NotAuthenticated (`session_token_invalid`), NotAllowed."""


class LinkApp:
    """The endpoint. It authenticates, lets in, and hands the carrier to the table of links."""

    def __init__(
        self,
        doorman: Doorman,
        store: Store,
        links: Links,
        clock: Clock,
        *,
        links_per_s: float,
    ) -> None:
        self._doorman = doorman
        self._store = store
        self._links = links
        self._admission = Admission(clock, links_per_s)
        self._handshakes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one agent's WebSocket, or answers why not."""
        if scope["type"] != "websocket":
            raise problems.plain(
                426, "upgrade_required", "Agents connect here.", "This address takes a WebSocket."
            )
        await receive()  # websocket.connect
        try:
            credential = await self._admit(scope)
        except AppError as error:
            await _refuse(error, scope, send)
            return
        self._handshakes += 1
        try:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            carrier = scope[AGENT_SOCKET].carry()
            hello = await receive_hello(carrier)
        except (CarrierClosed, OSError):
            return
        except (TimeoutError, RemoteProtocolError) as error:
            _log.info("no HELLO", owner=credential.id, error=type(error).__name__)
            await carrier.close(1002, "no HELLO")
            return
        finally:
            self._handshakes -= 1
        await self._links.serve(carrier, hello, credential)

    async def _admit(self, scope: Scope) -> LinkCredential:
        """Raises NotAuthenticated, NotAllowed, TooMany, StorageError, 426, 503."""
        if SUBPROTOCOL not in scope.get("subprotocols", []):
            raise problems.plain(
                426,
                "version_unsupported",
                f"This hub speaks {SUBPROTOCOL}.",
                "Install the same version of Underpass in the session and at the hub.",
            )
        if self._links.is_draining:
            raise _come_back("The hub is stopping.", 2.0)
        self._admission.check()
        if self._handshakes >= MAX_HANDSHAKES:
            raise _come_back("Many agents connect at once.", 2.0)
        value = header(scope, b"authorization") or ""
        kind, _, token = value.partition(" ")
        if kind.lower() != "bearer" or not token.startswith(("ups_", "upc_")):
            raise _not_good()
        found = await self._doorman.admit(token.strip())
        if found.owner_id is not None:
            await self._check_user(found.owner_id)
        return LinkCredential(found.id, found.owner_id, isinstance(found, ClusterRecord))

    async def _check_user(self, user_id: str) -> None:
        user = await self._store.users.find(user_id)
        if user is None or user.is_disabled:
            raise NotAllowed(
                "This session's user is disabled.", code="user_disabled", hint="Ask an admin."
            )


class Admission:
    """Lets `per_s` through each second, and some at once; the rest is told when to come back."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._most = max(1.0, per_s * BURST_S)
        self._left = self._most
        self._at = clock.monotonic()

    def check(self) -> None:
        """Take one place. Raises a 503 with `retry_after_s`."""
        now = self._clock.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            raise _come_back(
                "Many agents connect at once.", max(1.0, (1 - self._left) / self._per_s)
            )
        self._left -= 1


def _not_good() -> NotAuthenticated:
    return NotAuthenticated(
        "This session token is not known to the hub.",
        code="session_token_invalid",
        hint="The session was restarted or removed; run `underpass tunnel` again.",
    )


def _come_back(message: str, after_s: float) -> AppError:
    error = problems.plain(503, "busy", message, "The agent comes back by itself.")
    error.retry_after_s = after_s
    return error


async def _refuse(error: AppError, scope: Scope, send: Send) -> None:
    """An HTTP answer in the place of the upgrade (ASGI's extension for that)."""
    answer = problems.answer(error, problems.request_id_of(scope))
    _log.info("agent refused", code=error.code, status=answer.status_code)
    await send(
        {
            "type": "websocket.http.response.start",
            "status": answer.status_code,
            "headers": answer.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": answer.body})
