"""What a request reaches the rooms by, and the small dependencies that routers use.

    @router.get("/{session_id}")
    async def show(session_id: str, caller: Reader, services: ServicesDep) -> SessionOut: ...

`Caller` is anybody who is signed in; `Reader`, `SessionsUser`, `Admin` need that scope as well;
`BrowserOnly` takes no key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from underpass.config import HubConfig
from underpass.core.clock import Clock
from underpass.core.errors import NotAllowed
from underpass.core.principal import Principal, Scope
from underpass.hub.auth import Credential
from underpass.store import Store

if TYPE_CHECKING:
    from underpass.chat.files.service import Files
    from underpass.chat.service import Chats
    from underpass.gateway.door import Door
    from underpass.hub.audit import Trail
    from underpass.hub.auth import Auth
    from underpass.hub.links import Links
    from underpass.hub.usage import UsageWriter
    from underpass.providers.service import CustomProviders
    from underpass.registry.feed import Feed
    from underpass.registry.live import Registry
    from underpass.sessions.service import Sessions


@dataclass
class Services:
    """Everything that lives as long as the hub's process; `app.state.services`."""

    config: HubConfig
    clock: Clock
    store: Store
    registry: Registry
    feed: Feed
    auth: Auth
    sessions: Sessions
    providers: CustomProviders
    door: Door
    chats: Chats
    files: Files
    links: Links
    trail: Trail
    usage: UsageWriter
    stopping: asyncio.Event
    """Set when the hub begins to stop: streams that would never end by themselves do so now."""
    leaving: set[str] = field(default_factory=set)
    """Ids of the users who are being removed here."""


def services(request: Request) -> Services:
    """The rooms of this hub."""
    found: Services = request.app.state.services
    return found


async def principal(request: Request) -> Principal:
    """Who calls. Raises NotAuthenticated, NotAllowed (CSRF)."""
    return await services(request).auth.authenticate(request.scope)


async def signed_in(request: Request) -> Credential:
    """What the caller is signed in by. Raises NotAuthenticated, NotAllowed (CSRF)."""
    return await services(request).auth.authenticator.credential(request.scope)


def public_url(request: Request) -> str:
    """The hub's address as this caller should write it, without a slash at the end."""
    set_url = services(request).config.public_url
    return set_url or f"{request.url.scheme}://{request.url.netloc}"


ServicesDep = Annotated[Services, Depends(services)]
Caller = Annotated[Principal, Depends(principal)]
SignedIn = Annotated[Credential, Depends(signed_in)]


def _browser_only(caller: SignedIn) -> Credential:
    """What a key must not do: what comes of it may reach further than the key."""
    if not caller.is_browser:
        raise NotAllowed("Do this in the browser, signed in.", code="browser_only")
    return caller


BrowserOnly = Annotated[Credential, Depends(_browser_only)]
PublicUrl = Annotated[str, Depends(public_url)]


def _reader(caller: Caller) -> Principal:
    caller.require(Scope.READ)
    return caller


def _sessions_user(caller: Caller) -> Principal:
    caller.require(Scope.SESSIONS)
    return caller


def _gateway_user(caller: Caller) -> Principal:
    caller.require(Scope.GATEWAY)
    return caller


def _admin(caller: Caller) -> Principal:
    if not caller.is_admin:
        raise NotAllowed("Only an admin may do this.", code="admin_only")
    caller.require(Scope.ADMIN)
    return caller


Reader = Annotated[Principal, Depends(_reader)]
SessionsUser = Annotated[Principal, Depends(_sessions_user)]
GatewayUser = Annotated[Principal, Depends(_gateway_user)]
Admin = Annotated[Principal, Depends(_admin)]
