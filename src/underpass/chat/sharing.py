"""Shares: a branch of a chat as it is now, to read for users whom its owner names.

What is handed out is a transcript and nothing that leads to a tunnel: no provider, no run, no
file. Whoever is not named meets the same 404 as for a share that never was.
"""

from __future__ import annotations

from collections.abc import Sequence

from underpass.chat.desk import Desk, find_message
from underpass.chat.shapes import Json, message_out
from underpass.chat.tree import branch_to, head_of
from underpass.core.errors import Conflict, InvalidRequest, NotFound
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import UNFINISHED, MessageStatus
from underpass.core.times import iso
from underpass.store import ChatRecord, MessageRecord, ShareRecord, Store


class Sharing:
    """Verbs on shares."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store: Store = desk.store

    async def share(
        self, caller: Principal, chat_id: str, names: Sequence[str], *, leaf_id: str | None = None
    ) -> Json:
        """Shares the branch up to `leaf_id` with these users, in the place of an earlier share.

        Raises InvalidRequest (`user_unknown`, nobody named, an empty chat, a temporary one),
        NotFound.
        """
        chat = await self._desk.own(caller, chat_id)
        if self._desk.memory.holds(chat.id):
            raise InvalidRequest("A temporary chat cannot be shared: it is stored nowhere.")
        user_ids = await self._users(caller, names)
        messages = await self._desk.messages(chat)
        leaf = find_message(messages, leaf_id) if leaf_id else head_of(messages, chat.head_id)
        if leaf is None:
            raise InvalidRequest("There is nothing to share yet.", hint="Write something first.")
        old = await self._store.shares.of_chat(chat.id)
        share = ShareRecord(
            id=old.id if old is not None else new_id("shr"),
            chat_id=chat.id,
            owner_id=caller.user_id,
            title=chat.title,
            leaf_id=leaf.id,
            messages=[_as_shared(message) for message in branch_to(messages, leaf.id)],
            created_at=self._desk.clock.now(),
        )
        try:
            await self._store.shares.put(share, user_ids)
        except Conflict as error:
            raise Conflict(
                "The chat or one of the users went away just now.", hint="Try again."
            ) from error
        await self._desk.publish(chat)
        return await self._shown(caller, share)

    async def get(self, caller: Principal, chat_id: str) -> Json:
        """The share of one of the caller's chats; raises NotFound."""
        return await self._shown(caller, await self._of(await self._desk.own(caller, chat_id)))

    async def stop(self, caller: Principal, chat_id: str) -> None:
        """Ends a share: from now on nobody reads it. Raises NotFound."""
        chat = await self._desk.own(caller, chat_id)
        await self._store.shares.remove((await self._of(chat)).id)
        await self._desk.publish(chat)

    async def list(self, caller: Principal, *, after: str | None = None, limit: int = 100) -> Json:
        """What others share with the caller, newest first."""
        page = await self._store.shares.with_user(caller.user_id, after=after, limit=limit)
        names = {
            owner_id: await self._name(owner_id)
            for owner_id in {share.owner_id for share in page.items}
        }
        items = [_summary(share, names[share.owner_id]) for share in page.items]
        return {"items": items, "next": page.next}

    async def read(self, caller: Principal, share_id: str) -> Json:
        """A transcript, for its owner and the users it names; NotFound for everybody else."""
        share = await self._store.shares.readable(share_id, caller.user_id)
        if share is None:
            raise NotFound(f"There is no share '{share_id[:80]}'.")
        return {**_summary(share, await self._name(share.owner_id)), "messages": share.messages}

    # --- helpers -----------------------------------------------------------------------------

    async def _of(self, chat: ChatRecord) -> ShareRecord:
        share = await self._store.shares.of_chat(chat.id)
        if share is None:
            raise NotFound("This chat is not shared.")
        return share

    async def _users(self, caller: Principal, names: Sequence[str]) -> set[str]:
        """The ids of the users of these names, without the caller's own."""
        ids: set[str] = set()
        for name in dict.fromkeys(names):
            user = await self._store.users.find_by_name(name)
            if user is None:
                raise InvalidRequest(
                    f"There is no user '{name[:80]}' on this hub.",
                    code="user_unknown",
                    hint="Write the names that people sign in with.",
                )
            ids.add(user.id)
        ids.discard(caller.user_id)
        if not ids:
            raise InvalidRequest("Name somebody else to share with.", code="user_unknown")
        return ids

    async def _name(self, user_id: str) -> str:
        user = await self._store.users.find(user_id)
        return user.name if user is not None else ""

    async def _shown(self, caller: Principal, share: ShareRecord) -> Json:
        return {
            **_summary(share, caller.user_name),
            "url": f"/shared/{share.id}",
            "chat_id": share.chat_id,
            "users": list(await self._store.shares.user_names(share.id)),
            "leaf_id": share.leaf_id,
        }


def _summary(share: ShareRecord, owner: str) -> Json:
    created_at = iso(share.created_at)
    return {"id": share.id, "title": share.title, "owner": owner, "created_at": created_at}


def _as_shared(message: MessageRecord) -> Json:
    """A message as others may see it: which model answered, not where it runs."""
    out = message_out(message)
    if message.status in UNFINISHED:
        out["status"] = MessageStatus.STOPPED.value
    private = dict.fromkeys(("provider", "run_id", "error", "waiting"))
    return {**out, **private, "continued_chars": 0}
