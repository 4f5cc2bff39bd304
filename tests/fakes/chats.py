"""A chat service on a real store, with a scripted door: what chat's tests work with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.door import FakeDoor, ScriptedAnswer
from tests.fakes.registry import ANN, BOB, tunnel
from underpass.chat.log import LogEvent
from underpass.chat.run import Run
from underpass.chat.service import Chats, NewMessage
from underpass.core.principal import Principal
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.store import Store, UserRecord
from underpass.store import open as open_store


class ChatRig:
    """ann and bob, ann's provider `gpu` with the model `m`, and one hub's chat service."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry
        self.feed = Feed()
        self.door = FakeDoor()
        self.chats = Chats(store, registry, self.feed, self.door)

    async def chat(self, **fields: Any) -> str:
        """The id of a new chat of ann's."""
        return str((await self.chats.create(ANN, **{"model": "gpu/m", **fields}))["id"])

    async def send(self, chat_id: str, content: str | None = "hi", **fields: Any) -> dict[str, Any]:
        """What sending says; `parent_id` only if it is given."""
        new = NewMessage(content, has_parent="parent_id" in fields, **fields)
        return await self.chats.send(ANN, chat_id, new)

    async def ask(self, content: str = "hi") -> tuple[Run, ScriptedAnswer]:
        """A run in a new chat, and the answer that the test writes."""
        sent = await self.send(await self.chat(), content)
        return self.run(sent["run"]["id"]), await self.door.answer()

    def run(self, run_id: str) -> Run:
        """The run in memory."""
        found = self.chats.runs.held(run_id)
        assert found is not None
        return found

    async def events(self, run_id: str, after: int = 0) -> list[LogEvent]:
        """Everything that a watcher gets until the end."""
        watching = await self.chats.runs.watch(ANN, run_id, after)
        async with asyncio.timeout(10):
            return [event async for event in watching]

    async def stored(self, run: Run) -> None:
        """Returns when the run's end is in the store."""
        async with asyncio.timeout(10):
            await run.wait()


@asynccontextmanager
async def open_rig(path: Path) -> AsyncIterator[ChatRig]:
    """A rig on the database in `path`: twice on one path is a hub that was restarted."""
    store = await open_store(f"sqlite:///{path}/hub.db")
    registry = Registry()
    registry.put_provider(tunnel("gpu", "m"))
    for user in (ANN, BOB):
        if await store.users.find(user.user_id) is None:
            await store.users.add(_user(user))
    rig = ChatRig(store, registry)
    await rig.chats.load()
    try:
        yield rig
    finally:
        await rig.chats.close()
        await store.close()


def _user(user: Principal) -> UserRecord:
    return UserRecord(
        id=user.user_id,
        name=user.user_name,
        display_name=user.user_name.title(),
        password_hash=None,
        created_at=1.0,
    )


def text_of(events: list[LogEvent]) -> str:
    """The answer's text, as a watcher puts it together."""
    return "".join(event.data.get("text", "") for event in events)
