"""Which user a person is, and what an issuer's word changes about that user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from underpass.config.openid import OpenIdIssuer
from underpass.core.clock import Clock
from underpass.core.errors import Conflict, NotFound
from underpass.core.ids import new_id
from underpass.core.names import checked_name, suggest_name
from underpass.hub.auth.accounts import Accounts
from underpass.hub.auth.openid.person import Person
from underpass.hub.auth.openid.words import refused
from underpass.store import GroupRecord, IdentityRecord, Store, UserRecord

MAX_NAME_TRIES = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """A user who has come by an issuer, and what that changed."""

    user: UserRecord
    is_new: bool = False
    is_linked: bool = False
    """A user who was here before is known to this issuer from now on."""
    has_new_groups: bool = False
    has_new_rights: bool = False


class People:
    """Finds, links and makes users. One sign-in at a time, so that two tabs make one user."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        on_change: Callable[[str], None],
        *,
        linking: frozenset[str],
    ) -> None:
        """`linking` are the issuers whose verified addresses open accounts."""
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._on_change = on_change
        self._linking = linking
        self._turn = asyncio.Lock()

    async def arrive(self, person: Person, settings: OpenIdIssuer, label: str) -> Arrival:
        """The user of a person, with groups and rights as the issuer has them now.

        Raises SignInRefused: disabled, no account and none is made, an address that is taken.
        """
        async with self._turn:
            identity = await self._store.identities.of_subject(person.issuer, person.subject)
            is_new = is_linked = False
            if identity is None:
                user, is_new = await self._first_time(person, settings, label)
                is_linked = not is_new
                try:
                    identity = await self._remember(user, person)
                except Conflict:
                    # Another hub process was faster: this is who that one found or made.
                    identity = await self._known_after_all(user, person, is_new=is_new)
                    is_new = is_linked = False
            user = await self._store.users.get(identity.user_id)
            if user.is_disabled:
                raise refused("user_disabled", label)
            has_new_rights = await self._set_rights(user, identity, person)
            has_new_groups = await self._set_groups(user, person)
            await self._note_email(user, person)
            await self._store.identities.update(identity.id, last_used_at=self._clock.now())
            if has_new_rights or has_new_groups:
                self._on_change(user.id)
            return Arrival(
                await self._store.users.get(user.id),
                is_new,
                is_linked,
                has_new_groups,
                has_new_rights,
            )

    async def _first_time(
        self, person: Person, settings: OpenIdIssuer, label: str
    ) -> tuple[UserRecord, bool]:
        known = None
        if person.email is not None:
            known = await self._store.users.find_by_email(person.email)
        if known is not None:
            if not settings.link_by_address or not await self._may_be_linked(known):
                raise refused("openid_address_taken", label)
            if known.is_disabled:
                raise refused("user_disabled", label)
            return known, False
        if not settings.new_accounts:
            raise refused("openid_no_account", label)
        return await self._new_user(person, label), True

    async def _may_be_linked(self, known: UserRecord) -> bool:
        """Whether a trusted issuer's verified address is enough for this account.

        Not where a code is asked for beside the password. And not where an issuer that is not trusted with
        addresses knows the user: the address may be that one's word, put there to catch its owner.
        """
        factor = await self._store.second_factors.find(known.id)
        if factor is not None and factor.is_on:
            return False
        identities = await self._store.identities.of_user(known.id)
        return all(identity.issuer in self._linking for identity in identities)

    async def _new_user(self, person: Person, label: str) -> UserRecord:
        taken: list[str] = []
        while len(taken) < MAX_NAME_TRIES:
            name = suggest_name(person.wished_name, taken)
            try:
                return await self._accounts.create(
                    name, password=None, display_name=person.display_name, email=person.email
                )
            except Conflict as error:
                if error.code != "name_taken":
                    break
                taken.append(name)
        raise refused("openid_address_taken", label)

    async def _remember(self, user: UserRecord, person: Person) -> IdentityRecord:
        now = self._clock.now()
        identity = IdentityRecord(
            id=new_id("idn"),
            user_id=user.id,
            issuer=person.issuer,
            subject=person.subject,
            created_at=now,
            last_used_at=now,
        )
        return await self._store.identities.add(identity)

    async def _known_after_all(
        self, user: UserRecord, person: Person, *, is_new: bool
    ) -> IdentityRecord:
        found = await self._store.identities.of_subject(person.issuer, person.subject)
        if is_new:
            await self._store.users.remove(user.id)
        if found is None:
            raise Conflict("Two sign-ins met.", hint="Sign in again.")
        return found

    async def _set_rights(self, user: UserRecord, identity: IdentityRecord, person: Person) -> bool:
        """Takes back only what this issuer gave. That may leave the hub without an admin: the
        issuer says who may, and `underpass admin` helps on the hub's own machine."""
        if person.is_admin == user.is_admin or (user.is_admin and not identity.made_admin):
            return False
        await self._store.users.update(user.id, is_admin=person.is_admin)
        await self._store.identities.update(identity.id, made_admin=person.is_admin)
        return True

    async def _set_groups(self, user: UserRecord, person: Person) -> bool:
        ids = [await self._group_id(name) for name in person.groups]
        return await self._store.groups.set_claimed(user.id, person.issuer, tuple(ids))

    async def _group_id(self, name: str) -> str:
        found = await self._store.groups.find_by_name(name)
        if found is None:
            group = GroupRecord(
                id=new_id("grp"), name=checked_name(name), created_at=self._clock.now()
            )
            try:
                found = await self._store.groups.add(group)
            except Conflict:  # another hub process made it just now
                found = await self._store.groups.by_name(name)
        return found.id

    async def _note_email(self, user: UserRecord, person: Person) -> None:
        """A verified address becomes the user's, unless it is somebody's already."""
        if person.email is None or user.email == person.email:
            return
        try:
            await self._store.users.update(user.id, email=person.email)
        except (Conflict, NotFound):
            pass
