"""Frozen pictures of providers and models: a change is a new picture in the old one's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from underpass.core.principal import Principal
from underpass.core.states import ProviderStatus


class ProviderType(StrEnum):
    """How a provider came to be."""

    TUNNEL = "openai-tunnel"
    """A tunnel with the flag: discovered, private to the tunnel's owner for good."""
    CUSTOM = "openai"
    """An endpoint that somebody added; it can be shared."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One language model that a provider lists; `id` is the server's own name for it."""

    id: str
    max_model_len: int | None = None
    """The context window in tokens, where the server says it."""
    owned_by: str | None = None
    modalities: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider with its models, as everybody who may see it sees it."""

    id: str
    name: str
    type: ProviderType
    owner_id: str
    owner_name: str
    status: ProviderStatus
    status_reason: str = ""
    """One sentence; empty while there is nothing to say."""
    models: tuple[ModelView, ...] = ()
    """The last list the server gave; kept while the provider is stopped."""
    server_kind: str | None = None
    server_version: str | None = None
    tunnel_id: str | None = None
    session_id: str | None = None
    session_name: str | None = None
    host: str | None = None
    """The machine that the session runs on."""
    gpus: tuple[str, ...] = ()
    """Names of the GPUs that the session may use."""
    target: str | None = None
    """What the tunnel serves, such as `127.0.0.1:8000`."""
    cluster: str | None = None
    wall_time_ends_at: float | None = None
    """Unix seconds."""
    updated_at: float = 0.0
    """Unix seconds."""
    model_allow: tuple[str, ...] | None = None
    """Of a custom provider: the only models that it offers, names and patterns; None for all."""
    description: str = ""
    """Of a custom provider: what its owner says about it."""
    shared_with_everyone: bool = False
    shared_with_users: frozenset[str] = frozenset()
    shared_with_groups: frozenset[str] = frozenset()

    @property
    def way_id(self) -> str:
        """What the way to it is bound to: its tunnel's id, or a custom provider's own."""
        return self.tunnel_id if self.tunnel_id is not None else self.id

    def offers(self, model: str) -> bool:
        """Whether it may be asked for a model of that name at all."""
        return is_offered(model, self.model_allow)

    @property
    def is_shareable(self) -> bool:
        """Only what somebody added by hand can be shared; a tunnel never (SPEC §3)."""
        return self.type is ProviderType.CUSTOM

    def is_visible_to(self, principal: Principal) -> bool:
        """The privacy rule in one place.

        The sharing fields of a tunnel's provider are not even looked at, and being an admin is
        no reason: a slip elsewhere must not open somebody's tunnel.
        """
        if self.owner_id == principal.user_id:
            return True
        if not self.is_shareable:
            return False
        return (
            self.shared_with_everyone
            or principal.user_id in self.shared_with_users
            or not self.shared_with_groups.isdisjoint(principal.group_ids)
        )


def is_offered(model: str, allow: Sequence[str] | None) -> bool:
    """Whether a list of names and patterns has the model; None has every one."""
    return allow is None or any(model == one or fnmatchcase(model, one) for one in allow)
