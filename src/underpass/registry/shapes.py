"""Pictures → the API's shapes."""

from __future__ import annotations

from typing import Any

from underpass.core.times import iso
from underpass.registry.views import ProviderView


def provider(
    view: ProviderView, *, session_status: str | None = None, prefix: str | None = None
) -> dict[str, Any]:
    """A provider with its models. `prefix`: what its models' ids begin with for this caller."""
    has_session = view.session_id is not None
    return {
        "id": view.id,
        "name": view.name,
        "type": view.type,
        "owner": {"id": view.owner_id, "name": view.owner_name},
        "status": view.status,
        "status_reason": view.status_reason,
        "models": [
            {
                "id": f"{prefix or view.name}/{model.id}",
                "name": model.id,
                "max_model_len": model.max_model_len,
                "modalities": None if model.modalities is None else list(model.modalities),
            }
            for model in view.models
        ],
        "server": {"kind": view.server_kind, "version": view.server_version}
        if view.server_kind
        else None,
        "description": view.description,
        "endpoint": None,
        "shareable": view.is_shareable,
        "session": {
            "id": view.session_id,
            "name": view.session_name,
            "status": session_status,
            "host": view.host,
            "cluster": view.cluster,
            "gpus": list(view.gpus),
            "wall_time_ends_at": iso(view.wall_time_ends_at),
        }
        if has_session
        else None,
        "tunnel": {"id": view.tunnel_id, "status": None, "target": view.target}
        if view.tunnel_id
        else None,
        "updated_at": iso(view.updated_at),
    }
