"""Two-step sign-in: a code from an app besides the password, or one of ten recovery codes.

Asked whenever a password signs a browser in. A sign-in by an issuer or the site's proxy has that one's own
second step, and a one-time link is made on the hub's own machine.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, InvalidRequest, NotAuthenticated, NotFound
from underpass.core.ids import hash_secret, short_code
from underpass.hub.auth import totp
from underpass.hub.auth.throttle import Throttle
from underpass.providers.sealing import SealBroken, Sealer, load_keys
from underpass.store import SecondFactorRecord, Store, UserRecord

RECOVERY_CODES = 10
WRONG_CODES = 5
WINDOW_S = 15 * 60.0
"""480 guesses a day, each at three codes of a million: one chance in seven hundred a day, for somebody
who knows the password already."""
_PURPOSE = "totp"


class SecondStep:
    """The second factors of all users."""

    def __init__(self, store: Store, clock: Clock, key_file: Path, hub_name: str) -> None:
        self._store = store
        self._clock = clock
        self._key_file = key_file
        self._hub_name = hub_name
        self._wrong = Throttle(clock, limit=WRONG_CODES, window_s=WINDOW_S)

    async def load(self) -> None:
        """Seals anew what an older key sealed. Raises ConfigError, StorageError."""
        for record in await self._store.second_factors.all():
            sealer = await self._sealer()
            if not sealer.is_outdated(record.sealed):
                continue
            try:
                secret = sealer.open_text(record.sealed, record.id, _PURPOSE)
            except SealBroken:
                continue  # its key is gone: the user's recovery codes and an admin still help
            await self._store.second_factors.update(
                record.id, sealed=sealer.seal_text(secret, record.id, _PURPOSE)
            )

    async def of_user(self, user_id: str) -> SecondFactorRecord | None:
        """The user's second factor, if it is on."""
        found = await self._store.second_factors.find(user_id)
        return found if found is not None and found.is_on else None

    # --- setting up --------------------------------------------------------------------------

    async def begin(self, user: UserRecord) -> tuple[str, str]:
        """A new secret for an app, and its `otpauth:` address; nothing is asked for it yet.

        Raises Conflict (`two_step_on`, `no_password`).
        """
        if user.password_hash is None:
            raise Conflict(
                "You sign in without a password of this hub.",
                code="no_password",
                hint="Your second step is where you sign in.",
            )
        if await self.of_user(user.id) is not None:
            raise Conflict("Two-step sign-in is on.", code="two_step_on", hint="Turn it off first.")
        secret = totp.new_secret()
        sealed = (await self._sealer()).seal_text(secret, user.id, _PURPOSE)
        await self._store.second_factors.put(
            SecondFactorRecord(id=user.id, sealed=sealed, created_at=self._clock.now())
        )
        return secret, totp.uri(secret, user_name=user.name, hub_name=self._hub_name)

    async def confirm(self, user_id: str, code: str) -> list[str]:
        """From now on it is asked for; the recovery codes, which are shown this once.

        Raises NotFound, Conflict (`two_step_on`), NotAuthenticated (`wrong_code`), TooMany.
        """
        record = await self._store.second_factors.find(user_id)
        if record is None:
            raise NotFound("No two-step sign-in was begun.", hint="Begin with your password.")
        if record.is_on:
            raise Conflict("Two-step sign-in is on.", code="two_step_on")
        await self._take(record, code, is_recovery_good=False)
        await self._store.second_factors.update(user_id, is_on=True)
        return await self._new_codes(user_id)

    async def new_recovery_codes(self, user_id: str, code: str) -> list[str]:
        """Ten new ones in place of those before. Raises NotFound, NotAuthenticated, TooMany."""
        await self._take(await self._on(user_id), code)
        return await self._new_codes(user_id)

    async def turn_off(self, user_id: str, code: str) -> None:
        """Never asked again. Raises NotFound, NotAuthenticated (`wrong_code`), TooMany."""
        await self._take(await self._on(user_id), code)
        await self._store.second_factors.remove(user_id)

    async def reset(self, user_id: str) -> bool:
        """As an admin does for somebody who lost the phone; whether there was one."""
        try:
            await self._store.second_factors.remove(user_id)
        except NotFound:
            return False
        self._wrong.forget(user_id)
        return True

    # --- signing in --------------------------------------------------------------------------

    async def check(self, user_id: str, code: str | None) -> None:
        """After the right password: whether that is enough.

        Raises NotAuthenticated (`second_step_needed`, `wrong_code`), TooMany (`throttled`).
        """
        record = await self.of_user(user_id)
        if record is None:
            return
        if not code:
            raise NotAuthenticated(
                "Now the second step.",
                code="second_step_needed",
                hint="Type the code that your app shows, or a recovery code.",
            )
        await self._take(record, code)

    async def _take(
        self, record: SecondFactorRecord, code: str, *, is_recovery_good: bool = True
    ) -> None:
        """Use a code up. Counted before it is looked at, so that many at once gain nothing."""
        self._wrong.check(record.id, "wrong codes")
        self._wrong.note(record.id)
        if not await self._is_good(record, _plain(code), is_recovery_good=is_recovery_good):
            raise NotAuthenticated(
                "That code is not right, or was used already.",
                code="wrong_code",
                hint="Wait for the next one and try again, or use a recovery code.",
            )
        self._wrong.forget(record.id)

    async def _is_good(
        self, record: SecondFactorRecord, code: str, *, is_recovery_good: bool
    ) -> bool:
        if len(code) == totp.DIGITS and code.isdigit():
            step = totp.step_of(await self._secret(record), code, self._clock.now())
            return step is not None and await self._store.second_factors.use_step(record.id, step)
        if not is_recovery_good:
            return False
        return await self._store.second_factors.use_recovery(record.id, _hashed(record.id, code))

    # --- inside ------------------------------------------------------------------------------

    async def _on(self, user_id: str) -> SecondFactorRecord:
        record = await self.of_user(user_id)
        if record is None:
            raise NotFound("Two-step sign-in is not on.")
        return record

    async def _new_codes(self, user_id: str) -> list[str]:
        # 76 bits each: their plain hashes in a stolen database can be tried out by nobody.
        codes = [f"{short_code()}-{short_code()}" for _ in range(RECOVERY_CODES)]
        hashes = tuple(_hashed(user_id, _plain(code)) for code in codes)
        await self._store.second_factors.update(user_id, recovery=hashes)
        return codes

    async def _secret(self, record: SecondFactorRecord) -> str:
        try:
            return (await self._sealer()).open_text(record.sealed, record.id, _PURPOSE)
        except SealBroken:
            raise InvalidRequest(
                "The hub can no longer open the secret of your two-step sign-in.",
                code="seal_broken",
                hint="Use a recovery code, or ask an admin to reset it.",
            ) from None

    async def _sealer(self) -> Sealer:
        return await asyncio.to_thread(lambda: self._loaded)

    @cached_property
    def _loaded(self) -> Sealer:
        return Sealer(load_keys(self._key_file))


def _plain(code: str) -> str:
    """A code however it was typed."""
    return "".join(char for char in code.upper() if char.isascii() and char.isalnum())[:64]


def _hashed(user_id: str, code: str) -> str:
    return hash_secret(f"{user_id}:{code}")
