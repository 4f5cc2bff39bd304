"""Keys for programs: made once, shown once, revoked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from underpass.core.clock import Clock
from underpass.core.errors import InvalidRequest, NotFound
from underpass.core.ids import hash_secret, new_id, new_secret
from underpass.core.principal import ALL_SCOPES, NO_LIMITS, Limits
from underpass.store import KeyRecord, Store

SHOWN_CHARS = 10
"""How much of a key stays readable, so that a person recognises it: `up_` and 42 of 256 bits."""
MAX_NAME_CHARS = 100


def _nobody_listens(key_id: str) -> None:
    del key_id


class KeyRing:
    """The keys of all users. `on_end` is told the id of each key that was revoked."""

    def __init__(
        self, store: Store, clock: Clock, on_end: Callable[[str], None] = _nobody_listens
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_end = on_end

    async def create(
        self,
        user_id: str,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: float | None = None,
        model_allow: Sequence[str] | None = None,
        limits: Limits = NO_LIMITS,
    ) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is stored nowhere. Raises InvalidRequest."""
        unknown = sorted(set(scopes) - ALL_SCOPES)
        if unknown or not scopes:
            raise InvalidRequest(
                f"There is no scope '{unknown[0]}'." if unknown else "A key needs a scope.",
                code="scope_unknown",
                hint=f"Choose from: {', '.join(sorted(ALL_SCOPES))}.",
            )
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidRequest("The key would have expired already.", code="expiry_in_the_past")
        secret = new_secret("up_")
        key = KeyRecord(
            id=new_id("key"),
            user_id=user_id,
            name=name.strip()[:MAX_NAME_CHARS] or "key",
            hash=hash_secret(secret),
            prefix=secret[:SHOWN_CHARS],
            scopes=tuple(sorted(set(scopes))),
            model_allow=None if model_allow is None else tuple(model_allow),
            created_at=now,
            expires_at=expires_at,
            requests_per_minute=limits.requests_per_minute,
            tokens_per_day=limits.tokens_per_day,
        )
        return await self._store.keys.add(key), secret

    async def of_user(self, user_id: str, key_id: str) -> KeyRecord:
        """One of a user's keys. Raises NotFound, for a stranger's too."""
        key = await self._store.keys.find(key_id)
        if key is None or key.user_id != user_id:
            raise NotFound("There is no such key.")
        return key

    async def revoke(self, key_id: str) -> KeyRecord:
        """End a key; again is fine. Raises NotFound."""
        key = await self._store.keys.get(key_id)
        if key.revoked_at is None:
            key = await self._store.keys.update(key_id, revoked_at=self._clock.now())
        self._on_end(key_id)
        return key
