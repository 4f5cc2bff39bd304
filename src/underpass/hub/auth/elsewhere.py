"""Revocations by another process (a second hub, `underpass admin`), seen within a second.

Three small questions to the database every half second, and none while nobody is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from underpass.core.clock import Clock
from underpass.store import Store

LOOK_S = 0.5
OVERLAP_S = 30.0
"""Looked back so far: another machine's clock may be behind, and its commit late."""


class Elsewhere:
    """Tells of each key and user once. State: who has been told of."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        on_key: Callable[[str], None],
        on_user: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_key = on_key
        self._on_user = on_user
        self._since = clock.now()
        self._keys: frozenset[str] = frozenset()
        self._users: frozenset[str] = frozenset()

    async def look(self, believed: Collection[str] = ()) -> None:
        """Looks once; `believed` are ids of users who must still be there. Raises StorageError."""
        now = self._clock.now()
        revoked = await self._store.keys.revoked_since(self._since - OVERLAP_S)
        disabled = await self._store.users.disabled()
        for key_id in revoked - self._keys:
            self._on_key(key_id)
        for user_id in disabled - self._users:
            self._on_user(user_id)
        for user_id in await self._store.users.missing(believed):
            self._on_user(user_id)
        self._keys, self._users, self._since = revoked, disabled, now
