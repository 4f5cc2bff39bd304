"""What `/v1/models` says, and which models a key may use."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from underpass.core.errors import NotAllowed
from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus
from underpass.core.times import iso
from underpass.registry.live import ModelView, ProviderView, Registry
from underpass.registry.pick import listed_ids, pick


def allows(principal: Principal, provider: ProviderView, model: str) -> bool:
    """Whether the caller's key reaches this model.

    Each entry of the key's list is an id as `/v1/models` shows it, or a pattern: `gpu/*`, `*`.
    """
    if principal.model_allow is None:
        return True
    full = f"{provider.name}/{model}"
    names = (full, f"{provider.owner_name}:{full}")
    return any(
        name == entry or fnmatchcase(name, entry)
        for entry in principal.model_allow
        for name in names
    )


def require_allowed(principal: Principal, provider: ProviderView, model: str) -> None:
    """Raises NotAllowed (`model_not_allowed`) if the caller's key does not reach the model."""
    if not allows(principal, provider, model):
        raise NotAllowed(
            f"This key may not use '{provider.name}/{model}'.",
            hint="Use a key without a list of models, or one whose list has it.",
            code="model_not_allowed",
            param="model",
        )


def listing(registry: Registry, principal: Principal, *, with_stopped: bool) -> dict[str, Any]:
    """The list in OpenAI's shape, with what Anthropic's clients look for beside it."""
    items = [
        _item(full, provider, model)
        for full, provider, model in _visible(registry, principal)
        if with_stopped or provider.status is not ProviderStatus.STOPPED
    ]
    return {
        "object": "list",
        "data": items,
        "has_more": False,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
    }


def one(registry: Registry, principal: Principal, model: str) -> dict[str, Any]:
    """One model by any of its names. Raises ModelNotFound, ModelAmbiguous.

    A stopped or loading one is shown with its status: to look at it is no use of it.
    """
    visible = _visible(registry, principal)
    for full, provider, view in visible:
        if full == model:
            return _item(full, provider, view)
    found = pick(model, registry.providers_visible_to(principal), caller_name=principal.user_name)
    require_allowed(principal, found.provider, found.upstream_model)
    for full, provider, view in visible:
        if provider.id == found.provider.id and view.id == found.upstream_model:
            return _item(full, provider, view)
    return _item(model, found.provider, ModelView(found.upstream_model))


def _visible(
    registry: Registry, principal: Principal
) -> Sequence[tuple[str, ProviderView, ModelView]]:
    providers = registry.providers_visible_to(principal)
    return [
        (full, provider, model)
        for full, provider, model in listed_ids(providers, caller_name=principal.user_name)
        if allows(principal, provider, model.id)
    ]


def _item(full: str, provider: ProviderView, model: ModelView) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": full,
        "object": "model",
        "created": int(provider.updated_at),
        "owned_by": provider.owner_name,
        "status": provider.status.value,
        "max_model_len": model.max_model_len,
        "type": "model",
        "display_name": full,
        "created_at": iso(provider.updated_at),
    }
    if model.modalities is not None:
        item["modalities"] = list(model.modalities)
    return item
