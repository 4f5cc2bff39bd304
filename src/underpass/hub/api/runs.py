"""`/api/runs`: generations, to be watched and stopped by their owner."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from underpass.chat.log import LogEvent
from underpass.chat.shapes import run_out
from underpass.core.principal import Scope
from underpass.hub.api.chat_shapes import ErrorOut
from underpass.hub.api.events import HEADERS, KEEPALIVE, is_still_good
from underpass.hub.api.shapes import In
from underpass.hub.auth import Credential
from underpass.hub.services import Reader, Services, ServicesDep, SessionsUser, SignedIn

router = APIRouter(prefix="/runs", tags=["runs"])


class RunOut(BaseModel):
    """A run: one generation, owned by the hub. What it says is in its message."""

    id: str
    chat_id: str
    message_id: str
    model: str
    status: str
    error: ErrorOut | None
    started_at: str | None
    ended_at: str | None


@router.get("/{run_id}")
async def show_run(run_id: str, caller: Reader, services: ServicesDep) -> RunOut:
    """One of my runs."""
    return RunOut.model_validate(run_out(await services.chats.runs.get(caller, run_id)))


@router.post("/{run_id}/stop", status_code=202)
async def stop_run(run_id: str, caller: SessionsUser, services: ServicesDep) -> RunOut:
    """Stop a run: what came is kept, and the model server is told at once."""
    return RunOut.model_validate(run_out(await services.chats.runs.stop(caller, run_id)))


class MoveIn(In):
    """The model that is to answer instead."""

    model: str = Field(min_length=1, max_length=500)


@router.post("/{run_id}/move", status_code=202)
async def move_run(
    run_id: str, body: MoveIn, caller: SessionsUser, services: ServicesDep
) -> RunOut:
    """Let a run that waits ask another model instead."""
    caller.require(Scope.GATEWAY)
    moved = await services.chats.runs.move(caller, run_id, body.model)
    return RunOut.model_validate(run_out(moved))


@router.get("/{run_id}/events", response_class=StreamingResponse)
async def watch_run(
    run_id: str,
    request: Request,
    caller: SignedIn,
    services: ServicesDep,
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[str | None, Query(description="As Last-Event-ID.")] = None,
    every_ms: Annotated[int, Query(ge=0, le=1000, description="Gather text this long.")] = 0,
) -> StreamingResponse:
    """Server-sent events of a run: `status`, `delta`, and last `end` with the whole message.

    An event's id is a position in what the run says. `Last-Event-ID` or `?after=` gives what comes
    behind it, with nothing missing or doubled. A stream that closes without `end` (the hub stops,
    the sign-in is over) is to be opened again. With `?every_ms=` a delta comes that often at most.
    """
    caller.principal.require(Scope.READ)
    events = await services.chats.runs.watch(
        caller.principal,
        run_id,
        _position(last_event_id if last_event_id is not None else after),
        every_s=every_ms / 1000,
        keepalive_s=services.config.keepalive_s,
    )
    return StreamingResponse(
        _stream(events, request, caller, services), media_type="text/event-stream", headers=HEADERS
    )


async def _stream(
    events: AsyncGenerator[LogEvent, None],
    request: Request,
    caller: Credential,
    services: Services,
) -> AsyncIterator[bytes]:
    with services.auth.authenticator.watch(caller) as doubt:
        async with aclosing(events):
            async for event in events:
                if doubt.is_set() or event.name == "keepalive":
                    doubt.clear()
                    if not await is_still_good(request, services):
                        return  # the run goes on: whoever signs in again finds it
                yield encode(event)


def encode(event: LogEvent) -> bytes:
    """One event as it goes over the wire."""
    if event.name == "keepalive":
        return KEEPALIVE.encode()
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.position}\nevent: {event.name}\ndata: {data}\n\n".encode()


def _position(text: str | None) -> int:
    """A position that was given back to us; from the start for anything else."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else 0
