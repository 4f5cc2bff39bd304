"""`/api/runs`: live, resumable, stoppable, and its owner's alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model import ScriptedModel, Speaker, scripted_model
from tests.hub.conftest import Browser, RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.chat.log import LogEvent
from underpass.core.sse import SseDecoder, SseEvent
from underpass.core.states import ProviderStatus
from underpass.hub.api.runs import encode
from underpass.store import UserRecord


@pytest.fixture
async def model(hub: RunningHub, alice: UserRecord) -> AsyncIterator[ScriptedModel]:
    """alice's model, which says what the test says."""
    async with scripted_model(hub.services, alice) as model:
        model.is_scripted = True
        yield model


@pytest.fixture
async def page(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's browser."""
    return await hub.browser("alice")


async def ask(page: Browser, model: ScriptedModel) -> tuple[str, Speaker]:
    """The id of a run, and the one who speaks in it."""
    chat = (await page.post("/api/chats", {"model": "gpu/m"})).json()["id"]
    sent = await page.post(f"/api/chats/{chat}/messages", {"content": "hi"})
    return str(sent.json()["run"]["id"]), await model.asked()


class Tab:
    """One open page that watches a run."""

    def __init__(self, page: Browser, run: str, last_event_id: str | None = None) -> None:
        self.events: list[SseEvent] = []
        self.headers: Mapping[str, str] = {}
        self.is_over = False
        self._task = asyncio.create_task(self._watch(page, run, last_event_id))

    @property
    def text(self) -> str:
        """What the tab has shown."""
        deltas = [json.loads(one.data) for one in self.events if one.name == "delta"]
        return "".join(one.get("text", "") for one in deltas)

    async def end(self) -> dict[str, Any]:
        """The finished message."""
        await asyncio.wait_for(self._task, 10)
        assert self.events[-1].name == "end"
        message: dict[str, Any] = json.loads(self.events[-1].data)["message"]
        return message

    async def close(self) -> None:
        """The tab goes away."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self, page: Browser, run: str, last_event_id: str | None) -> None:
        sent = dict(page.headers)
        if last_event_id is not None:
            sent["Last-Event-ID"] = last_event_id
        decoder = SseDecoder()
        async with page.http.get(f"{page.url}/api/runs/{run}/events", headers=sent) as answer:
            assert answer.status == 200, await answer.text()
            self.headers = answer.headers
            async for chunk in answer.content.iter_any():
                self.events += decoder.feed(chunk)
        self.is_over = True


async def test_two_tabs_a_reload_and_a_phone(page: Browser, model: ScriptedModel) -> None:
    """All see the same run live; one that comes back misses nothing and sees nothing twice."""
    run, speaker = await ask(page, model)
    first = Tab(page, run)
    await speaker.say("Once", " upon")
    await eventually_async(lambda: first.text == "Once upon")
    second = Tab(page, run)
    last_id = first.events[-1].id
    assert last_id == "9"
    await first.close()
    await speaker.say(" a time")
    again = Tab(page, run, last_id)
    await eventually_async(lambda: second.text == "Once upon a time")
    await speaker.finish(" …")
    assert (await again.end())["content"] == "Once upon a time …"
    await second.end()
    assert again.text == " a time …"
    assert second.text == "Once upon a time …"
    assert second.headers["Content-Type"].startswith("text/event-stream")
    assert second.headers["X-Accel-Buffering"] == "no"
    assert second.headers["Cache-Control"] == "no-store"


async def test_stop_frees_the_gpu_at_once(page: Browser, model: ScriptedModel) -> None:
    """The agent hears of it within 250 ms; the text stays; the tab gets the end."""
    run, speaker = await ask(page, model)
    tab = Tab(page, run)
    await speaker.say("Once")
    await eventually_async(lambda: tab.text == "Once")
    began = asyncio.get_running_loop().time()
    stopped = await page.post(f"/api/runs/{run}/stop")
    assert await asyncio.wait_for(speaker.stream.wait_cancelled(), 5) == "stopped"
    assert asyncio.get_running_loop().time() - began < 0.25
    assert (stopped.status, stopped.json()["status"]) == (202, "stopped")
    assert ((await tab.end())["content"], (await tab.end())["status"]) == ("Once", "stopped")


async def test_leaving_stops_nothing(page: Browser, model: ScriptedModel) -> None:
    """Only Stop stops a run."""
    run, speaker = await ask(page, model)
    tab = Tab(page, run)
    await speaker.say("a")
    await eventually_async(lambda: tab.text == "a")
    await tab.close()
    await speaker.finish("b")

    async def is_complete() -> bool:
        return bool((await page.get(f"/api/runs/{run}")).json()["status"] == "complete")

    await eventually_async(is_complete)
    assert not speaker.stream.is_cancelled


async def test_only_the_owner(hub: RunningHub, page: Browser, model: ScriptedModel) -> None:
    """To everybody else there is no such run."""
    await hub.user("bob")
    await hub.user("boss", is_admin=True)
    run, speaker = await ask(page, model)
    for name in ("bob", "boss"):
        other = await hub.browser(name)
        for answer in (
            await other.get(f"/api/runs/{run}"),
            await other.get(f"/api/runs/{run}/events"),
            await other.post(f"/api/runs/{run}/stop"),
        ):
            assert (answer.status, answer.code) == (404, "not_found")
    assert not speaker.stream.is_cancelled
    await speaker.finish()


async def test_signed_out_in_mid_run(hub: RunningHub, page: Browser, model: ScriptedModel) -> None:
    """The view ends, the answer does not: who signs in again finds it."""
    run, speaker = await ask(page, model)
    tab = Tab(page, run)
    await speaker.say("a")
    await eventually_async(lambda: tab.text == "a")
    assert (await page.post("/api/auth/sign-out")).status == 204
    await speaker.say("b")
    await eventually_async(lambda: tab.is_over)
    await speaker.finish("c")
    again = await hub.browser("alice")
    back = Tab(again, run, "1")
    assert (await back.end())["content"] == "abc"
    assert back.text == "bc"


async def test_a_stopping_hub_lets_its_watchers_go(
    hub: RunningHub, page: Browser, model: ScriptedModel
) -> None:
    """They come back to the next one, and do not hold this one up."""
    run, speaker = await ask(page, model)
    tab = Tab(page, run)
    await speaker.say("a")
    await eventually_async(lambda: tab.text == "a")
    hub.hub.begin_stop()
    await eventually_async(lambda: tab.is_over)
    assert tab.events[-1].name == "delta"


async def test_odd_positions(page: Browser, model: ScriptedModel) -> None:
    """Nonsense means "from the start"."""
    run, speaker = await ask(page, model)
    await speaker.finish("abc")
    for odd in ("x", "-1", "9" * 40, ""):
        tab = Tab(page, run, odd)
        await tab.end()
        assert tab.text == "abc"


async def test_a_sign_in_that_expires_in_mid_run(tmp_path: Path) -> None:
    """As signing out: the view ends by itself, the answer does not."""
    async with running_hub(tmp_path / "data", keepalive_s=0.1) as hub:
        alice = await hub.user("alice")
        page = await hub.browser("alice")
        async with scripted_model(hub.services, alice) as model:
            model.is_scripted = True
            run, speaker = await ask(page, model)
            tab = Tab(page, run)
            await speaker.say("a")
            await eventually_async(lambda: tab.text == "a")
            for sign_in in await hub.services.store.browser_sessions.of_user(alice.id):
                await hub.services.store.browser_sessions.update(sign_in.id, expires_at=1.0)
            await eventually_async(lambda: tab.is_over, 40)
            assert (await page.get(f"/api/runs/{run}")).status == 401
            await speaker.finish("b")
            again = await hub.browser("alice")
            assert (await Tab(again, run, "1").end())["content"] == "ab"


async def test_a_waiting_run(hub: RunningHub, page: Browser, model: ScriptedModel) -> None:
    """Says what it waits for, to whoever watches; is moved; a model that never was is 404."""
    registry = hub.services.registry
    view = registry.all_providers()[0]
    stopped = replace(view, id="prv_off", name="off", status=ProviderStatus.STOPPED)
    registry.put_provider(stopped)
    chat = (await page.post("/api/chats", {"model": "off/m"})).json()["id"]
    sent = await page.post(f"/api/chats/{chat}/messages", {"content": "hi"})
    assert (sent.status, sent.json()["run"]["status"]) == (202, "waiting")
    waiting = sent.json()["reply"]["waiting"]
    assert (waiting["code"], waiting["provider_name"]) == ("tunnel_stopped", "off")
    run = sent.json()["run"]["id"]
    tab = Tab(page, run)
    await eventually_async(lambda: tab.events)
    assert json.loads(tab.events[0].data)["waiting"] == waiting
    path = f"/api/runs/{run}/move"
    assert (await page.post(path, {"model": "gpu/never"})).code == "model_not_found"
    assert (await page.post(path, {"model": ""})).status == 400
    await hub.user("bob")
    assert (await (await hub.browser("bob")).post(path, {"model": "gpu/m"})).status == 404
    moved = await page.post(path, {"model": "gpu/m"})
    assert (moved.status, moved.json()["model"]) == (202, "gpu/m")
    speaker = await model.asked()
    assert speaker.asked["model"] == "m"
    await speaker.finish("hello")
    assert (await tab.end())["content"] == "hello"
    late = await page.post(path, {"model": "gpu/m"})
    assert (late.status, late.code) == (409, "run_not_waiting")


def test_encoding() -> None:
    """UTF-8 as it is, one line of data, ids that are positions; a comment as keep-alive."""
    assert encode(LogEvent("delta", 3, {"text": "é\n"})) == (
        'id: 3\nevent: delta\ndata: {"text":"é\\n"}\n\n'.encode()
    )
    assert encode(LogEvent("keepalive", 3, {})) == b": keepalive\n\n"
