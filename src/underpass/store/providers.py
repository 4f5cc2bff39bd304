"""Providers: what AI Chat and the gateway route to, and who may use the shared ones."""

import enum
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from underpass.core.states import ProviderStatus
from underpass.store.repository import Repository
from underpass.store.tables import (
    METADATA,
    EnumText,
    Id,
    JsonValue,
    Seconds,
    Text,
    id_column,
    reference,
)


class ProviderType(enum.StrEnum):
    """Where a provider comes from."""

    OPENAI_TUNNEL = "openai-tunnel"
    """A tunnel with the OpenAI flag; discovered, never made by hand, never shared."""
    OPENAI = "openai"
    """A custom OpenAI-compatible endpoint that somebody added."""


class SubjectKind(enum.StrEnum):
    """Who a permission is for."""

    USER = "user"
    GROUP = "group"
    EVERYONE = "everyone"


PROVIDERS = sa.Table(
    "providers",
    METADATA,
    id_column(),
    sa.Column("type", EnumText(ProviderType), nullable=False),
    reference("owner_id", "users.id"),
    sa.Column("name", Text, nullable=False),
    sa.Column(
        "tunnel_id", Id, sa.ForeignKey("tunnels.id", ondelete="CASCADE"), unique=True, nullable=True
    ),
    sa.Column("status", EnumText(ProviderStatus), nullable=False),
    sa.Column("status_reason", Text, nullable=False),
    sa.Column("models", JsonValue, nullable=False),
    sa.Column("server", JsonValue),
    sa.Column("updated_at", Seconds, nullable=False),
    sa.Index("uq_providers_owner_id_name", "owner_id", "name", unique=True),
)

PROVIDER_PERMISSIONS = sa.Table(
    "provider_permissions",
    METADATA,
    reference("provider_id", "providers.id", primary_key=True),
    sa.Column("subject_kind", EnumText(SubjectKind), primary_key=True),
    sa.Column("subject_id", Id, primary_key=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """One provider. `models` are the last ones known: [{"id", "max_model_len", …}]."""

    id: str
    type: ProviderType
    owner_id: str
    name: str
    updated_at: float
    tunnel_id: str | None = None
    status: ProviderStatus = ProviderStatus.STOPPED
    status_reason: str = ""
    models: list[dict[str, Any]] = field(default_factory=list)
    server: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """`provider:use` for one user or group, or for everyone (`subject_id` is then empty)."""

    kind: SubjectKind
    subject_id: str = ""


class Providers(Repository[ProviderRecord]):
    """The providers of all users, and their permissions."""

    table = PROVIDERS
    record = ProviderRecord
    noun = "provider"

    async def all(self) -> tuple[ProviderRecord, ...]:
        """Everybody's providers, oldest first: what the registry is loaded from."""
        return await self._all()

    async def names_of(self, owner_id: str) -> set[str]:
        """The names of an owner's providers."""
        return await self._only_names(PROVIDERS.c.owner_id == owner_id)

    async def find_by_name(self, owner_id: str, name: str) -> ProviderRecord | None:
        """The owner's provider of that name, or None."""
        return await self._one(PROVIDERS.c.owner_id == owner_id, PROVIDERS.c.name == name)

    async def of_tunnel(self, tunnel_id: str) -> ProviderRecord | None:
        """The provider that a tunnel feeds, or None."""
        return await self._one(PROVIDERS.c.tunnel_id == tunnel_id)

    async def permissions(self, provider_id: str) -> tuple[Permission, ...]:
        """Who may use a custom provider, sorted."""
        return (await self._permissions(provider_id)).get(provider_id, ())

    async def all_permissions(self) -> dict[str, tuple[Permission, ...]]:
        """The permissions of every provider that has some, by provider id."""
        return await self._permissions(None)

    async def set_permissions(self, provider_id: str, permissions: tuple[Permission, ...]) -> None:
        """Replace who may use a provider. Raises Conflict where it does not exist."""
        table = PROVIDER_PERMISSIONS
        rows = [
            {"provider_id": provider_id, "subject_kind": one.kind, "subject_id": one.subject_id}
            for one in sorted(set(permissions))
        ]
        async with self._database.write() as connection:
            await connection.execute(table.delete().where(table.c.provider_id == provider_id))
            if rows:
                await connection.execute(table.insert(), rows)

    async def _permissions(self, provider_id: str | None) -> dict[str, tuple[Permission, ...]]:
        table = PROVIDER_PERMISSIONS
        statement = table.select()
        if provider_id is not None:
            statement = statement.where(table.c.provider_id == provider_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        found: dict[str, list[Permission]] = {}
        for row in rows:
            found.setdefault(row.provider_id, []).append(
                Permission(row.subject_kind, row.subject_id)
            )
        return {key: tuple(sorted(value)) for key, value in found.items()}
