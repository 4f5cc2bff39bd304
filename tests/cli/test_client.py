"""The REST client, against a real hub and against things that are none."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.hub.conftest import RunningHub, running_hub
from tests.rig.processes import free_port
from underpass.cli.client import HubError, connect
from underpass.core.errors import AppError, ConfigError


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A hub with a user and their key."""
    async with running_hub(tmp_path / "data") as running:
        yield running


async def test_answers_are_values_and_lists_are_whole(hub: RunningHub) -> None:
    """All parts of a list, however many; nothing for an empty answer."""
    alice = await hub.user("alice")
    key = await hub.key(alice)
    async with connect(hub=hub.url, key=key) as client:
        assert (await client.get("/api/me"))["name"] == "alice"
        for number in range(4):
            await client.post("/api/keys", {"name": f"k{number}"})
        items = await client.items("/api/keys", limit=2)
        assert len(items) == 5
        assert await client.delete(f"/api/keys/{items[0]['id']}") is None


async def test_the_hubs_error_is_the_commands_error(hub: RunningHub) -> None:
    """Message, code, status and what to do."""
    async with connect(hub=hub.url, key="up_wrong") as client:
        with pytest.raises(HubError) as caught:
            await client.get("/api/me")
    assert (caught.value.status, caught.value.code) == (401, "key_invalid")
    assert caught.value.hint


async def test_events_come_as_they_happen(hub: RunningHub) -> None:
    """One at a time, from an open answer."""
    alice = await hub.user("alice")
    async with connect(hub=hub.url, key=await hub.key(alice)) as client:
        events = client.events("/api/events")
        first = await anext(events)
        assert first.name == "snapshot"
        hub.services.feed.publish(alice.id, "session", "upsert", {"id": "ses_1"})
        second = await anext(events)
        assert json.loads(second.data) == {"op": "upsert", "item": {"id": "ses_1"}}
        await events.aclose()  # type: ignore[attr-defined]


async def test_without_a_hub_or_a_key_it_says_how_to_sign_in() -> None:
    """Both before anything is sent."""
    with pytest.raises(ConfigError, match="No hub") as caught:
        async with connect():
            pass
    assert "underpass login" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="not signed in"):
        async with connect(hub="http://127.0.0.1:1"):
            pass
    async with connect(hub="http://127.0.0.1:1", needs_key=False) as client:
        assert not client.is_signed_in


async def test_a_hub_that_is_not_there_is_one_sentence() -> None:
    """With what to do, and no trace."""
    async with connect(hub=f"http://127.0.0.1:{free_port()}", key="up_x") as client:
        with pytest.raises(AppError) as caught:
            await client.get("/api/me")
    assert "127.0.0.1" in caught.value.sentence()
    assert caught.value.hint


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (502, b"<html>"), (403, b"{}")])
async def test_something_that_is_no_hub_is_told_so(status: int, body: bytes) -> None:
    """A proxy's page, a captive portal, another server."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_get("/api/me", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with connect(hub=f"http://127.0.0.1:{port}", key="up_x") as client:
        with pytest.raises(HubError) as caught:
            await client.get("/api/me")
    assert caught.value.code == "not_a_hub"
    await runner.cleanup()


async def test_a_key_goes_nowhere_else(hub: RunningHub) -> None:
    """A redirect is not followed with it."""

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound(f"{hub.url}/api/me")

    app = web.Application()
    app.router.add_get("/api/me", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with connect(hub=f"http://127.0.0.1:{port}", key="up_x") as client:
        with pytest.raises(HubError):
            await client.get("/api/me")
    await runner.cleanup()
