"""Identities: as whom an OpenID Connect issuer knows a user."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.repository import Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column, reference

IDENTITIES = sa.Table(
    "identities",
    METADATA,
    id_column(),
    reference("user_id", "users.id"),
    # The issuer's own address and not what the settings call it: a table that is renamed or given
    # to another issuer hands nobody's account over.
    sa.Column("issuer", Text, nullable=False),
    sa.Column("subject", Text, nullable=False),
    sa.Column("made_admin", sa.Boolean, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("last_used_at", Seconds, nullable=False),
    sa.Index("uq_identities_issuer_subject", "issuer", "subject", unique=True),
    sa.Index("ix_identities_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord:
    """One user at one issuer. `made_admin`: the user is an admin because this issuer says so."""

    id: str
    user_id: str
    issuer: str
    subject: str
    created_at: float
    last_used_at: float
    made_admin: bool = False


class Identities(Repository[IdentityRecord]):
    """Who is who at the issuers."""

    table = IDENTITIES
    record = IdentityRecord
    noun = "identity"

    async def of_subject(self, issuer: str, subject: str) -> IdentityRecord | None:
        """Whom an issuer means by a subject, or None."""
        table = IDENTITIES
        return await self._one(table.c.issuer == issuer, table.c.subject == subject)

    async def of_user(self, user_id: str) -> tuple[IdentityRecord, ...]:
        """Where a user can sign in, oldest first."""
        return await self._all(IDENTITIES.c.user_id == user_id)
