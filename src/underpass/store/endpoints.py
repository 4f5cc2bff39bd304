"""Endpoints: how each custom provider is reached. Their secrets come here sealed, never in clear."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.providers import PROVIDERS, ProviderRecord
from underpass.store.repository import Repository, to_row
from underpass.store.tables import METADATA, Id, Seconds, Text, Words

ENDPOINTS = sa.Table(
    "endpoints",
    METADATA,
    sa.Column("id", Id, sa.ForeignKey("providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("base_url", Text, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("sealed", sa.Text),
    sa.Column("has_key", sa.Boolean, nullable=False),
    sa.Column("header_names", Words, nullable=False),
    sa.Column("ca_pem", sa.Text),
    sa.Column("model_allow", Words),
    sa.Column("created_at", Seconds, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """One endpoint. `id` is its provider's; `sealed` holds the key and the headers' values."""

    id: str
    base_url: str
    created_at: float
    description: str = ""
    sealed: str | None = None
    has_key: bool = False
    header_names: tuple[str, ...] = ()
    ca_pem: str | None = None
    model_allow: tuple[str, ...] | None = None


class Endpoints(Repository[EndpointRecord]):
    """The endpoints of all custom providers."""

    table = ENDPOINTS
    record = EndpointRecord
    noun = "endpoint"

    async def all(self) -> tuple[EndpointRecord, ...]:
        """Every endpoint, oldest first."""
        return await self._all()

    async def add_with(self, provider: ProviderRecord, endpoint: EndpointRecord) -> None:
        """Store a new provider with its endpoint. Raises Conflict where the name is taken."""
        async with self._database.write() as connection:
            await connection.execute(PROVIDERS.insert().values(to_row(provider)))
            await connection.execute(ENDPOINTS.insert().values(to_row(endpoint)))
