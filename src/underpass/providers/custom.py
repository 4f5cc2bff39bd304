"""One custom provider as it lives in this process: its records, its picture, its endpoint."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from underpass.core.principal import Principal
from underpass.providers.endpoint import Endpoint
from underpass.registry.views import ModelView, ProviderType, ProviderView
from underpass.store import EndpointRecord, Permission, ProviderRecord, SubjectKind


@dataclass
class Custom:
    """State of one provider. `endpoint` is None while its sealed key cannot be opened."""

    record: ProviderRecord
    stored: EndpointRecord
    owner_name: str
    permissions: tuple[Permission, ...] = ()
    endpoint: Endpoint | None = None
    watching: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The provider's id."""
        return self.record.id

    def is_managed_by(self, caller: Principal) -> bool:
        """Whether the caller may change and share it: its owner, and admins."""
        return self.record.owner_id == caller.user_id or caller.acts_as_admin

    def subjects(self, kind: SubjectKind) -> frozenset[str]:
        """The ids of the users or groups that may use it."""
        return frozenset(one.subject_id for one in self.permissions if one.kind is kind)

    @property
    def is_for_everyone(self) -> bool:
        """Whether all who can sign in may use it."""
        return any(one.kind is SubjectKind.EVERYONE for one in self.permissions)

    def view(self) -> ProviderView:
        """The picture of it for the registry."""
        record = self.record
        return ProviderView(
            id=record.id,
            name=record.name,
            type=ProviderType.CUSTOM,
            owner_id=record.owner_id,
            owner_name=self.owner_name,
            status=record.status,
            status_reason=record.status_reason,
            models=tuple(
                ModelView(
                    model["id"],
                    max_model_len=model.get("max_model_len"),
                    owned_by=model.get("owned_by"),
                )
                for model in record.models
            ),
            updated_at=record.updated_at,
            model_allow=self.stored.model_allow,
            description=self.stored.description,
            shared_with_everyone=self.is_for_everyone,
            shared_with_users=self.subjects(SubjectKind.USER),
            shared_with_groups=self.subjects(SubjectKind.GROUP),
        )
