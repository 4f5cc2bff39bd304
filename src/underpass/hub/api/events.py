"""`/api/events`: what changes for the caller, pushed: a snapshot, then each change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse

from underpass.core.errors import NotAllowed, NotAuthenticated
from underpass.core.principal import Principal, Scope
from underpass.hub.api.providers import visible
from underpass.hub.auth import Credential
from underpass.hub.services import Services, ServicesDep, SignedIn
from underpass.registry.feed import FeedEvent, Watcher

router = APIRouter(prefix="/events", tags=["events"])

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
KEEPALIVE = ": keepalive\n\n"


@router.get("", response_class=StreamingResponse)
async def events(request: Request, caller: SignedIn, services: ServicesDep) -> StreamingResponse:
    """Server-sent events: `snapshot`, then `session`, `tunnel`, `provider`, `cluster`, `chat`, `run`,
    `message`.

    The data of a change is `{"op": "upsert" | "delete", "item": {…}}`; the item of a `message` is
    `{"chat_id", "message"}`, or `{"chat_id", "removed": [ids]}` where some were deleted. Chats are
    not in the snapshot: one that was read before its `position` (`feed_position` of the chat is
    less) may lack a change that the stream does not tell either. A reader that was too slow gets a
    new `snapshot`. `end` says that the sign-in is over or the hub stops.
    """
    caller.principal.require(Scope.READ)
    return StreamingResponse(
        _stream(request, caller, services), media_type="text/event-stream", headers=HEADERS
    )


async def _stream(request: Request, caller: Credential, services: Services) -> AsyncIterator[str]:
    user_id = caller.principal.user_id
    # Watched before the snapshot is taken: a change in between is seen twice and never missed.
    with (
        services.feed.watch(user_id) as watcher,
        services.auth.authenticator.watch(caller) as doubt,
    ):
        position = services.feed.position(user_id)
        yield _event("snapshot", await _of(services, caller.principal, position))
        while True:
            change = await _next(watcher, doubt, services)
            if services.stopping.is_set():
                yield _event("end", {"reason": "hub_stopping"})
                return
            if change is None:
                doubt.clear()
                if not await is_still_good(request, services):
                    yield _event("end", {"reason": "signed_out"})
                    return
                yield KEEPALIVE
            elif change.op == "resync":
                # Looked up anew: the change may be one of the caller's groups.
                snapshot = await _snapshot(request, caller, services, change.seq)
                yield _event("snapshot", snapshot)
            else:
                yield _event(change.kind, {"op": change.op, "item": change.item})


async def _snapshot(
    request: Request, caller: Credential, services: Services, position: int
) -> object:
    try:
        principal = await services.auth.authenticate(request.scope)
    except (NotAuthenticated, NotAllowed):
        principal = caller.principal  # the doubt that comes with it ends the stream
    return await _of(services, principal, position)


async def _of(services: Services, caller: Principal, position: int) -> dict[str, object]:
    """Everything that the feed carries from `position` on, but chats."""
    snapshot = await services.sessions.snapshot(caller)
    return snapshot | {"providers": await visible(services, caller), "position": position}


async def _next(watcher: Watcher, doubt: asyncio.Event, services: Services) -> FeedEvent | None:
    """The next change; None after a silence, or when the sign-in has to be looked at again."""
    waits = {
        asyncio.ensure_future(watcher.__anext__()),
        asyncio.ensure_future(doubt.wait()),
        asyncio.ensure_future(services.stopping.wait()),
    }
    try:
        done, _ = await asyncio.wait(
            waits, timeout=services.config.keepalive_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            result = task.result()
            if isinstance(result, FeedEvent):
                return result
        return None
    finally:
        for task in waits:
            task.cancel()


async def is_still_good(request: HTTPConnection, services: Services) -> bool:
    """Whether what a long answer was authenticated by would be let in again."""
    try:
        await services.auth.authenticate(request.scope)
    except (NotAuthenticated, NotAllowed):
        return False
    return True


def _event(kind: str, data: object) -> str:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
