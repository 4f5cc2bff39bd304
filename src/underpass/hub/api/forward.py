"""`/api/tunnels/{id}/connect`: a WebSocket that carries raw bytes to a tunnel's target.

Binary messages are the bytes; an empty one says that its direction has ended. Only the tunnel's
owner gets through, with a key; a tunnel with the OpenAI flag carries nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketDisconnected

from underpass.core.errors import (
    AppError,
    Conflict,
    NotFound,
    TunnelError,
    TunnelStopped,
    UpstreamUnreachable,
)
from underpass.core.ids import new_id
from underpass.core.principal import Principal, Scope
from underpass.hub import problems
from underpass.hub.api.events import is_still_good
from underpass.hub.auth import Credential
from underpass.hub.services import Services
from underpass.store import TunnelRecord
from underpass.tunnel.link import Head, OpenHead, Stream, StreamKind

router = APIRouter(prefix="/tunnels", tags=["tunnels"])

_DONE = 1000
_BROKEN = 1011
_SIGNED_OUT = 1008


@router.websocket("/{tunnel_id}/connect")
async def connect_tunnel(websocket: WebSocket, tunnel_id: str) -> None:
    """Carry one connection. Everything that can be refused is refused before the upgrade."""
    services: Services = websocket.app.state.services
    try:
        caller = await services.auth.authenticator.credential(websocket.scope)
        stream = await _open(services, caller.principal, tunnel_id)
    except AppError as error:
        answer = problems.answer(error, problems.request_id_of(websocket.scope))
        await websocket.send_denial_response(answer)
        return
    try:
        await websocket.accept()
        await _carry(websocket, stream, _until_signed_out(websocket, caller, services))
    finally:
        stream.cancel("client_gone")


async def _open(services: Services, caller: Principal, tunnel_id: str) -> Stream:
    """A stream to the tunnel's target. Raises NotFound to everybody but its owner."""
    caller.require(Scope.SESSIONS)
    tunnel = await services.store.tunnels.find(tunnel_id)
    if tunnel is None or tunnel.owner_id != caller.user_id:
        raise NotFound(f"There is no tunnel '{tunnel_id[:80]}'.")
    if tunnel.openai:
        raise Conflict(
            "This tunnel carries OpenAI requests only.",
            code="route_not_allowed",
            hint="Open a tunnel without --openai to forward its port.",
        )
    link: Any = services.registry.link_of(tunnel_id)
    if link is None:
        raise TunnelStopped(
            f"The tunnel '{tunnel.name}' is stopped.", hint="Restart its session and its tunnel."
        )
    head = OpenHead(StreamKind.RAW, tunnel_id, new_id("req"), "", "", ())
    try:
        stream: Stream = await link.open(head)
    except TunnelError as error:
        raise _unreachable(tunnel) from error
    try:
        answer: Head = await stream.response()
    except BaseException as error:
        stream.cancel("client_gone")
        if isinstance(error, TunnelError):
            raise _unreachable(tunnel) from error
        raise
    if answer.status != 200:
        stream.cancel("refused")
        raise _unreachable(tunnel)
    return stream


async def _carry(
    websocket: WebSocket, stream: Stream, signed_out: Coroutine[Any, Any, None]
) -> None:
    up = asyncio.create_task(_up(websocket, stream))
    down = asyncio.create_task(_down(websocket, stream))
    out = asyncio.create_task(signed_out)
    try:
        # The client's end is not the connection's: it may only have said all that it has to say.
        await asyncio.wait({up, down, out}, return_when=asyncio.FIRST_COMPLETED)
        if down.done() and not down.cancelled():
            is_whole = down.exception() is None
            await websocket.close(_DONE if is_whole else _BROKEN)
        elif out.done():
            await websocket.close(_SIGNED_OUT, "The key is not good any more.")
    except (WebSocketDisconnect, WebSocketDisconnected):
        pass  # the client has gone first, which is what it is to be told
    finally:
        for task in (up, down, out):
            task.cancel()
        await asyncio.gather(up, down, out, return_exceptions=True)


async def _until_signed_out(websocket: WebSocket, caller: Credential, services: Services) -> None:
    """Returns when the key is revoked, or has expired: a connection may live for days."""
    with services.auth.authenticator.watch(caller) as doubt:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(doubt.wait(), services.config.keepalive_s)
            doubt.clear()
            if not await is_still_good(websocket, services):
                return


async def _up(websocket: WebSocket, stream: Stream) -> None:
    """Client → target, until the client has gone."""
    has_ended = False
    while True:
        try:
            data = await websocket.receive_bytes()
        except (WebSocketDisconnect, KeyError):
            return  # gone, or it sent text
        if data and not has_ended:
            await stream.write(data)
        elif not has_ended:
            has_ended = True
            await stream.write_end()


async def _down(websocket: WebSocket, stream: Stream) -> None:
    """Target → client, until the target has said all."""
    while chunk := await stream.read():
        await websocket.send_bytes(chunk)
    await websocket.send_bytes(b"")


def _unreachable(tunnel: TunnelRecord) -> UpstreamUnreachable:
    return UpstreamUnreachable(
        f"Nothing answers on {tunnel.target} in the session.",
        hint="Start what should listen there, and try again.",
    )
