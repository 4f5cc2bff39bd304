"""Principals and provider views to test with: short to write, complete."""

from __future__ import annotations

from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus
from underpass.registry.live import ModelView, ProviderType, ProviderView

ANN = Principal("usr_ann", "ann")
BOB = Principal("usr_bob", "bob")


def tunnel(
    name: str,
    *models: str,
    owner: Principal = ANN,
    status: str = "running",
    reason: str = "",
) -> ProviderView:
    """A provider of a tunnel, with tunnel, session, host and target."""
    return ProviderView(
        id=f"prv_{owner.user_name}_{name}",
        name=name,
        type=ProviderType.TUNNEL,
        owner_id=owner.user_id,
        owner_name=owner.user_name,
        status=ProviderStatus(status),
        status_reason=reason,
        models=tuple(ModelView(model, max_model_len=4096) for model in models),
        tunnel_id=f"tun_{owner.user_name}_{name}",
        session_id=f"ses_{name}",
        session_name=name,
        host="node7",
        target="127.0.0.1:8000",
        updated_at=1_700_000_000.0,
    )


def custom(name: str, *models: str, owner: Principal = ANN, everyone: bool = False) -> ProviderView:
    """A provider that somebody added by hand."""
    return ProviderView(
        id=f"prv_{owner.user_name}_{name}",
        name=name,
        type=ProviderType.CUSTOM,
        owner_id=owner.user_id,
        owner_name=owner.user_name,
        status=ProviderStatus.RUNNING,
        models=tuple(ModelView(model) for model in models),
        shared_with_everyone=everyone,
    )
