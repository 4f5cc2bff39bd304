"""The model name of a request → one provider. Pure: decides, and does nothing.

A name can be read in three ways, and ids of models may hold `/` and `:` themselves, so all
readings are tried against what the caller may see:

1. `PROVIDER/MODEL`: what the lists say. If two owners have a provider of that name, the
   caller's own is meant.
2. `OWNER:PROVIDER/MODEL`.
3. `MODEL` alone, wherever it is.

A qualified reading of a model that is listed wins over a bare one, because it is what the lists
show; last comes a qualified one of a model that its provider may have once it is up. Then only the
best status counts: running, else unreachable, else loading or starting, else stopped. So a
stopped provider never makes a name ambiguous; it only decides what the error says.

An unreachable provider is picked and tried: its agent answers at once when the server still
refuses, and says why, which is fresher than our last news; and the first request after the
server came back succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from underpass.core.errors import ModelAmbiguous, ModelLoading, ModelNotFound, TunnelStopped
from underpass.core.names import close_matches
from underpass.core.states import ProviderStatus
from underpass.registry.views import ModelView, ProviderView

LOADING_RETRY_AFTER_S = 5.0
MAX_NAMED = 5
"""How many close names or candidates an error lists."""

_RANK = {
    ProviderStatus.RUNNING: 0,
    ProviderStatus.UNREACHABLE: 1,
    ProviderStatus.LOADING: 2,
    ProviderStatus.STARTING: 2,
    ProviderStatus.STOPPED: 3,
}


@dataclass(frozen=True, slots=True)
class Pick:
    """Where a request goes, and what the model is called there."""

    provider: ProviderView
    upstream_model: str


def pick(model: str, providers: Sequence[ProviderView], *, caller_name: str) -> Pick:
    """The provider and upstream name that `model` means for this caller.

    `providers` are those that the caller may see. Raises ModelNotFound (close names),
    ModelAmbiguous (candidates), TunnelStopped or ModelLoading (by status).
    """
    return _decided(model, _best(model, providers, caller_name), providers, caller_name)


def pick_listed(model: str, providers: Sequence[ProviderView], *, caller_name: str) -> Pick | None:
    """As `pick`, where one of `providers` lists `model` under its full id; else None.

    `providers` are those of the name that `provider_name` reads: no other reading could win, so
    that whoever has hundreds of others need not have them looked at for each call.
    """
    found = _listed(model, _qualified(model, providers), caller_name)
    return _decided(model, _of_best_status(found), providers, caller_name) if found else None


def provider_name(model: str) -> str | None:
    """The provider's name in a full id; None where `model` cannot be one."""
    head, _, rest = model.partition("/")
    return head.rpartition(":")[2] if rest else None


def find(model: str, providers: Sequence[ProviderView], *, caller_name: str) -> Pick:
    """As `pick`, whether or not the provider can answer by now: where a request would go.

    Raises ModelNotFound, ModelAmbiguous.
    """
    best = _best(model, providers, caller_name)
    if len(best) > 1:
        raise _ambiguous(model, best, providers, caller_name)
    return best[0]


def check_ready(one: Pick) -> None:
    """Raises TunnelStopped or ModelLoading when the provider cannot take a request by now."""
    if not _is_ready(one.provider):
        raise _not_ready(one.upstream_model, [one.provider])


def listed_ids(
    providers: Sequence[ProviderView], *, caller_name: str
) -> list[tuple[str, ProviderView, ModelView]]:
    """Every model with the id that the lists show: each one, given back to `pick`, means itself."""
    return [
        (f"{prefix}/{model.id}", view, model)
        for view, prefix in prefixes(providers, caller_name)
        for model in view.models
    ]


def prefixes(providers: Sequence[ProviderView], caller_name: str) -> list[tuple[ProviderView, str]]:
    """Each provider with what stands before the `/` in its models' listed ids."""
    owners_by_name: dict[str, set[str]] = {}
    for view in providers:
        owners_by_name.setdefault(view.name, set()).add(view.owner_name)
    return [
        (
            view,
            view.name
            if view.owner_name == caller_name or len(owners_by_name[view.name]) == 1
            else f"{view.owner_name}:{view.name}",
        )
        for view in providers
    ]


# --- the three readings ----------------------------------------------------------------------


def _best(model: str, providers: Sequence[ProviderView], caller_name: str) -> list[Pick]:
    """All that `model` may mean, of the best status there is; raises ModelNotFound."""
    qualified = _qualified(model, providers)
    found = (
        _listed(model, qualified, caller_name)
        or [Pick(view, model) for view in providers if _lists(Pick(view, model))]
        or _own_first([one for one in qualified if _may_have(one)], model, caller_name)
    )
    if not found:
        raise _not_found(model, providers, caller_name)
    return _of_best_status(found)


def _of_best_status(found: Sequence[Pick]) -> list[Pick]:
    best_rank = min(_RANK[one.provider.status] for one in found)
    return [one for one in found if _RANK[one.provider.status] == best_rank]


def _decided(
    model: str, best: list[Pick], providers: Sequence[ProviderView], caller_name: str
) -> Pick:
    if not _is_ready(best[0].provider):
        raise _not_ready(model, [one.provider for one in best])
    if len(best) > 1:
        raise _ambiguous(model, best, providers, caller_name)
    return best[0]


def _listed(model: str, qualified: Sequence[Pick], caller_name: str) -> list[Pick]:
    return _own_first([one for one in qualified if _lists(one)], model, caller_name)


def _qualified(model: str, providers: Iterable[ProviderView]) -> list[Pick]:
    return [
        Pick(view, model[len(prefix) :])
        for view in providers
        for prefix in (f"{view.name}/", f"{view.owner_name}:{view.name}/")
        if model.startswith(prefix) and len(model) > len(prefix)
    ]


def _own_first(found: list[Pick], model: str, caller_name: str) -> list[Pick]:
    """The caller's own, unless `model` spells the owner out or none of them is the caller's."""
    own = [
        one
        for one in found
        if one.provider.owner_name == caller_name
        or model.startswith(f"{one.provider.owner_name}:{one.provider.name}/")
    ]
    return own or found


def _is_ready(view: ProviderView) -> bool:
    return view.status in (ProviderStatus.RUNNING, ProviderStatus.UNREACHABLE)


def _lists(one: Pick) -> bool:
    return any(model.id == one.upstream_model for model in one.provider.models)


def _may_have(one: Pick) -> bool:
    """Whether the model may be there without being listed: not up yet, or it lists none at all."""
    view = one.provider
    return view.offers(one.upstream_model) and not (_is_ready(view) and view.models)


# --- the errors ------------------------------------------------------------------------------


def _not_found(model: str, providers: Sequence[ProviderView], caller_name: str) -> ModelNotFound:
    listed = listed_ids(providers, caller_name=caller_name)
    # A person may have mistyped either form; the answer is always the full id.
    full_by_spelling = {one.id: full for full, _, one in reversed(listed)}
    full_by_spelling |= {full: full for full, _, _ in listed}
    close = list(
        dict.fromkeys(
            full_by_spelling[spelling]
            for spelling in close_matches(model, full_by_spelling, limit=MAX_NAMED)
        )
    )
    if close:
        hint = f"Did you mean {_either(close)}?"
    elif listed:
        hint = "GET /v1/models lists the models that you can use."
    else:
        hint = "You have no models yet: start a session with a model server and open its tunnel."
    return ModelNotFound(
        f"There is no model '{_short(model)}'.", hint=hint, candidates=close, param="model"
    )


def _ambiguous(
    model: str, found: list[Pick], providers: Sequence[ProviderView], caller_name: str
) -> ModelAmbiguous:
    prefix_by_id = {view.id: prefix for view, prefix in prefixes(providers, caller_name)}
    candidates = [f"{prefix_by_id[one.provider.id]}/{one.upstream_model}" for one in found]
    return ModelAmbiguous(
        f"{len(found)} providers have a model '{_short(model)}'.",
        hint=f"Say which one: {_either(candidates[:MAX_NAMED])}.",
        candidates=candidates,
        param="model",
    )


def _not_ready(model: str, views: list[ProviderView]) -> TunnelStopped | ModelLoading:
    view = views[0]
    place = f"provider '{view.name}'" + (f" on {view.host}" if view.host else "")
    reason = f" {view.status_reason}" if view.status_reason else ""
    candidates = [f"{one.owner_name}:{one.name}" for one in views]
    if view.status is ProviderStatus.STOPPED:
        return TunnelStopped(
            f"The tunnel of {place} is stopped, so the model '{_short(model)}' cannot answer."
            f"{reason}",
            hint="To use it, restart the session and its tunnel.",
            providers=candidates,
            param="model",
        )
    return ModelLoading(
        f"The model server of {place} is {view.status.value}.{reason}",
        hint="Try again in a few seconds.",
        retry_after_s=LOADING_RETRY_AFTER_S,
        providers=candidates,
        param="model",
    )


def _either(names: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _short(model: str) -> str:
    return model if len(model) <= 120 else model[:117] + "..."
