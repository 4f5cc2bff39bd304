"""From a request to its Principal, with a cache that revocation empties at once.

A credential is looked up by its hash. What was found is kept for CACHE_S, so that the gateway does
not ask the database for each request, and a change by another process (a second hub, `underpass
admin`) is seen within that time; that a key was revoked or a user disabled, sooner (`elsewhere`).
A change by this process calls `forget` and is seen at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import NotAuthenticated, StorageError
from underpass.core.ids import hash_secret
from underpass.core.principal import ALL_SCOPES, NO_LIMITS, Limits, Principal
from underpass.core.principal import Scope as KeyScope
from underpass.hub.auth.requests import (
    Scope,
    bearer_of,
    check_csrf,
    cookie_of,
    is_https,
    session_cookie,
)
from underpass.store import KeyRecord, LimitsRecord, Store, UserRecord

CACHE_S = 10.0
STALE_S = 300.0
"""How long a known credential is believed while the database does not answer."""
MAX_CACHED = 10_000

_log = structlog.get_logger("underpass.auth")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request was authenticated by. `id` is the key's id or the browser session's."""

    id: str
    principal: Principal
    expires_at: float | None
    checked_at: float

    @property
    def is_browser(self) -> bool:
        """Whether this is a cookie sign-in."""
        return self.principal.key_id is None


class Authenticator:
    """Finds who calls. One per hub process."""

    def __init__(self, store: Store, clock: Clock, *, public_url: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._public_url = public_url
        self._cache: dict[str, Credential] = {}
        self._lookups: dict[str, asyncio.Task[Credential]] = {}
        self._watchers: dict[asyncio.Event, Credential] = {}
        self._used_at: dict[str, float] = {}
        self._seen_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"Authenticator(cached={len(self._cache)}, watchers={len(self._watchers)})"

    async def authenticate(self, scope: Scope) -> Principal:
        """The caller. Raises NotAuthenticated, NotAllowed (`csrf`), StorageError."""
        return (await self.credential(scope)).principal

    async def credential(self, scope: Scope) -> Credential:
        """As `authenticate`, with what it was authenticated by."""
        secret = bearer_of(scope)
        if secret is not None:
            found = await self._cached(hash_secret(secret), is_key=True)
            self._used_at[found.id] = self._clock.now()
            return found
        is_secure = is_https(scope, self._public_url)
        name = session_cookie(is_secure=is_secure)
        cookie = cookie_of(scope, name) if scope["type"] == "http" else None
        if cookie is None:
            raise NotAuthenticated(
                "You are not signed in.",
                hint="Sign in, or send a key: Authorization: Bearer up_….",
            )
        found = await self._cached(hash_secret(cookie), is_key=False)
        check_csrf(scope, self._public_url)
        self._seen_at[found.id] = self._clock.now()
        return found

    @property
    def believes_anything(self) -> bool:
        """Whether there is anything that a change elsewhere could make untrue."""
        return bool(self._cache or self._watchers)

    @property
    def believed_users(self) -> frozenset[str]:
        """Ids of the users whom a request may be answered for without asking the database."""
        known = [*self._cache.values(), *self._watchers.values()]
        return frozenset(one.principal.user_id for one in known)

    # --- ending what was believed ------------------------------------------------------------

    def forget(self, *, user_id: str | None = None, credential_id: str | None = None) -> None:
        """Look these up anew from now on, and end the streams that live on them."""

        def is_meant(one: Credential) -> bool:
            return one.id == credential_id or one.principal.user_id == user_id

        self._cache = {key: one for key, one in self._cache.items() if not is_meant(one)}
        self._lookups.clear()  # an answer that is on its way may be from before the change
        for event, one in self._watchers.items():
            if is_meant(one):
                event.set()

    @contextmanager
    def watch(self, credential: Credential) -> Iterator[asyncio.Event]:
        """An event that is set when the credential should be looked at again."""
        event = asyncio.Event()
        self._watchers[event] = credential
        try:
            yield event
        finally:
            del self._watchers[event]

    async def note_uses(self) -> None:
        """Write down which credentials were used since the last call; called now and then."""
        keys, self._used_at = self._used_at, {}
        seen, self._seen_at = self._seen_at, {}
        try:
            await self._store.keys.note_used(keys)
            await self._store.browser_sessions.note_seen(seen)
        except StorageError as error:
            _log.warning("last use of keys not stored", reason=error.message)

    # --- looking up --------------------------------------------------------------------------

    async def _cached(self, hashed: str, *, is_key: bool) -> Credential:
        known = self._cache.get(hashed)
        age_s = self._clock.monotonic() - known.checked_at if known else 0.0
        if known is None or age_s > CACHE_S:
            try:
                known = await self._look_up_once(hashed, is_key=is_key)
            except StorageError:
                if known is None or age_s > STALE_S:
                    raise
            except NotAuthenticated:
                self._cache.pop(hashed, None)
                raise
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            self._cache.pop(hashed, None)
            raise _expired(is_key=is_key)
        return known

    async def _look_up_once(self, hashed: str, *, is_key: bool) -> Credential:
        """Many requests at once cost one question."""
        task = self._lookups.get(hashed)
        if task is None:
            task = asyncio.create_task(self._look_up(hashed, is_key=is_key))
            self._lookups[hashed] = task
            task.add_done_callback(lambda done: self._looked_up(hashed, done))
        return await asyncio.shield(task)

    def _looked_up(self, hashed: str, task: asyncio.Task[Credential]) -> None:
        is_current = self._lookups.get(hashed) is task
        if is_current:
            del self._lookups[hashed]
        if task.cancelled() or task.exception() is not None or not is_current:
            return
        self._cache.pop(hashed, None)
        self._cache[hashed] = task.result()
        if len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]

    async def _look_up(self, hashed: str, *, is_key: bool) -> Credential:
        return await (self._look_up_key(hashed) if is_key else self._look_up_browser(hashed))

    async def _look_up_key(self, hashed: str) -> Credential:
        key = await self._store.keys.by_hash(hashed)
        if key is None:
            raise NotAuthenticated(
                "This key is not known to the hub.",
                code="key_invalid",
                hint="Check that it was copied whole, or make a new one under Settings, Keys.",
            )
        if key.revoked_at is not None:
            raise NotAuthenticated(
                "This key was revoked.",
                code="key_revoked",
                hint="Make a new one under Settings, Keys.",
            )
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise _expired(is_key=True)
        user = await self._active_user(key.user_id)
        principal = await self._principal(
            user,
            key_id=key.id,
            scopes=frozenset(key.scopes),
            model_allow=key.model_allow,
            key_limits=_limits(key),
        )
        return Credential(key.id, principal, key.expires_at, self._clock.monotonic())

    async def _look_up_browser(self, hashed: str) -> Credential:
        session = await self._store.browser_sessions.find(hashed)
        if session is None or session.expires_at <= self._clock.now():
            raise _expired(is_key=False)
        user = await self._active_user(session.user_id)
        principal = await self._principal(user)
        return Credential(session.id, principal, session.expires_at, self._clock.monotonic())

    async def _active_user(self, user_id: str) -> UserRecord:
        user = await self._store.users.find(user_id)
        if user is None or user.is_disabled:
            raise NotAuthenticated(
                "This user is disabled.", code="user_disabled", hint="Ask an admin of the hub."
            )
        return user

    async def _principal(
        self,
        user: UserRecord,
        *,
        key_id: str | None = None,
        scopes: frozenset[str] = ALL_SCOPES,
        model_allow: tuple[str, ...] | None = None,
        key_limits: Limits = NO_LIMITS,
    ) -> Principal:
        groups = await self._store.groups.of_user(user.id)
        limits = await self._store.limits.of([user.id, *groups])
        return Principal(
            user_id=user.id,
            user_name=user.name,
            is_admin=user.is_admin,
            key_id=key_id,
            scopes=scopes if user.is_admin else scopes - {KeyScope.ADMIN},
            model_allow=model_allow,
            group_ids=frozenset(groups),
            key_limits=key_limits,
            user_limits=_widest(limits.pop(user.id, None), tuple(limits.values())),
        )


def _limits(one: KeyRecord | LimitsRecord) -> Limits:
    """A record's limits; the one object NO_LIMITS where it has none."""
    if one.requests_per_minute is None and one.tokens_per_day is None:
        return NO_LIMITS
    return Limits(one.requests_per_minute, one.tokens_per_day)


def _widest(own: LimitsRecord | None, of_groups: tuple[LimitsRecord, ...]) -> Limits:
    """A user's own limits, or of those of their groups the most generous of each kind."""
    if own is not None:
        return _limits(own)
    if not of_groups:
        return NO_LIMITS
    minutes = [one.requests_per_minute for one in of_groups]
    days = [one.tokens_per_day for one in of_groups]
    return _limits(
        LimitsRecord(id="", requests_per_minute=_most(minutes), tokens_per_day=_most(days))
    )


def _most(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return max(known) if len(known) == len(numbers) else None


def _expired(*, is_key: bool) -> NotAuthenticated:
    if is_key:
        return NotAuthenticated(
            "This key has expired.",
            code="key_expired",
            hint="Make a new one under Settings, Keys.",
        )
    return NotAuthenticated("Your sign-in has ended.", hint="Sign in again.")
