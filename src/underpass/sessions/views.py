"""Records → the API's shapes. Pure, but for asking the registry's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from underpass.clusters.messages import capabilities_from_json, capabilities_to_json
from underpass.clusters.template import Param, Template
from underpass.core.states import SessionStatus, TunnelStatus
from underpass.core.times import iso
from underpass.registry.shapes import provider as provider
from underpass.sessions.starting import Progress
from underpass.store import ClusterRecord, SessionEventRecord, SessionRecord, TunnelRecord


def session(
    record: SessionRecord,
    *,
    owner_name: str,
    cluster: dict[str, Any] | None,
    tunnels: Sequence[dict[str, Any]],
    idle_stops_at: float | None = None,
    progress: Progress | None = None,
    via: str | None = None,
) -> dict[str, Any]:
    """A session."""
    is_starting = record.status is SessionStatus.STARTING
    usual_s = record.spec.get("usual_start_s") if is_starting else None
    began_at = record.started_at or record.created_at
    return {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "status_reason": record.status_reason,
        "end_reason": record.end_reason,
        "end_message": record.end_message,
        "attached": record.is_attached,
        "cluster": cluster,
        "template": record.template,
        "host": record.host,
        "owner": {"id": record.owner_id, "name": owner_name},
        "created_at": iso(record.created_at),
        "started_at": iso(record.started_at),
        "running_at": iso(record.running_at),
        "ended_at": iso(record.ended_at),
        "wall_time_ends_at": iso(record.wall_time_ends_at),
        "progress": progress.shape() if progress is not None and is_starting else None,
        "expected_running_at": None if usual_s is None else iso(began_at + usual_s),
        "idle_stops_at": iso(idle_stops_at),
        "via": via,
        "renews": record.spec.get("renews"),
        "renewed_by": record.spec.get("renewed_by"),
        "job_id": record.job_id,
        "job_raw_state": record.job_raw_state,
        "agent_version": record.agent_version,
        "command": record.spec.get("command"),
        "params": _shown_params(record.spec.get("params") or {}),
        "tunnels": list(tunnels),
    }


def timeline(events: Sequence[SessionEventRecord]) -> list[dict[str, Any]]:
    """What happened to a session, oldest first."""
    return [{"at": iso(event.at), "kind": event.kind, "text": event.text} for event in events]


def tunnel(
    record: TunnelRecord, *, owner_name: str, provider_id: str | None, streams: int
) -> dict[str, Any]:
    """A tunnel, for its owner."""
    return {
        "id": record.id,
        "name": record.name,
        "session_id": record.session_id,
        "target": record.target,
        "openai": record.openai,
        "status": record.status,
        "owner": {"id": record.owner_id, "name": owner_name},
        "provider_id": provider_id,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "streams": streams,
        "created_at": iso(record.created_at),
    }


def tunnel_for_admin(record: TunnelRecord, *, owner_name: str) -> dict[str, Any]:
    """What an admin sees of somebody's tunnel: that it exists, whose it is, status and bytes."""
    shown = tunnel(record, owner_name=owner_name, provider_id=None, streams=0)
    return shown | {"name": None, "session_id": None, "target": None, "openai": None}


def session_for_admin(
    record: SessionRecord, *, owner_name: str, cluster: dict[str, Any] | None
) -> dict[str, Any]:
    """What an admin sees of somebody's session: that it exists, whose it is, where, since when."""
    return {
        "id": record.id,
        "owner": {"id": record.owner_id, "name": owner_name},
        "status": record.status,
        "end_reason": record.end_reason,
        "attached": record.is_attached,
        "cluster": cluster,
        "host": record.host,
        "created_at": iso(record.created_at),
        "ended_at": iso(record.ended_at),
        "wall_time_ends_at": iso(record.wall_time_ends_at),
    }


def with_tunnel_status(shape: dict[str, Any], status: TunnelStatus | None) -> dict[str, Any]:
    """The provider's shape with its tunnel's status."""
    if shape["tunnel"] is not None:
        shape["tunnel"]["status"] = status
    return shape


def cluster(record: ClusterRecord, *, owner_name: str | None, is_online: bool) -> dict[str, Any]:
    """A cluster; one without an owner is the hub's own."""
    owner = {"id": record.owner_id, "name": owner_name} if record.owner_id else None
    return {
        "id": record.id,
        "name": record.name,
        "kind": record.kind,
        "host": record.host,
        "status": "online" if is_online else "offline",
        "owner": owner,
        # A machine that has not said yet what it has is shown with nothing, in the same shape.
        "capabilities": capabilities_to_json(capabilities_from_json(record.capabilities)),
        "created_at": iso(record.created_at),
    }


def template(found: Template, *, why_not: str | None) -> dict[str, Any]:
    """A template with what it asks for; `why_not`: why it cannot be used there."""
    return {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "params": [_param(param) for param in found.params],
        "available": why_not is None,
        "unavailable_reason": why_not,
    }


def _param(param: Param) -> dict[str, Any]:
    return {
        "name": param.name,
        "label": param.label,
        "type": param.type,
        "default": param.default,
        "required": param.required,
        "help": param.help,
    }


def _shown_params(params: dict[str, Any]) -> dict[str, Any]:
    """What was chosen; of environment variables the names only, since values may be secrets."""
    if "env" in params:
        return params | {"env": sorted(params["env"])}
    return params
