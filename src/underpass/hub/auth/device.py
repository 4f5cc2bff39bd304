"""Device codes: a machine without a browser is signed in by somebody who has one.

The machine asks and gets two codes: a long one, with which it collects the answer, and a short one,
which it shows. The person opens the page, sees what the machine says about itself, and approves.
What the machine then gets is made when it collects it, so no secret waits anywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from underpass.core.clock import Clock
from underpass.core.errors import CallerError, Conflict, NotFound, TooMany
from underpass.core.ids import hash_secret, new_secret, short_code
from underpass.core.principal import ALL_SCOPES, Principal, Scope
from underpass.hub.auth.key_ring import KeyRing
from underpass.hub.auth.throttle import Throttle, network_of
from underpass.store import DeviceCodeRecord, DeviceCodeStatus, Store, UserRecord

LIFETIME_S = 600.0
INTERVAL_S = 2.0
MAX_WAITING = 1000
MAX_PER_MINUTE = 30
MAX_TEXT_CHARS = 120

Purpose = Literal["session", "login"]

Attach = Callable[[Principal, DeviceCodeRecord], Awaitable[tuple[dict[str, Any], str]]]
"""Attaches a session for a user: what the API shows of it, and its token."""


class DeviceCodeGone(CallerError):
    """The code was denied, used, or is too old; the machine has to ask anew."""

    code = "device_code_expired"
    http_status = 410


@dataclass(frozen=True, slots=True)
class Collected:
    """What an approved machine gets."""

    token: str
    user: UserRecord
    session: dict[str, Any] | None = None


class DeviceFlow:
    """Asking, looking, approving, collecting."""

    def __init__(self, store: Store, clock: Clock, keys: KeyRing, attach: Attach) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._attach = attach
        self._asked = Throttle(clock, limit=MAX_PER_MINUTE, window_s=60)

    async def ask(
        self, purpose: Purpose, *, name: str | None, host: str, user: str, address: str
    ) -> tuple[DeviceCodeRecord, str]:
        """A new request and its device code. Raises TooMany."""
        now = self._clock.now()
        self._asked.check(network_of(address), "codes asked for")
        self._asked.note(network_of(address))
        await self._store.device_codes.remove_expired(now)
        if await self._store.device_codes.count() >= MAX_WAITING:
            raise TooMany(
                "Too many machines wait for approval.", retry_after_s=60, code="throttled"
            )
        secret = new_secret("upd_")
        record = DeviceCodeRecord(
            id=hash_secret(secret),
            user_code=short_code(),
            purpose=purpose,
            name=name,
            host=_shown(host),
            user=_shown(user),
            created_at=now,
            expires_at=now + LIFETIME_S,
        )
        return await self._store.device_codes.add(record), secret

    async def look(self, user_code: str) -> DeviceCodeRecord:
        """What asks under a short code, however it was typed. Raises NotFound."""
        letters = "".join(char for char in user_code.upper() if char.isalnum())
        record = await self._store.device_codes.by_user_code(f"{letters[:4]}-{letters[4:]}")
        if record.expires_at <= self._clock.now():
            raise NotFound("There is no such code, or it has expired.")
        return record

    async def decide(self, user_code: str, user_id: str, *, is_approved: bool) -> DeviceCodeRecord:
        """Approve or deny. Raises NotFound, Conflict (`device_code_decided`)."""
        record = await self.look(user_code)
        status = DeviceCodeStatus.APPROVED if is_approved else DeviceCodeStatus.DENIED
        decided = await self._store.device_codes.update_when(
            record.id, {"status": DeviceCodeStatus.PENDING}, status=status, user_id=user_id
        )
        if decided is None:
            raise Conflict("This code was answered already.", code="device_code_decided")
        return decided

    async def collect(self, device_code: str) -> Collected | None:
        """What the machine gets; None while nobody has answered. Raises DeviceCodeGone."""
        record = await self._store.device_codes.find(hash_secret(device_code))
        if record is None or record.expires_at <= self._clock.now():
            raise DeviceCodeGone("This code has expired.", hint="Run the command again.")
        if record.status is DeviceCodeStatus.PENDING:
            return None
        try:
            # Taken out first: of two that collect, only one gets a token.
            await self._store.device_codes.remove(record.id)
        except NotFound as error:
            raise DeviceCodeGone("This code was used already.") from error
        if record.status is DeviceCodeStatus.DENIED:
            raise DeviceCodeGone("This was denied in the browser.", code="device_code_denied")
        user = await self._store.users.find(record.user_id or "")
        if user is None or user.is_disabled:
            raise DeviceCodeGone("This was denied in the browser.", code="device_code_denied")
        return await self._issue(record, user)

    async def _issue(self, record: DeviceCodeRecord, user: UserRecord) -> Collected:
        scopes = ALL_SCOPES if user.is_admin else ALL_SCOPES - {Scope.ADMIN}
        if record.purpose == "login":
            _, secret = await self._keys.create(
                user.id, name=f"{record.user}@{record.host}", scopes=sorted(scopes)
            )
            return Collected(secret, user)
        principal = Principal(
            user_id=user.id, user_name=user.name, is_admin=user.is_admin, scopes=scopes
        )
        session, token = await self._attach(principal, record)
        return Collected(token, user, session)


def _shown(text: str) -> str:
    """What a machine says about itself, fit to be shown: one short printable line."""
    return "".join(char for char in text if char.isprintable())[:MAX_TEXT_CHARS]
