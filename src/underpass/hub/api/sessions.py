"""`/api/sessions`: compute that one asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from underpass.core.errors import InvalidRequest
from underpass.core.principal import Scope
from underpass.core.times import iso
from underpass.hub.api.events import is_still_good
from underpass.hub.api.session_shapes import (
    AttachedOut,
    DirectOut,
    GpuUseOut,
    LogLineOut,
    MetricsOut,
    PointOut,
    ScriptOut,
    SessionOut,
)
from underpass.hub.api.shapes import After, In, Limit, ListOf
from underpass.hub.auth import Credential
from underpass.hub.services import Reader, Services, ServicesDep, SessionsUser, SignedIn
from underpass.store import SessionLogLine

router = APIRouter(prefix="/sessions", tags=["sessions"])

SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


LOOK_S = 1.0
"""How often a follower of a silent log looks whether the session has ended."""


class DirectIn(In):
    """Where its user submits the job: the kind of scheduler and the machine's name."""

    kind: str = Field(max_length=20)
    host: str = Field(min_length=1, max_length=255)


class SubmittedIn(In):
    """What came of the submit: the job's id, or the words of the refusal."""

    job_id: str | None = Field(None, pattern=r"^[0-9][A-Za-z0-9_.\[\]-]{0,99}$")
    rejected: str | None = Field(None, max_length=1000)


class SessionIn(In):
    """Either a template with its `params`, or `attach` for an agent that is run by hand.

    With `direct` the hub submits nothing: the caller does, on a login node.
    """

    template: str | None = Field(None, max_length=60)
    name: str | None = Field(None, max_length=63)
    cluster: str | None = Field(None, max_length=80)
    params: dict[str, Any] = Field(default_factory=dict)
    openai: bool = True
    attach: bool = False
    host: str | None = Field(None, max_length=255)
    replace: bool = False
    direct: DirectIn | None = None


@router.get("")
async def list_sessions(
    caller: Reader, services: ServicesDep, after: After = None, limit: Limit = 100
) -> ListOf[SessionOut]:
    """My sessions, newest first."""
    items, cursor = await services.sessions.list_sessions(caller, after=after, limit=limit)
    return ListOf(items=[SessionOut(**item) for item in items], next=cursor)


@router.post(
    "",
    status_code=202,
    responses={
        201: {
            "model": AttachedOut | DirectOut,
            "description": "An attached session and its token, or a direct one and its order.",
        }
    },
)
async def create_session(
    body: SessionIn, response: Response, caller: SessionsUser, services: ServicesDep
) -> SessionOut | AttachedOut | DirectOut:
    """Ask for a session (202), attach an agent that is run by hand (201, with its token), or submit
    its job oneself (201, with its order)."""
    sessions = services.sessions
    if body.attach:
        if not body.host:
            raise InvalidRequest("`attach` needs `host`, the machine's name.", param="host")
        record, token = await sessions.attach(
            caller, name=body.name, host=body.host, replace=body.replace
        )
        response.status_code = 201
        shape = await sessions.shape(record)
        await services.trail.note("session.attach", actor_id=caller.user_id, subject=record.id)
        return AttachedOut(session=SessionOut(**shape), token=token)
    if body.template is None:
        raise InvalidRequest("Name a `template`; GET /api/templates lists them.", param="template")
    asked: dict[str, Any] = {
        "template": body.template,
        "params": body.params,
        "name": body.name,
        "openai": body.openai,
    }
    order: dict[str, Any] | None = None
    if body.direct is not None:
        there = body.direct
        record, order = await sessions.direct.start(
            caller, kind=there.kind, host=there.host, **asked
        )
        response.status_code = 201
    else:
        record = await sessions.start(caller, cluster=body.cluster, **asked)
    await services.trail.note(
        "session.start", actor_id=caller.user_id, subject=record.id, template=body.template
    )
    shown = SessionOut(**await sessions.shape(record))
    return shown if order is None else DirectOut(session=shown, order=order)


@router.post("/{session_id}/submitted")
async def session_submitted(
    session_id: str, body: SubmittedIn, caller: SessionsUser, services: ServicesDep
) -> SessionOut:
    """What came of the submit of a `direct` session."""
    record = await services.sessions.direct.submitted(
        caller, session_id, job_id=body.job_id, rejected=body.rejected
    )
    return SessionOut(**await services.sessions.shape(record))


@router.post("/script")
async def preview_session(
    body: SessionIn, caller: SessionsUser, services: ServicesDep
) -> ScriptOut:
    """The exact script that the same request would submit. Nothing is started."""
    if body.template is None:
        raise InvalidRequest("Name a `template`; GET /api/templates lists them.", param="template")
    script = await services.sessions.preview(
        caller,
        template=body.template,
        params=body.params,
        name=body.name,
        cluster=body.cluster,
        openai=body.openai,
    )
    return ScriptOut(script=script)


@router.get("/{session_id}/script")
async def session_script(session_id: str, caller: Reader, services: ServicesDep) -> ScriptOut:
    """The script of its present or last launch, as its cluster keeps it."""
    return ScriptOut(script=await services.sessions.script(caller, session_id))


@router.get("/{session_id}")
async def show_session(session_id: str, caller: Reader, services: ServicesDep) -> SessionOut:
    """One session, with its timeline."""
    return SessionOut(**await services.sessions.show(caller, session_id))


@router.get("/{session_id}/metrics")
async def session_metrics(session_id: str, caller: Reader, services: ServicesDep) -> MetricsOut:
    """How busy it is and was: tokens per second, requests, GPU use and memory, for charts.

    A new point comes about every 15 seconds. Empty where neither a driver nor the server tells.
    """
    gauges = await services.sessions.gauges(caller, session_id)
    return MetricsOut(
        gpus=[GpuUseOut(**gpu) for gpu in gauges.gpus],
        points=[PointOut(**point) for point in gauges.points()],
    )


@router.post("/{session_id}/stop", status_code=202)
async def stop_session(session_id: str, caller: SessionsUser, services: ServicesDep) -> SessionOut:
    """Ask it to end. One that has ended stays as it is."""
    record = await services.sessions.stop(caller, session_id)
    await services.trail.note("session.stop", actor_id=caller.user_id, subject=session_id)
    return SessionOut(**await services.sessions.shape(record))


@router.post("/{session_id}/restart", status_code=202)
async def restart_session(
    session_id: str, caller: SessionsUser, services: ServicesDep
) -> SessionOut:
    """Start it anew, with the same tunnels and providers; a live one ends first."""
    record = await services.sessions.restart(caller, session_id)
    await services.trail.note("session.restart", actor_id=caller.user_id, subject=session_id)
    return SessionOut(**await services.sessions.shape(record))


@router.post("/{session_id}/renew", status_code=202)
async def renew_session(session_id: str, caller: SessionsUser, services: ServicesDep) -> SessionOut:
    """Ask for a successor, which is the answer; it takes over name, tunnels and provider when its
    model answers, and drops no stream."""
    record = await services.sessions.renew(caller, session_id)
    await services.trail.note("session.renew", actor_id=caller.user_id, subject=session_id)
    return SessionOut(**await services.sessions.shape(record))


@router.post("/{session_id}/keep")
async def keep_session(session_id: str, caller: SessionsUser, services: ServicesDep) -> SessionOut:
    """Do not stop it for being unused just now: its time for that begins anew."""
    record = await services.sessions.keep(caller, session_id)
    return SessionOut(**await services.sessions.shape(record))


@router.delete("/{session_id}", status_code=204)
async def remove_session(session_id: str, caller: SessionsUser, services: ServicesDep) -> Response:
    """Forget an ended session with its tunnels, providers and log."""
    await services.sessions.remove(caller, session_id)
    await services.trail.note("session.remove", actor_id=caller.user_id, subject=session_id)
    return Response(status_code=204)


@router.get(
    "/{session_id}/logs",
    responses={200: {"content": {"text/event-stream": {}}, "description": "Lines, or a stream."}},
)
async def session_logs(
    session_id: str,
    request: Request,
    caller: SignedIn,
    services: ServicesDep,
    tail: Annotated[int, Query(ge=1, le=5000, description="The last lines.")] = 200,
    follow: Annotated[
        bool, Query(description="Go on with new lines (server-sent events).")
    ] = False,
) -> ListOf[LogLineOut]:
    """The last lines of its log; with `follow=true` and `Accept: text/event-stream` also the next.

    `Last-Event-ID` goes on after a line instead.
    """
    caller.principal.require(Scope.READ)
    lines = await services.sessions.logs(caller.principal, session_id, tail=tail)
    if follow and "text/event-stream" in request.headers.get("accept", ""):
        return _stream_logs(services, request, caller, session_id, lines)  # type: ignore[return-value]
    return ListOf(items=[_line(line) for line in lines])


def _stream_logs(
    services: Services,
    request: Request,
    caller: Credential,
    session_id: str,
    lines: tuple[SessionLogLine, ...],
) -> StreamingResponse:
    last_id = request.headers.get("last-event-id", "")
    first = lines
    after = lines[-1].seq if lines else 0
    if last_id.isdigit():
        first, after = (), int(last_id)

    async def stream() -> AsyncIterator[str]:
        for line in first:
            yield _event(line)
        follower = await services.sessions.follow(caller.principal, session_id, after=after)
        # One wait at a time: a keep-alive must not cancel the follower's own.
        waiting = asyncio.ensure_future(anext(follower))
        try:
            with services.auth.authenticator.watch(caller) as doubt:
                silent_s = 0.0
                while not services.stopping.is_set():
                    done, _ = await asyncio.wait({waiting}, timeout=LOOK_S)
                    if doubt.is_set() or silent_s >= services.config.keepalive_s:
                        doubt.clear()
                        if not await is_still_good(request, services):
                            return  # without `end`: whoever signs in again goes on
                    if done:
                        silent_s = 0.0
                        yield _event(waiting.result())
                        waiting = asyncio.ensure_future(anext(follower))
                        continue
                    if await services.sessions.is_over(session_id):
                        break
                    if silent_s >= services.config.keepalive_s:
                        silent_s = 0.0
                        yield ": keepalive\n\n"
                    silent_s += LOOK_S
            yield "event: end\ndata: {}\n\n"
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    return StreamingResponse(stream(), media_type="text/event-stream", headers=SSE_HEADERS)


def _line(line: SessionLogLine) -> LogLineOut:
    return LogLineOut(t=iso(line.at), source=line.source, text=line.text, seq=line.seq)


def _event(line: SessionLogLine) -> str:
    data = json.dumps(_line(line).model_dump(), separators=(",", ":"))
    return f"id: {line.seq}\nevent: line\ndata: {data}\n\n"
