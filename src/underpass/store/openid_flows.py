"""OpenID Connect sign-ins that have begun and not come back."""

from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import Repository
from underpass.store.tables import METADATA, Seconds, Text, id_column

OPENID_FLOWS = sa.Table(
    "openid_flows",
    METADATA,
    id_column(),
    sa.Column("issuer", Text, nullable=False),
    sa.Column("next", Text, nullable=False),
    sa.Column("expires_at", Seconds, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdFlowRecord:
    """One sign-in. `id` is the hash of the browser's cookie, from which all its secrets are made;
    `issuer` is the settings' name, `next` the page to go to afterwards."""

    id: str
    issuer: str
    next: str
    expires_at: float


class OpenIdFlows(Repository[OpenIdFlowRecord]):
    """The sign-ins that are under way."""

    table = OPENID_FLOWS
    record = OpenIdFlowRecord
    noun = "sign-in"

    async def take(self, record_id: str, now: float) -> OpenIdFlowRecord:
        """Use one up, at most once however many try. Raises NotFound."""
        flow = await self.get(record_id)
        await self.remove(record_id)
        if flow.expires_at <= now:
            raise NotFound("This sign-in has expired.")
        return flow

    async def count(self) -> int:
        """How many are under way: a stranger can begin them, so there is a limit."""
        statement = sa.select(sa.func.count()).select_from(OPENID_FLOWS)
        async with self._database.read() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def remove_expired(self, now: float) -> int:
        """Forget what is over; how many there were."""
        return await self._delete(OPENID_FLOWS.c.expires_at <= now)
