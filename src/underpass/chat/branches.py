"""What can be done with a part of a chat: delete a message with its branch, have it back, fork."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from underpass.chat.desk import Desk, find_message
from underpass.chat.shapes import Json, message_out
from underpass.chat.tree import below, branch_to, head_without, newest_leaf
from underpass.core.errors import Conflict, NotFound
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import UNFINISHED, MessageStatus
from underpass.store import MessageRecord


class Branches:
    """Verbs on branches. Each raises NotFound for what is not the caller's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def delete(self, caller: Principal, chat_id: str, message_id: str) -> None:
        """Deletes a message and all below it; stops what writes there."""
        chat = await self._desk.own(caller, chat_id)
        messages = await self._desk.messages(chat)
        message = find_message(messages, message_id)
        ids = below(messages, message.id)
        # First its end, then the deletion: an end that came later would show the message again.
        await self._desk.runs.stop_messages(set(ids))
        left = [one for one in messages if one.id not in set(ids)]
        head_id = head_without(left, message, chat.head_id)
        await self._desk.shelf(chat).set_deleted(
            chat.id, ids, at=self._desk.clock.now(), head_id=head_id
        )
        self._desk.publish_removed(chat, ids)
        await self._desk.publish(replace(chat, head_id=head_id))

    async def restore(self, caller: Principal, chat_id: str, message_id: str) -> Json:
        """Has a deleted message back, with what was deleted together with it; `{"items"}`.

        Raises Conflict where the message above it is deleted itself.
        """
        chat = await self._desk.own(caller, chat_id)
        deleted = await self._desk.shelf(chat).deleted_messages(chat.id)
        message = next((one for one in deleted if one.id == message_id), None)
        if message is None:
            raise NotFound(
                f"There is no deleted message '{message_id[:80]}' in this chat.",
                hint="A message can be had back for ten minutes.",
            )
        if any(one.id == message.parent_id for one in deleted):
            raise Conflict("The message above it is deleted.", hint="Restore that one first.")
        together = [one for one in deleted if one.deleted_at == message.deleted_at]
        ids = set(below(together, message.id))
        back = _sorted(replace(one, deleted_at=None) for one in together if one.id in ids)
        leaf = newest_leaf(back, message.id) or message
        await self._desk.shelf(chat).set_deleted(
            chat.id, [one.id for one in back], at=None, head_id=leaf.id
        )
        self._desk.publish_messages(chat, back)
        await self._desk.publish(replace(chat, head_id=leaf.id))
        return {"items": [message_out(one) for one in back], "next": None}

    async def fork(self, caller: Principal, chat_id: str, message_id: str) -> Json:
        """A new chat that holds the branch up to a message, with its messages."""
        chat = await self._desk.own(caller, chat_id)
        messages = await self._desk.messages(chat)
        branch = branch_to(messages, find_message(messages, message_id).id)
        now = self._desk.clock.now()
        fork = replace(
            chat,
            id=new_id("cht"),
            created_at=now,
            updated_at=now,
            is_pinned=False,
            archived_at=None,
        )
        copies = _copies(branch, fork.id)
        fork = replace(fork, head_id=copies[-1].id)
        await self._desk.shelf(chat).add(fork, copies)
        shown = [message_out(message) for message in copies]
        return {**await self._desk.publish(fork), "messages": shown}


def _copies(branch: list[MessageRecord], chat_id: str) -> list[MessageRecord]:
    """The branch for another chat; an answer that is being written is there as far as it came."""
    copies: list[MessageRecord] = []
    for message in branch:
        is_unfinished = message.status in UNFINISHED
        copies.append(
            replace(
                message,
                id=new_id("msg"),
                chat_id=chat_id,
                parent_id=copies[-1].id if copies else None,
                run_id=None,
                continued_chars=0,
                status=MessageStatus.STOPPED if is_unfinished else message.status,
            )
        )
    return copies


def _sorted(messages: Iterable[MessageRecord]) -> list[MessageRecord]:
    return sorted(messages, key=lambda message: (message.created_at, message.id))
