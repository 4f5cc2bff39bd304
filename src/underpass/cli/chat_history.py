"""What a chat that is taken up again has said so far, as the terminal shows it."""

from __future__ import annotations

import sys
from typing import Any

from underpass.cli.answer import printable
from underpass.cli.client import HubClient
from underpass.cli.output import note
from underpass.core.errors import NotFound

LAST = "last"
MOST_SHOWN = 20
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


async def resolved(client: HubClient, chat_id: str) -> str:
    """A chat's id; `last` is the one that was used last. Raises NotFound."""
    if chat_id != LAST:
        return chat_id
    # Pinned ones stand first in the list, whenever they were used.
    chats = await client.items("/api/chats", archived="all")
    if not chats:
        raise NotFound("You have no chat yet.", hint="Leave --chat out to begin one.")
    return str(max(chats, key=lambda chat: chat["updated_at"])["id"])


def branch_of(chat: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that the chat shows, from the first down to the newest."""
    by_id = {message["id"]: message for message in chat["messages"]}
    parents = {message["parent_id"] for message in chat["messages"]}
    leaves = [message["id"] for message in chat["messages"] if message["id"] not in parents]
    next_id = chat.get("head_id") or (leaves[-1] if leaves else None)
    branch: list[dict[str, Any]] = []
    while next_id in by_id:
        branch.append(by_id.pop(next_id))
        next_id = branch[-1]["parent_id"]
    return branch[::-1]


def show(chat: dict[str, Any]) -> None:
    """Prints the end of the branch: questions behind the prompt's sign, answers as they are."""
    branch = branch_of(chat)
    title = chat["title"] or "A chat without a title"
    note(printable(f"{title} · {len(branch)} messages"))
    if len(branch) > MOST_SHOWN:
        note(f"… {len(branch) - MOST_SHOWN} earlier ones are not shown.")
    dim, plain = (_DIM, _PLAIN) if sys.stdout.isatty() else ("", "")
    for message in branch[-MOST_SHOWN:]:
        files = "".join(f"[{file['name']}] " for file in message.get("attachments") or ())
        text = printable(files + message["content"])
        if message["role"] == "user":
            print(f"{dim}> {text}{plain}")
        elif text:
            print(text)
        error = message.get("error")
        if error:
            note(printable(f"underpass: {error['message']}"))
