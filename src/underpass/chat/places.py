"""Where a model is, whether it can answer by now, and what an answer from there waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from underpass.chat.waiting import waiting_out
from underpass.core.clock import Clock
from underpass.core.errors import (
    AppError,
    InvalidRequest,
    ModelLoading,
    NotFound,
    UpstreamUnreachable,
)
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS, ProviderStatus
from underpass.gateway.models import require_allowed
from underpass.registry.live import Registry
from underpass.registry.pick import Pick, check_ready, find, pick
from underpass.registry.views import ProviderView
from underpass.store import Store

Json = dict[str, Any]

Wake = Callable[[Principal, str], Awaitable[None]]

NEWS_S = 1.0
"""How long after a break the agent's or the session's own word on it is waited for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes. `model` is the full id: a bare name may be ambiguous tomorrow."""

    model: str
    picked: Pick
    waiting: Json | None
    """What stands in the way for now; None where it can be asked."""

    @property
    def takes_images(self) -> bool:
        """Whether the model takes pictures, as far as its server says."""
        return takes_images(self.picked)


class Places:
    """The providers as chats see them."""

    def __init__(
        self, store: Store, registry: Registry, clock: Clock, wake: Wake | None = None
    ) -> None:
        """`wake` starts a session again that stopped for being unused, if its owner chose so."""
        self._wake = wake
        self._store = store
        self._registry = registry
        self._clock = clock

    def pick(self, caller: Principal, model: str, waiting: Json | None = None) -> Pick:
        """What `model` means for the caller; raises as `registry.pick` does, and NotAllowed.

        `waiting`: what was waited for until now. A provider that was asked in vain is asked again
        only when it is back: until then ModelLoading.
        """
        providers = self._registry.providers_visible_to(caller)
        picked = pick(model, providers, caller_name=caller.user_name)
        require_allowed(caller, picked.provider, picked.upstream_model)
        if waiting is not None and waiting["provider_id"] == picked.provider.id:
            is_away = picked.provider.status is ProviderStatus.UNREACHABLE
            if waiting["code"] == "not_connected":
                is_away = not self._is_connected(picked.provider)
            if is_away:
                raise ModelLoading(waiting["message"])
        return picked

    async def find(self, caller: Principal, model: str | None) -> Place:
        """Where `model` is. One's own is waited for, whatever its status.

        Raises InvalidRequest (`model_missing`), ModelNotFound, ModelAmbiguous, NotAllowed, and
        TunnelStopped for what somebody else shares.
        """
        if not model:
            raise InvalidRequest(
                "This chat has no model yet.", code="model_missing", hint="Choose a model first."
            )
        picked = self._find(caller, model)
        provider = picked.provider
        is_own = provider.owner_id == caller.user_id
        prefix = provider.name if is_own else f"{provider.owner_name}:{provider.name}"
        full = f"{prefix}/{picked.upstream_model}"
        if provider.status is ProviderStatus.RUNNING:
            return Place(full, picked, None)
        if not is_own:
            try:
                check_ready(picked)
            except ModelLoading:
                pass  # it comes, and nobody has to do anything for it
            else:
                return Place(full, picked, None)
        return Place(full, picked, await self._waiting(provider))

    async def waiting(self, caller: Principal, model: str, error: AppError) -> Json:
        """What an answer waits for that could not be asked for; raises what makes it useless.

        That is `error` itself where the provider is somebody else's and does not come by itself,
        or where it runs and refuses all the same.
        """
        provider = self._find(caller, model).provider
        is_own = provider.owner_id == caller.user_id
        if not is_own and not isinstance(error, ModelLoading):
            raise error
        if isinstance(error, UpstreamUnreachable):
            provider = await self._news(caller, provider)
            if provider.status is ProviderStatus.RUNNING:
                raise error
        elif isinstance(error, ModelLoading) and provider.status is ProviderStatus.RUNNING:
            # The server itself says so, which is fresher than our last news.
            provider = replace(provider, status=ProviderStatus.LOADING, status_reason=error.message)
        is_stopped = provider.status is ProviderStatus.STOPPED
        if self._wake is not None and is_stopped and provider.session_id is not None:
            await self._wake(caller, provider.session_id)
        return await self._waiting(provider)

    async def why_gone(self, caller: Principal, provider_id: str) -> str:
        """One sentence on why a provider went away, as its session knows it; or ""."""
        deadline = self._clock.monotonic() + NEWS_S
        while self._clock.monotonic() < deadline:
            try:
                provider = self._registry.provider(provider_id, caller)
            except NotFound:
                return ""
            if provider.status is ProviderStatus.STOPPED:
                said = await self._end_message(provider)
                if said:
                    return said
            await asyncio.sleep(0.05)
        if provider.status is ProviderStatus.STOPPED:
            return provider.status_reason
        return ""

    # --- helpers -----------------------------------------------------------------------------

    def _find(self, caller: Principal, model: str) -> Pick:
        providers = self._registry.providers_visible_to(caller)
        picked = find(model, providers, caller_name=caller.user_name)
        require_allowed(caller, picked.provider, picked.upstream_model)
        return picked

    def _is_connected(self, provider: ProviderView) -> bool:
        link = self._registry.link_of(provider.tunnel_id) if provider.tunnel_id else None
        return link is not None and link.is_up

    async def _waiting(self, provider: ProviderView) -> Json:
        if provider.session_id is None:
            return waiting_out(provider, None, now=self._clock.now())
        session = await self._store.sessions.find(provider.session_id)
        events = await self._store.session_events.list(provider.session_id)
        return waiting_out(provider, session, events, now=self._clock.now())

    async def _end_message(self, provider: ProviderView) -> str:
        """What the session said of its end; a tunnel that was stopped alone has its own word."""
        if provider.session_id is None:
            return provider.status_reason
        session = await self._store.sessions.find(provider.session_id)
        if session is None:
            return provider.status_reason
        return session.end_message or "" if session.status in SESSION_ENDS else ""

    async def _news(self, caller: Principal, provider: ProviderView) -> ProviderView:
        """The provider once something else than "running" is known of it, or a moment later."""
        deadline = self._clock.monotonic() + NEWS_S
        while True:
            provider = self._registry.provider(provider.id, caller)
            is_late = self._clock.monotonic() > deadline
            if is_late or provider.status is not ProviderStatus.RUNNING:
                return provider
            await asyncio.sleep(0.05)


def takes_images(picked: Pick) -> bool:
    """Whether the model takes pictures; a server that does not say so may."""
    for model in picked.provider.models:
        if model.id == picked.upstream_model and model.modalities is not None:
            return "image" in model.modalities
    return True
