"""`/api/events` over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.hub.conftest import Browser, RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.core.sse import SseDecoder, SseEvent
from underpass.store import UserRecord


class Watch:
    """An open page's stream of events."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self._decoder = SseDecoder()
        self._events: list[SseEvent] = []
        self.raw = b""

    async def next(self) -> tuple[str, Any]:
        """The next event's name and data."""
        async with asyncio.timeout(10):
            while not self._events:
                chunk = await self.answer.content.readany()
                assert chunk, "the stream ended"
                self.raw += chunk
                self._events += self._decoder.feed(chunk)
        event = self._events.pop(0)
        return event.name, json.loads(event.data)

    async def ends(self) -> bool:
        """Whether the stream is over, soon."""
        async with asyncio.timeout(10):
            return await self.answer.content.readany() == b""


@asynccontextmanager
async def watch(browser: Browser) -> AsyncIterator[Watch]:
    """Opens the stream."""
    url = f"{browser.url}/api/events"
    async with browser.http.get(url, headers=browser.headers) as answer:
        assert answer.status == 200
        yield Watch(answer)


async def test_a_snapshot_then_each_change(hub: RunningHub, alice: UserRecord) -> None:
    """What is there first, then what changes, in order, and only one's own."""
    browser = await hub.browser(alice.name)
    async with watch(browser) as events:
        assert events.answer.headers["Content-Type"].startswith("text/event-stream")
        assert events.answer.headers["X-Accel-Buffering"] == "no"
        name, snapshot = await events.next()
        assert name == "snapshot"
        assert snapshot.pop("position") == hub.services.feed.position(alice.id)
        assert snapshot == {"sessions": [], "tunnels": [], "providers": [], "clusters": []}
        hub.services.feed.publish("usr_other", "session", "upsert", {"id": "ses_secret"})
        hub.services.feed.publish(alice.id, "session", "upsert", {"id": "ses_1"})
        hub.services.feed.publish(alice.id, "session", "delete", {"id": "ses_1"})
        assert await events.next() == ("session", {"op": "upsert", "item": {"id": "ses_1"}})
        assert await events.next() == ("session", {"op": "delete", "item": {"id": "ses_1"}})
        assert b"ses_secret" not in events.raw


async def test_a_page_that_slept_gets_a_new_snapshot(hub: RunningHub, alice: UserRecord) -> None:
    """Too many changes at once are not queued for ever."""
    browser = await hub.browser(alice.name)
    async with watch(browser) as events:
        await events.next()
        before = hub.services.feed.position(alice.id)
        for number in range(300):
            hub.services.feed.publish(alice.id, "session", "upsert", {"id": f"ses_{number}"})
        names = []
        while "snapshot" not in names:
            name, data = await events.next()
            names.append(name)
        assert len(names) < 300
        # What it tells of next is the first change after it: each moved the position by one.
        _, after = await events.next()
        assert after["item"] == {"id": f"ses_{data['position'] - before}"}


async def test_a_chat_tells_whether_it_was_read_before_a_stream_began(
    hub: RunningHub, alice: UserRecord
) -> None:
    """A message that came between the two is in neither, and the positions say so."""
    browser = await hub.browser(alice.name)
    path = f"/api/chats/{(await browser.post('/api/chats', {})).json()['id']}"

    async def beginning() -> int:
        async with watch(browser) as events:
            return int((await events.next())[1]["position"])

    read = (await browser.get(path)).json()["feed_position"]
    assert await beginning() == read
    await browser.patch(path, {"title": "Tea"})
    assert await beginning() > read
    hub.services.feed.publish("usr_other", "session", "upsert", {"id": "ses_secret"})
    assert (await browser.get(path)).json()["feed_position"] == await beginning()


async def test_signing_out_ends_the_stream(hub: RunningHub, alice: UserRecord) -> None:
    """At once, with a word why; nothing of later changes is seen."""
    browser = await hub.browser(alice.name)
    async with watch(browser) as events:
        await events.next()
        await browser.post("/api/auth/sign-out")
        assert await events.next() == ("end", {"reason": "signed_out"})
        assert await events.ends()
    assert hub.services.feed.watcher_count == 0


async def test_revoking_a_key_ends_its_stream(hub: RunningHub, alice: UserRecord) -> None:
    """A program is no different."""
    key, secret = await hub.services.auth.keys.create(alice.id, name="k", scopes=["read"])
    async with watch(await hub.program(secret)) as events:
        await events.next()
        await hub.services.auth.keys.revoke(key.id)
        assert await events.next() == ("end", {"reason": "signed_out"})


async def test_silence_is_filled(tmp_path: Path) -> None:
    """Proxies cut silent streams; a comment keeps this one, and looks at the sign-in again."""
    async with running_hub(tmp_path / "data", keepalive_s=0.05) as hub:
        alice = await hub.user("alice")
        browser = await hub.browser(alice.name)
        async with watch(browser) as events:
            await events.next()
            while b": keepalive" not in events.raw:
                async with asyncio.timeout(5):
                    events.raw += await events.answer.content.readany()
            # Another process (a second hub, `underpass admin`) signs her out: seen in a while.
            await hub.services.store.browser_sessions.remove_of_user(alice.id)
            hub.services.auth.authenticator._cache.clear()
            assert (await events.next())[0] == "end"


async def test_a_page_that_closes_leaves_nothing_behind(hub: RunningHub, alice: UserRecord) -> None:
    """No watcher stays for a tab that is gone."""
    browser = await hub.browser(alice.name)
    async with watch(browser) as events:
        await events.next()
        assert hub.services.feed.watcher_count == 1
        events.answer.close()
    await eventually_async(lambda: hub.services.feed.watcher_count == 0, 5, "no watcher")


async def test_a_stopping_hub_says_goodbye(tmp_path: Path) -> None:
    """A page is told, so that it comes back by itself, and the hub does not wait for it."""
    async with running_hub(tmp_path / "data") as hub:
        alice = await hub.user("alice")
        browser = await hub.browser(alice.name)
        async with watch(browser) as events:
            await events.next()
            hub.hub.begin_stop()
            assert await events.next() == ("end", {"reason": "hub_stopping"})


async def test_the_gateways_keys_see_no_events(hub: RunningHub, alice: UserRecord) -> None:
    """It takes the scope `read`."""
    program = await hub.program(await hub.key(alice, "gateway"))
    assert (await program.get("/api/events")).code == "scope_missing"
