"""Changes reach the owner's open pages, and a sleeping page costs nothing."""

import asyncio

import pytest

from underpass.registry.feed import Feed, FeedEvent


async def test_a_change_reaches_every_page_of_its_owner_only() -> None:
    """Two tabs of ann get it in order; bob gets nothing."""
    feed = Feed()
    with feed.watch("ann") as one, feed.watch("ann") as two, feed.watch("bob") as other:
        feed.publish("ann", "tunnel", "upsert", {"id": "tun_1"})
        feed.publish("ann", "tunnel", "delete", {"id": "tun_1"})
        feed.publish("bob", "chat", "upsert", {"id": "cht_1"})
        for watcher in (one, two):
            assert [(await anext(watcher)).op for _ in range(2)] == ["upsert", "delete"]
        assert (await anext(other)).kind == "chat"
    assert feed.watcher_count == 0


def test_a_position_is_of_ones_own_changes() -> None:
    """It moves with what is published to her, whether or not a page is open, and with nothing else."""
    feed = Feed()
    assert feed.position("ann") == 0
    feed.publish("ann", "chat", "upsert", {})
    feed.publish("bob", "chat", "upsert", {})
    assert (feed.position("ann"), feed.position("bob")) == (1, 2)
    feed.publish("ann", "chat", "upsert", {})
    assert feed.position("ann") == 3
    feed.resync(["bob"])
    with feed.watch("bob"):
        feed.resync(["bob"])
    assert feed.position("bob") == 5


def test_positions_go_on_after_a_restart() -> None:
    """A page that read a chat from the hub of before is behind the first snapshot of this one."""
    assert Feed(first=7).position("ann") == 7


async def test_a_waiting_reader_is_woken() -> None:
    """Who waits gets the next change at once, and cancelling a wait loses none."""
    feed = Feed()
    with feed.watch("ann") as watcher:
        wait = asyncio.ensure_future(anext(watcher))
        await asyncio.sleep(0)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        wait = asyncio.ensure_future(anext(watcher))
        await asyncio.sleep(0)
        feed.publish("ann", "session", "upsert", {"id": "ses_1"})
        assert await wait == FeedEvent(1, "session", "upsert", {"id": "ses_1"})


async def test_a_page_that_lags_is_told_to_start_again() -> None:
    """Over the bound the queue becomes one resync; what comes after it still arrives."""
    feed = Feed(max_waiting=3)
    with feed.watch("ann") as watcher:
        for number in range(4):
            feed.publish("ann", "run", "upsert", {"n": number})
        feed.publish("ann", "run", "upsert", {"n": 4})
        assert (await anext(watcher)).op == "resync"
        assert (await anext(watcher)).item == {"n": 4}
        assert "waiting=0, open" in repr(watcher)


async def test_a_closed_watcher_ends_after_what_is_queued() -> None:
    """The hub closes it on shutdown: the reader gets the rest and then the end."""
    feed = Feed()
    watcher = feed.watch("ann")
    feed.publish("ann", "run", "upsert", {})
    watcher.close()
    watcher.close()
    feed.publish("ann", "run", "upsert", {})
    assert [event.seq async for event in watcher] == [1]
    assert "closed" in repr(watcher)


async def test_sequence_numbers_grow_even_when_nobody_watches() -> None:
    """A page can see from the number that it missed something."""
    feed = Feed()
    feed.publish("ann", "run", "upsert", {})
    with feed.watch("ann") as watcher:
        feed.publish("ann", "run", "upsert", {})
        assert (await anext(watcher)).seq == 2
    assert repr(feed) == "Feed(seq=2, watchers=0)"
