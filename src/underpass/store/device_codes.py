"""Device codes: a machine without a browser asks to be signed in by somebody who has one."""

import enum
from dataclasses import dataclass

import sqlalchemy as sa

from underpass.core.errors import NotFound
from underpass.store.repository import Repository
from underpass.store.tables import METADATA, EnumText, Seconds, Text, id_column, reference


class DeviceCodeStatus(enum.StrEnum):
    """What the person in the browser has said so far."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


DEVICE_CODES = sa.Table(
    "device_codes",
    METADATA,
    id_column(),
    sa.Column("user_code", sa.String(16), nullable=False, unique=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("name", Text),
    sa.Column("host", Text, nullable=False),
    sa.Column("user", Text, nullable=False),
    sa.Column("status", EnumText(DeviceCodeStatus), nullable=False),
    reference("user_id", "users.id", is_optional=True),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("expires_at", Seconds, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodeRecord:
    """One request. `id` is the hash of the device code; `host` and `user` are what it claims.

    No secret is kept: what the machine gets is made when it collects its approval.
    """

    id: str
    user_code: str
    purpose: str
    host: str
    user: str
    created_at: float
    expires_at: float
    name: str | None = None
    status: DeviceCodeStatus = DeviceCodeStatus.PENDING
    user_id: str | None = None


class DeviceCodes(Repository[DeviceCodeRecord]):
    """The requests that are waiting."""

    table = DEVICE_CODES
    record = DeviceCodeRecord
    noun = "code"

    async def by_user_code(self, user_code: str) -> DeviceCodeRecord:
        """The request that shows this code. Raises NotFound."""
        found = await self._one(DEVICE_CODES.c.user_code == user_code)
        if found is None:
            raise NotFound("There is no such code, or it has expired.")
        return found

    async def count(self) -> int:
        """How many are waiting: a stranger can make them, so there is a limit."""
        statement = sa.select(sa.func.count()).select_from(DEVICE_CODES)
        async with self._database.read() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def remove_expired(self, now: float) -> int:
        """Forget what is over; how many there were."""
        return await self._delete(DEVICE_CODES.c.expires_at <= now)
