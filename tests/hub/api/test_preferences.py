"""`/api/me/preferences`: the same in every browser."""

import asyncio
from typing import Any

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


async def test_preferences(hub: RunningHub, alice: UserRecord, root: UserRecord) -> None:
    """Defaults at first; a change leaves the others, reaches the other browsers, and nobody else."""
    one, other = await hub.browser("alice"), await hub.browser("alice")
    fresh: dict[str, Any] = {"favourites": [], "theme": None, "send_key": "enter"}
    assert (await one.get("/api/me/preferences")).json() == fresh
    with hub.services.feed.watch(alice.id) as watcher:
        changed = await one.patch(
            "/api/me/preferences", {"theme": "dark", "favourites": ["gpu/m", "box/q", "gpu/m"]}
        )
        told = await asyncio.wait_for(anext(watcher), 5)
    wanted = {"favourites": ["gpu/m", "box/q"], "theme": "dark", "send_key": "enter"}
    assert (changed.status, changed.json()) == (200, wanted)
    assert (told.kind, told.item) == ("preferences", wanted)
    assert (await other.patch("/api/me/preferences", {"send_key": "ctrl_enter"})).status == 200
    wanted["send_key"] = "ctrl_enter"
    assert (await one.get("/api/me/preferences")).json() == wanted
    back = await one.patch("/api/me/preferences", {"theme": None})
    assert back.json()["theme"] is None
    assert (await (await hub.browser("root")).get("/api/me/preferences")).json() == fresh


async def test_what_is_refused(hub: RunningHub, alice: UserRecord) -> None:
    """A value that is none, a name that is none, too many favourites, nothing at all."""
    page = await hub.browser("alice")
    for body in (
        {"theme": "pink"},
        {"font": "big"},
        {"send_key": None},
        {"favourites": ["m"] * 101},
        {"favourites": [""]},
        {},
    ):
        answer = await page.patch("/api/me/preferences", body)
        assert (answer.status, answer.code) == (400, "invalid_request"), body


async def test_what_an_older_hub_stored(hub: RunningHub, alice: UserRecord) -> None:
    """A preference that this hub does not know is left alone and not shown."""
    await hub.services.store.preferences.change(alice.id, {"later": 1, "theme": "light"})
    page = await hub.browser("alice")
    assert "later" not in (await page.get("/api/me/preferences")).json()
    await page.patch("/api/me/preferences", {"send_key": "ctrl_enter"})
    assert (await hub.services.store.preferences.of_user(alice.id))["later"] == 1
