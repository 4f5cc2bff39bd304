"""One-time links: the first admin's set-up link, and links that sign a browser in."""

import enum
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.store.repository import Repository
from underpass.store.tables import METADATA, EnumText, Id, Seconds, id_column


class LinkPurpose(enum.StrEnum):
    """What opening the link does."""

    SETUP = "setup"
    SIGN_IN = "sign_in"


ONE_TIME_LINKS = sa.Table(
    "one_time_links",
    METADATA,
    id_column(),
    sa.Column("purpose", EnumText(LinkPurpose), nullable=False),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("expires_at", Seconds, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeLinkRecord:
    """One link. `id` is the hash of its token; `user_id` is who a sign-in link is for."""

    id: str
    purpose: LinkPurpose
    created_at: float
    expires_at: float
    user_id: str | None = None


class OneTimeLinks(Repository[OneTimeLinkRecord]):
    """The links that have not been used."""

    table = ONE_TIME_LINKS
    record = OneTimeLinkRecord
    noun = "link"

    async def take(self, record_id: str, purpose: LinkPurpose, now: float) -> OneTimeLinkRecord:
        """Use a link up, at most once however many try. Raises NotFound."""
        link = await self.get(record_id)
        if link.purpose is not purpose or link.expires_at <= now:
            raise self._missing()
        await self.remove(record_id)
        return link

    async def replace(self, record: OneTimeLinkRecord) -> None:
        """Make this the only link of its purpose and user."""
        table = ONE_TIME_LINKS
        same_user = table.c.user_id.is_not_distinct_from(record.user_id)
        await self._delete(table.c.purpose == record.purpose, same_user)
        await self.add(record)

    async def remove_purpose(self, purpose: LinkPurpose) -> None:
        """Forget every link of one purpose."""
        await self._delete(ONE_TIME_LINKS.c.purpose == purpose)

    async def remove_expired(self, now: float) -> int:
        """Forget what is over; how many there were."""
        return await self._delete(ONE_TIME_LINKS.c.expires_at <= now)
