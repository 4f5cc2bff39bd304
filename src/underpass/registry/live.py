"""Which providers there are, who may see them, and which link carries which tunnel."""

from __future__ import annotations

from typing import Protocol, TypeVar

from underpass.core.errors import NotFound
from underpass.core.principal import Principal
from underpass.registry.views import ModelView, ProviderType, ProviderView
from underpass.tunnel.link import Head, OpenHead, Sink

K = TypeVar("K")

__all__ = ["LinkLike", "ModelView", "ProviderType", "ProviderView", "Registry", "StreamLike"]


class StreamLike(Protocol):
    """What a request needs of its way: a `tunnel.stream.Stream`, or a custom endpoint's."""

    async def write(self, data: bytes) -> None:
        """Sends a piece of the body, waiting for room."""
        ...

    async def write_end(self) -> None:
        """The body is complete."""
        ...

    async def response(self) -> Head:
        """The answer's head."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the answer; b"" at its end."""
        ...

    async def pour(self, sink: Sink) -> None:
        """The whole answer into `sink`, in the place of `read`."""
        ...

    def cancel(self, reason: str) -> None:
        """Ends it now."""
        ...

    def release(self) -> None:
        """Nobody needs the answer to be kept."""
        ...


class LinkLike(Protocol):
    """What the registry's readers need of a `tunnel.link.Link`."""

    @property
    def is_up(self) -> bool:
        """Whether a carrier is connected; a link that is down may come back within its grace."""
        ...

    async def open(self, head: OpenHead) -> StreamLike:
        """Opens a stream; see `tunnel.link`."""
        ...


class Registry:
    """The live picture of this hub process. All methods are immediate: no I/O, no waiting.

    State: the providers by id, the ids by owner and by owner and name, the ids of custom providers
    (those that can be shared) by name, and the link of each tunnel.
    """

    def __init__(self) -> None:
        self._providers: dict[str, ProviderView] = {}
        self._ids_by_owner: dict[str, set[str]] = {}
        self._ids_by_name: dict[tuple[str, str], set[str]] = {}
        self._custom_by_name: dict[str, set[str]] = {}
        self._links: dict[str, LinkLike] = {}

    def __repr__(self) -> str:
        return f"Registry(providers={len(self._providers)}, tunnels={len(self._links)})"

    # --- providers ---------------------------------------------------------------------------

    def put_provider(self, view: ProviderView) -> None:
        """Adds a provider, or puts the new picture in the place of the one with its id."""
        old = self._providers.get(view.id)
        if old is not None and _place(old) != _place(view):
            self.drop_provider(view.id)
        self._providers[view.id] = view
        self._ids_by_owner.setdefault(view.owner_id, set()).add(view.id)
        self._ids_by_name.setdefault((view.owner_id, view.name), set()).add(view.id)
        if view.is_shareable:
            self._custom_by_name.setdefault(view.name, set()).add(view.id)

    def drop_provider(self, provider_id: str) -> None:
        """Forgets a provider; one that is not there is no error."""
        view = self._providers.pop(provider_id, None)
        if view is None:
            return
        _discard(self._ids_by_owner, view.owner_id, provider_id)
        _discard(self._ids_by_name, (view.owner_id, view.name), provider_id)
        _discard(self._custom_by_name, view.name, provider_id)

    def providers_visible_to(self, principal: Principal) -> list[ProviderView]:
        """All that `principal` may use: their own first, each part by name."""
        ids = self._ids_by_owner.get(principal.user_id, set()).union(*self._custom_by_name.values())
        return self._visible(ids, principal)

    def providers_named(self, name: str, principal: Principal) -> list[ProviderView]:
        """Those of that name among them; it costs the same however many others there are."""
        own = self._ids_by_name.get((principal.user_id, name), set())
        return self._visible(own | self._custom_by_name.get(name, set()), principal)

    def provider(self, provider_id: str, principal: Principal) -> ProviderView:
        """The provider of that id; NotFound, in the same words, for a stranger's and for none."""
        view = self._providers.get(provider_id)
        if view is None or not view.is_visible_to(principal):
            raise NotFound(f"There is no provider '{provider_id[:80]}'.")
        return view

    def all_providers(self) -> list[ProviderView]:
        """Every provider, for the hub's own counts; never to be shown to a user as it is."""
        return list(self._providers.values())

    def _visible(self, ids: set[str], principal: Principal) -> list[ProviderView]:
        views = (self._providers[provider_id] for provider_id in ids)
        return sorted(
            (view for view in views if view.is_visible_to(principal)),
            key=lambda view: (view.owner_id != principal.user_id, view.name, view.owner_name),
        )

    # --- tunnels -----------------------------------------------------------------------------

    def bind_tunnel(self, tunnel_id: str, link: LinkLike) -> None:
        """From now on streams for the tunnel go through `link`; a newer link displaces an older."""
        self._links[tunnel_id] = link

    def unbind_tunnel(self, tunnel_id: str, link: LinkLike) -> None:
        """Ends that, unless another link has taken the tunnel over in the meantime."""
        if self._links.get(tunnel_id) is link:
            del self._links[tunnel_id]

    def link_of(self, tunnel_id: str) -> LinkLike | None:
        """The link that carries the tunnel, which may be in its grace; None if there is none.

        A custom provider's endpoint is bound and found in the same way, by the provider's id.
        """
        return self._links.get(tunnel_id)


def _place(view: ProviderView) -> tuple[str, str, ProviderType]:
    """What decides under which keys a provider is found."""
    return view.owner_id, view.name, view.type


def _discard(ids: dict[K, set[str]], key: K, provider_id: str) -> None:
    found = ids.get(key)
    if found is not None:
        found.discard(provider_id)
        if not found:
            del ids[key]
