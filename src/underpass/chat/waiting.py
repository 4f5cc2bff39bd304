"""Why an answer waits, in plain words, and what can be done about it. Pure.

The session knows most (queued, starting, ended and why), then the provider (loading, how far).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from underpass.core.states import SESSION_ENDS, ProviderStatus, SessionStatus
from underpass.registry.views import ProviderView
from underpass.store import SessionEventRecord, SessionRecord

Json = dict[str, Any]

_S = SessionStatus
_P = ProviderStatus


def waiting_out(
    provider: ProviderView,
    session: SessionRecord | None,
    events: Sequence[SessionEventRecord] = (),
    *,
    now: float,
) -> Json:
    """What a message waits for, as the API shows it.

    `code` is stable: `session_queued`, `session_starting`, `session_stopping`, `session_ended`,
    `tunnel_stopped`, `server_starting`, `model_loading`, `unreachable`, `not_connected`.
    `estimate_s` is how long it may still take, from how long it took before; None is unknown.
    """
    code, message = _said(provider, session)
    is_coming = code in ("session_starting", "server_starting", "model_loading")
    return {
        "code": code,
        "message": message,
        "provider_id": provider.id,
        "provider_name": provider.name,
        "session_id": provider.session_id,
        "estimate_s": _left_s(session, events, now) if is_coming else None,
        "can_restart": _can_restart(session),
    }


def _left_s(
    session: SessionRecord | None, events: Sequence[SessionEventRecord], now: float
) -> float | None:
    usual_s = None if session is None else session.spec.get("usual_start_s")
    if session is None or usual_s is None or session.started_at is None:
        return estimate_s(events, now=now)
    left_s = usual_s - (now - session.started_at)
    return round(left_s, 0) if session.status is _S.STARTING and left_s >= 1 else None


def estimate_s(events: Sequence[SessionEventRecord], *, now: float) -> float | None:
    """Seconds until a session that is starting runs, if it takes as long as the last time."""
    began_at: float | None = None
    took_s: float | None = None
    for event in events:
        if event.kind == _S.STARTING:
            began_at = event.at
        elif event.kind == _S.RUNNING and began_at is not None:
            took_s, began_at = event.at - began_at, None
        elif event.kind == "ended":
            began_at = None
    if began_at is None or took_s is None:
        return None
    left_s = took_s - (now - began_at)
    return round(left_s, 0) if left_s >= 1 else None


def _said(provider: ProviderView, session: SessionRecord | None) -> tuple[str, str]:
    if provider.status is _P.STOPPED:
        return _stopped(provider, session)
    name = f"The model server of {provider.name}"
    if provider.status is _P.STARTING:
        return "server_starting", _joined(f"{name} is starting.", provider.status_reason)
    if provider.status is _P.LOADING:
        return "model_loading", _joined(f"{name} is loading its model.", provider.status_reason)
    if provider.status is _P.UNREACHABLE:
        return "unreachable", _joined(f"{name} does not answer.", provider.status_reason)
    return "not_connected", f"The agent of {provider.name} is not connected; it is dialling again."


def _stopped(provider: ProviderView, session: SessionRecord | None) -> tuple[str, str]:
    if session is None or session.status is _S.RUNNING:
        what = f"The tunnel of {provider.name} is stopped."
        return "tunnel_stopped", f"{what} Start it, or restart its session."
    name = f"The session {session.name}"
    if session.status in SESSION_ENDS:
        said = session.end_message or provider.status_reason or "Restart it to use it again."
        return "session_ended", _joined(f"{name} has ended.", said)
    words = {
        _S.QUEUED: ("session_queued", "is queued"),
        _S.STARTING: ("session_starting", "is starting"),
        _S.STOPPING: ("session_stopping", "is stopping"),
    }
    code, does = words[session.status]
    said = _joined(f"{name} {does}.", session.status_reason)
    if session.spec.get("woken"):
        said = f"{name} had stopped because nobody used it; a message woke it. {said}"
    return code, said


def _can_restart(session: SessionRecord | None) -> bool:
    """Whether the hub can start it: not one that an agent opened, nor one whose cluster is gone."""
    if session is None or session.is_attached or session.cluster_id is None:
        return False
    return session.status in SESSION_ENDS


def _joined(what: str, more: str) -> str:
    """Two sentences; the second is left out where it says the same again."""
    more = more.strip()
    return what if not more or more.rstrip(".") in what else f"{what} {more}"
