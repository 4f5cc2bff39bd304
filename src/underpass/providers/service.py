"""Custom providers: add, change, share, remove. What the API calls; it fills the registry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, InvalidRequest, NotAllowed, NotFound, StorageError
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import PROVIDER_MOVES, ProviderStatus, move
from underpass.providers import shapes
from underpass.providers.base_url import BaseUrl
from underpass.providers.custom import Custom
from underpass.providers.endpoint import Endpoint
from underpass.providers.faults import EndpointFault, Fault
from underpass.providers.look import NO_LIST, chosen, look
from underpass.providers.networks import Networks
from underpass.providers.sealing import NO_SECRETS, EndpointSecrets, SealBroken, Sealer, load_keys
from underpass.providers.sharing import Sharing
from underpass.providers.wanted import Wanted
from underpass.providers.watch import Watch
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.store import EndpointRecord, ProviderRecord, ProviderType, Store

MAX_PER_USER = 100

log = logging.getLogger("underpass.providers")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What a hub may set about custom providers."""

    networks: Networks
    key_file: Path
    """Where the keys are that seal secrets."""
    poll_s: float = 30.0
    """Between two looks at one that runs."""


class CustomProviders:
    """The custom providers of one hub process."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        feed: Feed,
        clock: Clock,
        settings: ProviderSettings,
    ) -> None:
        self._store = store
        self._registry = registry
        self._feed = feed
        self._clock = clock
        self._settings = settings
        self._custom: dict[str, Custom] = {}
        self._watch = Watch(self._settle, settings.poll_s)
        self._changing = asyncio.Lock()
        self.sharing = Sharing(store, feed)

    async def load(self) -> None:
        """Takes up what is stored, but for owners who are disabled. Raises ConfigError."""
        await self._take_up(None)

    async def close(self) -> None:
        """Ends all requests and looks."""
        for custom in list(self._custom.values()):
            await self._let_go(custom)

    # --- for managers ------------------------------------------------------------------------

    async def add(
        self, caller: Principal, fields: dict[str, Any], *, is_checked: bool = True
    ) -> dict[str, Any]:
        """A new provider of the caller's.

        Raises InvalidRequest (a fault's code when the check finds one), Conflict (`name_taken`).
        """
        wanted = Wanted.of(fields)
        await self._check_name(caller.user_id, wanted.name)
        if (
            sum(one.record.owner_id == caller.user_id for one in self._custom.values())
            >= MAX_PER_USER
        ):
            raise Conflict(
                f"You have {MAX_PER_USER} custom providers, which is the limit.",
                code="too_many_providers",
                hint="Remove one first.",
            )
        base, models = await self._examined(wanted) if is_checked else (wanted.base, None)
        record = ProviderRecord(
            id=new_id("prv"),
            type=ProviderType.OPENAI,
            owner_id=caller.user_id,
            name=wanted.name,
            updated_at=self._clock.now(),
            status=ProviderStatus.UNREACHABLE if models is None else ProviderStatus.RUNNING,
            status_reason="The hub has not looked at it yet." if models is None else "",
            models=models or [],
        )
        stored = self._stored(record.id, wanted, base, self._clock.now())
        async with self._changing:
            try:
                await self._store.endpoints.add_with(record, stored)
            except Conflict as error:
                raise _name_taken(wanted.name) from error
            custom = Custom(record, stored, caller.user_name)
            self._put(custom, wanted.secrets)
        await self.sharing.announce(custom)
        return self.shape(custom.id, caller)

    async def change(
        self,
        caller: Principal,
        provider_id: str,
        changes: dict[str, Any],
        *,
        is_checked: bool = True,
    ) -> dict[str, Any]:
        """Changes what is given. Raises NotFound, NotAllowed, InvalidRequest, Conflict."""
        custom = self.managed(caller, provider_id)
        old = BaseUrl.parse(custom.stored.base_url)
        base = BaseUrl.parse(str(changes.get("base_url", custom.stored.base_url)))
        secrets = self._kept_secrets(custom, changes, has_moved=base.origin != old.origin)
        wanted = Wanted.of({**_fields(custom), **changes}, secrets)
        if wanted.name != custom.record.name:
            await self._check_name(custom.record.owner_id, wanted.name)
        models: list[dict[str, Any]] | None = None
        base = wanted.base
        if is_checked and set(changes) - {"name", "description"}:
            base, models = await self._examined(wanted)
        async with self._changing:
            custom = self.managed(caller, provider_id)  # it may have gone while it was asked
            stored = self._stored(custom.id, wanted, base, custom.stored.created_at)
            try:
                await self._store.providers.update(
                    custom.id, name=wanted.name, updated_at=self._clock.now()
                )
            except Conflict as error:
                raise _name_taken(wanted.name) from error
            await self._store.endpoints.update(custom.id, **_row(stored))
            await self._let_go(custom)
            record = await self._store.providers.get(custom.id)
            renewed = Custom(record, stored, custom.owner_name, custom.permissions)
            self._put(renewed, wanted.secrets)
        if models is not None:
            await self._settle(renewed, ProviderStatus.RUNNING, "", models)
        await self.sharing.announce(renewed)
        return self.shape(custom.id, caller)

    async def remove(self, caller: Principal, provider_id: str) -> ProviderRecord:
        """Removes it and ends its requests. Raises NotFound, NotAllowed."""
        async with self._changing:
            custom = self.managed(caller, provider_id)
            await self._store.providers.remove(custom.id)
            await self._let_go(custom)
        self._feed.publish(custom.record.owner_id, "provider", "delete", {"id": custom.id})
        await self.sharing.announce(custom, is_owner_told=False)
        return custom.record

    async def share(
        self,
        caller: Principal,
        provider_id: str,
        *,
        users: Sequence[str],
        groups: Sequence[str],
        everyone: bool,
    ) -> dict[str, Any]:
        """Replaces who may use it; acts on the next request.

        Raises NotFound, NotAllowed, Conflict (`tunnel_not_shareable`), InvalidRequest
        (`user_unknown`, `group_unknown`).
        """
        self.managed(caller, provider_id)
        permissions = await self.sharing.resolve(caller, users, groups, everyone=everyone)
        async with self._changing:
            custom = self.managed(caller, provider_id)  # another one, if it was changed meanwhile
            before = custom.permissions
            await self._store.providers.set_permissions(custom.id, permissions)
            custom.permissions = permissions
            if custom.id in self._custom:
                self._registry.put_provider(custom.view())
        await self.sharing.announce(custom, before)
        return self.shape(custom.id, caller)

    async def permissions(self, caller: Principal, provider_id: str) -> dict[str, Any]:
        """Who may use it, as the API shows it. Raises NotFound, NotAllowed, Conflict."""
        return await self.sharing.shape(self.managed(caller, provider_id).permissions)

    # --- see ---------------------------------------------------------------------------------

    def managed(self, caller: Principal, provider_id: str) -> Custom:
        """The provider, if the caller may manage it.

        Raises NotFound (in the same words for one that may not even be seen and for none),
        NotAllowed (`not_yours`) for one that may only be used, Conflict
        (`tunnel_not_shareable`) for one that comes of the caller's own tunnel.
        """
        custom = self._custom.get(provider_id)
        if custom is not None and custom.is_managed_by(caller):
            return custom
        view = self._registry.provider(provider_id, caller)
        if not view.is_shareable:
            raise Conflict(
                f"'{view.name}' comes of your own session's tunnel and cannot be shared or changed.",
                code="tunnel_not_shareable",
                hint="Add the server as a custom provider, where it can be reached, to share it.",
            )
        raise NotAllowed(
            f"'{view.name}' is {view.owner_name}'s: you may use it, not change it.",
            code="not_yours",
            hint=f"Ask {view.owner_name}, or an admin.",
        )

    def shape(
        self, provider_id: str, caller: Principal, prefix: str | None = None
    ) -> dict[str, Any]:
        """One provider in the API's shape; how it is reached is for its managers. Raises NotFound."""
        custom = self._custom.get(provider_id)
        if custom is None or not custom.is_managed_by(caller):
            return shapes.used(self._registry.provider(provider_id, caller), prefix)
        return shapes.managed(custom, prefix)

    def all(self) -> list[dict[str, Any]]:
        """Every custom provider, for an admin."""
        return [shapes.managed(one) for one in self._custom.values()]

    # --- users who go and come ---------------------------------------------------------------

    async def let_go_of_user(self, user_id: str) -> None:
        """The user is disabled or removed: nothing of theirs can be used any more."""
        # One at a time with changes: what is being changed would be put back behind our back.
        async with self._changing:
            theirs = [one for one in self._custom.values() if one.record.owner_id == user_id]
            for custom in theirs:
                await self._let_go(custom)
        for custom in theirs:
            await self.sharing.announce(custom, is_owner_told=False)

    async def take_up_user(self, user_id: str) -> None:
        """The user is enabled again."""
        async with self._changing:
            await self._take_up(user_id)

    # --- inside ------------------------------------------------------------------------------

    @cached_property
    def _sealer(self) -> Sealer:
        return Sealer(load_keys(self._settings.key_file))

    async def _take_up(self, only_user: str | None) -> None:
        endpoints = {one.id: one for one in await self._store.endpoints.all()}
        permissions = await self._store.providers.all_permissions() if endpoints else {}
        for record in await self._store.providers.all() if endpoints else ():
            stored = endpoints.get(record.id)
            if stored is None or record.id in self._custom:
                continue
            if only_user is not None and record.owner_id != only_user:
                continue
            owner = await self._store.users.get(record.owner_id)
            if not owner.is_disabled:
                custom = Custom(record, stored, owner.name, permissions.get(record.id, ()))
                await self._take_up_one(custom)

    async def _take_up_one(self, custom: Custom) -> None:
        stored, secrets = custom.stored, NO_SECRETS
        origin = BaseUrl.parse(stored.base_url).origin
        try:
            if stored.sealed is not None:
                secrets = self._sealer.open(stored.sealed, stored.id, origin)
                if self._sealer.is_outdated(stored.sealed):
                    sealed = self._sealer.seal(secrets, stored.id, origin)
                    custom.stored = await self._store.endpoints.update(stored.id, sealed=sealed)
        except SealBroken as error:
            await self._settle(custom, ProviderStatus.UNREACHABLE, error.sentence(), None)
            self._custom[custom.id] = custom
            self._registry.put_provider(custom.view())
            return
        except StorageError as error:
            log.warning("a provider's key is not sealed anew: %s", error.message)
        self._put(custom, secrets)

    def _put(self, custom: Custom, secrets: EndpointSecrets) -> None:
        """From now on it can be used, and is looked at."""

        def ask_for_a_look(fault: Fault) -> None:
            del fault
            custom.wake.set()

        custom.endpoint = Endpoint(
            BaseUrl.parse(custom.stored.base_url),
            self._settings.networks,
            secrets=secrets,
            ca_pem=custom.stored.ca_pem,
            on_fault=ask_for_a_look,
        )
        self._custom[custom.id] = custom
        self._registry.put_provider(custom.view())
        self._registry.bind_tunnel(custom.id, custom.endpoint)
        self._watch.start(custom)

    async def _let_go(self, custom: Custom) -> None:
        self._custom.pop(custom.id, None)
        self._registry.drop_provider(custom.id)
        await self._watch.stop(custom)
        if custom.endpoint is not None:
            self._registry.unbind_tunnel(custom.id, custom.endpoint)
            await custom.endpoint.close()

    async def _settle(
        self,
        custom: Custom,
        status: ProviderStatus,
        reason: str,
        models: list[dict[str, Any]] | None,
    ) -> None:
        """What a look found, into the store, the registry and the open pages, if it is news."""
        old = custom.record
        changes: dict[str, Any] = {
            "status": move(PROVIDER_MOVES, old.status, status),
            "status_reason": reason[:500],
            "models": old.models if models is None else models,
        }
        if all(getattr(old, name) == value for name, value in changes.items()):
            return
        try:
            custom.record = await self._store.providers.update(
                old.id, **changes, updated_at=self._clock.now()
            )
        except NotFound:
            return  # removed meanwhile
        except StorageError as error:
            log.warning("a provider's status is not stored: %s", error.message)
            return
        if self._custom.get(custom.id) is custom:
            self._registry.put_provider(custom.view())
            await self.sharing.announce(custom)

    async def _examined(self, wanted: Wanted) -> tuple[BaseUrl, list[dict[str, Any]]]:
        """Asks the endpoint; its base URL (with the `/v1` that was left out) and its models."""
        try:
            return wanted.base, await self._models(wanted, wanted.base)
        except EndpointFault as error:
            fault = error.fault
        if fault == NO_LIST and not wanted.base.path.endswith("/v1"):
            try:
                longer = wanted.base.with_version()
                return longer, await self._models(wanted, longer)
            except EndpointFault:
                pass  # the first answer is about what was given
        if fault == NO_LIST and (named := chosen((), wanted.model_allow)):
            return wanted.base, named
        raise InvalidRequest(f"The endpoint {fault.predicate}.", code=fault.code, hint=fault.hint)

    async def _models(self, wanted: Wanted, base: BaseUrl) -> list[dict[str, Any]]:
        endpoint = Endpoint(
            base, self._settings.networks, secrets=wanted.secrets, ca_pem=wanted.ca_pem
        )
        try:
            listed = await look(endpoint, has_key=wanted.secrets.key is not None)
        finally:
            await endpoint.close()
        return chosen(listed, wanted.model_allow)

    def _kept_secrets(
        self, custom: Custom, changes: dict[str, Any], *, has_moved: bool
    ) -> EndpointSecrets:
        """The secrets that stay unless they are given anew.

        A key was given for one address. It never goes to another without being given again: an
        admin may change a provider, and must not come by its owner's key in that way.
        """
        stored = custom.stored
        if stored.sealed is None or {"key", "headers"} <= set(changes):
            return NO_SECRETS
        needs = [
            name
            for name, is_there in (("key", stored.has_key), ("headers", bool(stored.header_names)))
            if is_there and name not in changes
        ]
        if has_moved and needs:
            raise InvalidRequest(
                f"The {' and the '.join(needs)} were given for another address.",
                code="secrets_needed",
                hint="Give them again together with the new base URL, or null to drop them.",
            )
        if has_moved:
            return NO_SECRETS
        return self._sealer.open(stored.sealed, stored.id, BaseUrl.parse(stored.base_url).origin)

    def _stored(
        self, provider_id: str, wanted: Wanted, base: BaseUrl, created_at: float
    ) -> EndpointRecord:
        secrets = wanted.secrets
        sealed = None
        if not secrets.is_empty:
            sealed = self._sealer.seal(secrets, provider_id, base.origin)
        return EndpointRecord(
            id=provider_id,
            base_url=str(base),
            created_at=created_at,
            description=wanted.description,
            sealed=sealed,
            has_key=secrets.key is not None,
            header_names=tuple(name for name, _ in secrets.headers),
            ca_pem=wanted.ca_pem,
            model_allow=wanted.model_allow,
        )

    async def _check_name(self, owner_id: str, name: str) -> None:
        is_taken = (
            await self._store.providers.find_by_name(owner_id, name) is not None
            or await self._store.tunnels.find_by_name(owner_id, name) is not None
        )
        if is_taken:
            raise _name_taken(name)


def _fields(custom: Custom) -> dict[str, Any]:
    """What a provider is, but for its secrets, as the API's fields."""
    stored = custom.stored
    return {
        "name": custom.record.name,
        "base_url": stored.base_url,
        "ca_pem": stored.ca_pem,
        "model_allow": None if stored.model_allow is None else list(stored.model_allow),
        "description": stored.description,
    }


def _row(stored: EndpointRecord) -> dict[str, Any]:
    names = (
        "base_url",
        "description",
        "sealed",
        "has_key",
        "header_names",
        "ca_pem",
        "model_allow",
    )
    return {name: getattr(stored, name) for name in names}


def _name_taken(name: str) -> Conflict:
    return Conflict(
        f"You already have a provider or tunnel named '{name}'.",
        code="name_taken",
        hint="Choose another name.",
    )
