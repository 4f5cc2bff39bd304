"""From the gateway's counts to the day's sums."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from underpass import store as stores
from underpass.core.clock import FakeClock
from underpass.core.errors import StorageError
from underpass.gateway.usage import UsageBook
from underpass.hub.usage import UsageWriter
from underpass.store import Store, UserRecord


class Rig:
    """A book, a writer, and a store with one user."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FakeClock()
        self.book = UsageBook()
        self.writer = UsageWriter(store, self.clock, self.book)

    def use(self, requests: int, user_id: str = "usr_1") -> None:
        counts = self.book.of(user_id, "prv_1")
        counts.requests += requests
        counts.bytes_out += 10 * requests

    async def sums(self) -> list[tuple[str, int, int]]:
        found = await self.store.usage.list(since_day="2000-01-01", until_day="2999-01-01")
        return [(one.day, one.requests, one.bytes_out) for one in found]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Everything real but the clock."""
    store = await stores.open(f"sqlite:///{tmp_path / 'u.db'}")
    await store.users.add(UserRecord(id="usr_1", name="a", display_name="", created_at=1.0))
    yield Rig(store)
    await store.close()


async def test_only_what_is_new_is_added(rig: Rig) -> None:
    """However often it is written, and to the day on which it is written."""
    rig.use(2)
    await rig.writer.flush()
    await rig.writer.flush()
    rig.use(1)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 3, 30)]
    rig.clock.advance(86_400)
    rig.use(1)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 3, 30), ("2023-11-15", 1, 10)]


async def test_what_cannot_be_stored_now_is_stored_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk loses no count."""

    async def full(_: Any) -> None:
        raise StorageError("Full.")

    rig.use(2)
    with monkeypatch.context() as patch:
        patch.setattr(rig.store.usage, "add_all", full)
        await rig.writer.flush()
    rig.use(1)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 3, 30)]


async def test_two_flushes_at_once_count_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the first one fails while the second one waits."""
    add_all, gate = rig.store.usage.add_all, asyncio.Event()

    async def full_at_first(records: Any) -> None:
        monkeypatch.setattr(rig.store.usage, "add_all", add_all)
        await gate.wait()
        raise StorageError("Full.")

    rig.use(2)
    monkeypatch.setattr(rig.store.usage, "add_all", full_at_first)
    first = asyncio.create_task(rig.writer.flush())
    await asyncio.sleep(0)
    rig.use(1)
    second = asyncio.create_task(rig.writer.flush())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, second)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 3, 30)]


async def test_a_deleted_users_counts_are_dropped(rig: Rig) -> None:
    """And keep nobody else's from being stored."""
    rig.use(5, "usr_gone")
    rig.use(1)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 1, 10)]


async def test_a_book_that_began_anew_is_counted_from_nothing(rig: Rig) -> None:
    """It drops pairs when it is full."""
    rig.use(5)
    await rig.writer.flush()
    rig.book._pairs.clear()
    rig.use(2)
    await rig.writer.flush()
    assert await rig.sums() == [("2023-11-14", 7, 70)]
