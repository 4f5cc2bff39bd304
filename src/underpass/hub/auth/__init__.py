"""Who is calling: passwords, browser sessions, keys, device codes, one-time links.

    request ──> Authenticator ──> Principal         every request, from a cache
    SignIns   begins and ends browser sessions       Accounts  users and their passwords
    KeyRing   makes and revokes keys                 DeviceFlow  machines without a browser
    SecondStep  a code besides the password          OpenId  sign-in at an issuer (openid/)

`Auth` holds one of each. Secrets are returned once and stored as hashes; whatever ends one empties
the Authenticator's cache in the same breath.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from underpass.core.clock import Clock
from underpass.core.principal import Principal
from underpass.hub.auth.accounts import Accounts
from underpass.hub.auth.authenticator import Authenticator, Credential
from underpass.hub.auth.device import Attach, DeviceFlow
from underpass.hub.auth.elsewhere import Elsewhere
from underpass.hub.auth.key_ring import KeyRing
from underpass.hub.auth.requests import Scope
from underpass.hub.auth.second_step import SecondStep
from underpass.hub.auth.sign_ins import Browser, SignIns
from underpass.hub.auth.throttle import SignInThrottle
from underpass.store import Store

if TYPE_CHECKING:
    from underpass.config.openid import OpenIdIssuer
    from underpass.hub.auth.openid.service import OpenId

__all__ = ["Accounts", "Auth", "Authenticator", "Browser", "Credential", "KeyRing", "SignIns"]


class Auth:
    """One of each, for one hub process."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        attach: Attach,
        key_file: Path,
        sign_in_s: float = 30 * 86_400.0,
        sign_in_attempts: int = 10,
        public_url: str | None = None,
        hub_name: str = "Underpass",
        on_end: Callable[[str], None] = lambda credential_id: None,
        on_disabled: Callable[[str], None] = lambda user_id: None,
        issuers: Mapping[str, OpenIdIssuer] | None = None,
    ) -> None:
        """`key_file` holds the keys that seal second factors.

        `on_end` is told the id of each key or browser session that was ended, `on_disabled` that of
        each user who was disabled or removed by another process. Raises ConfigError: an issuer's.
        """
        self._store = store
        self._clock = clock
        self._on_end = on_end
        self.on_disabled = on_disabled
        self.authenticator = Authenticator(store, clock, public_url=public_url)
        self.accounts = Accounts(
            store,
            clock,
            SignInThrottle(clock, sign_in_attempts),
            on_change=self._changed,
        )
        self.second_step = SecondStep(store, clock, key_file, hub_name)
        self.sign_ins = SignIns(
            store,
            clock,
            self.accounts,
            self.second_step,
            lifetime_s=sign_in_s,
            on_end=self._ended,
        )
        self.keys = KeyRing(store, clock, on_end=self._ended)
        self.elsewhere = Elsewhere(store, clock, on_key=self._ended, on_user=self._disabled)
        self.device = DeviceFlow(store, clock, self.keys, attach)
        self.openid = self._openid(issuers) if issuers else None

    def _openid(self, issuers: Mapping[str, OpenIdIssuer]) -> OpenId:
        # Authlib takes a fifth of a second and 20 MB that a hub without an issuer has no use for.
        from underpass.hub.auth.openid.service import OpenId

        return OpenId(issuers, self._store, self._clock, self.accounts, self._changed)

    async def close(self) -> None:
        """Ends the connections to issuers."""
        if self.openid is not None:
            await self.openid.close()

    async def authenticate(self, scope: Scope) -> Principal:
        """The caller of an ASGI request. Raises NotAuthenticated, NotAllowed (`csrf`)."""
        return await self.authenticator.authenticate(scope)

    async def tidy(self) -> None:
        """Forget what has expired and store what was noted; called now and then."""
        now = self._clock.now()
        await self.authenticator.note_uses()
        await self._store.browser_sessions.remove_expired(now)
        await self._store.device_codes.remove_expired(now)
        await self._store.one_time_links.remove_expired(now)
        await self._store.openid_flows.remove_expired(now)

    async def look_elsewhere(self) -> None:
        """Ends what another process ended; called twice a second. Raises StorageError."""
        if self.authenticator.believes_anything:
            await self.elsewhere.look(self.authenticator.believed_users)

    def _changed(self, user_id: str) -> None:
        self.authenticator.forget(user_id=user_id)

    def _disabled(self, user_id: str) -> None:
        self.authenticator.forget(user_id=user_id)
        self.on_disabled(user_id)

    def _ended(self, credential_id: str) -> None:
        self.authenticator.forget(credential_id=credential_id)
        self._on_end(credential_id)
