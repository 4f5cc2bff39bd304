"""A chat is a tree of messages; here is how one moves in it. Pure.

Every function takes messages oldest first, and bears a tree that is damaged: a circle, or a
parent that is gone, makes nobody run in circles.
"""

from __future__ import annotations

from collections.abc import Sequence

from underpass.store import MessageRecord


def branch_to(messages: Sequence[MessageRecord], leaf_id: str | None) -> list[MessageRecord]:
    """The messages from the root down to `leaf_id`; empty for None."""
    by_id = {message.id: message for message in messages}
    branch: list[MessageRecord] = []
    while leaf_id is not None and leaf_id in by_id:
        branch.append(by_id.pop(leaf_id))
        leaf_id = branch[-1].parent_id
    branch.reverse()
    return branch


def below(messages: Sequence[MessageRecord], root_id: str) -> list[str]:
    """The ids of a message and of everything under it, parents first."""
    children: dict[str | None, list[str]] = {}
    for message in messages:
        children.setdefault(message.parent_id, []).append(message.id)
    found, seen = [root_id], {root_id}
    for message_id in found:
        for child in children.get(message_id, ()):
            if child not in seen:
                seen.add(child)
                found.append(child)
    return found


def newest_leaf(
    messages: Sequence[MessageRecord], under: str | None = None
) -> MessageRecord | None:
    """The newest message that nothing is under, of all or of those at and below `under`."""
    parents = {message.parent_id for message in messages}
    wanted = None if under is None else set(below(messages, under))
    for message in reversed(messages):
        if message.id not in parents and (wanted is None or message.id in wanted):
            return message
    return None


def head_of(messages: Sequence[MessageRecord], head_id: str | None) -> MessageRecord | None:
    """The end of the branch that was shown last: below `head_id`, or the newest of all."""
    is_there = any(message.id == head_id for message in messages)
    return newest_leaf(messages, head_id if is_there else None)


def head_without(
    messages: Sequence[MessageRecord], gone: MessageRecord, head_id: str | None
) -> str | None:
    """The head once `gone` and what was under it are no longer among `messages`.

    A head that is still there stays; else it is the newest message beside the one that is gone,
    else the one above it.
    """
    if any(message.id == head_id for message in messages):
        return head_id
    is_parent_there = any(message.id == gone.parent_id for message in messages)
    leaf = newest_leaf(messages, gone.parent_id if is_parent_there else None)
    return leaf.id if leaf is not None else None
