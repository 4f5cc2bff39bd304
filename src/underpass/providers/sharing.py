"""Who may use a custom provider besides its owner, and whose open pages hear of a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from underpass.core.errors import InvalidRequest
from underpass.core.principal import Principal
from underpass.providers import shapes
from underpass.providers.custom import Custom
from underpass.registry.feed import Feed
from underpass.store import GroupRecord, Permission, Store, SubjectKind, UserRecord


class Sharing:
    """Names → permissions → audience."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed

    async def resolve(
        self, caller: Principal, users: Sequence[str], groups: Sequence[str], *, everyone: bool
    ) -> tuple[Permission, ...]:
        """The permissions that these ids or names mean.

        Raises InvalidRequest (`user_unknown`, `group_unknown`); a group that the caller is not in
        is unknown to them, unless they are an admin.
        """
        found = [Permission(SubjectKind.EVERYONE)] if everyone else []
        for word in users:
            user = await self._user(word)
            if user is None:
                raise InvalidRequest(f"There is no user '{word[:80]}'.", code="user_unknown")
            found.append(Permission(SubjectKind.USER, user.id))
        for word in groups:
            group = await self._group(word)
            if group is None or not (caller.acts_as_admin or group.id in caller.group_ids):
                raise InvalidRequest(
                    f"You are in no group '{word[:80]}'.",
                    code="group_unknown",
                    hint="Share with one of your groups; an admin can share with any.",
                )
            found.append(Permission(SubjectKind.GROUP, group.id))
        return tuple(sorted(set(found)))

    async def shape(self, permissions: Sequence[Permission]) -> dict[str, Any]:
        """As the API shows them: who is still there, by id and name."""
        users, groups = [], []
        for one in permissions:
            if one.kind is SubjectKind.USER:
                user = await self._store.users.find(one.subject_id)
                users += [{"id": user.id, "name": user.name}] if user is not None else []
            elif one.kind is SubjectKind.GROUP:
                group = await self._store.groups.find(one.subject_id)
                groups += [{"id": group.id, "name": group.name}] if group is not None else []
        everyone = any(one.kind is SubjectKind.EVERYONE for one in permissions)
        return {"users": users, "groups": groups, "everyone": everyone}

    async def announce(
        self,
        custom: Custom,
        before: Sequence[Permission] = (),
        *,
        is_owner_told: bool = True,
    ) -> None:
        """Pushes the provider to its owner's pages; others who may see it, or might, look anew."""
        owner_id = custom.record.owner_id
        if is_owner_told:
            self._feed.publish(owner_id, "provider", "upsert", shapes.managed(custom))
        everyone = [*custom.permissions, *before]
        if any(one.kind is SubjectKind.EVERYONE for one in everyone):
            self._feed.resync()
            return
        audience = {one.subject_id for one in everyone if one.kind is SubjectKind.USER}
        for one in everyone:
            if one.kind is SubjectKind.GROUP:
                audience.update(await self._store.groups.members(one.subject_id))
        self._feed.resync(audience - {owner_id})

    async def _user(self, word: str) -> UserRecord | None:
        return await self._store.users.find(word) or await self._store.users.find_by_name(word)

    async def _group(self, word: str) -> GroupRecord | None:
        return await self._store.groups.find(word) or await self._store.groups.find_by_name(word)
