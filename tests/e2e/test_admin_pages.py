"""An admin's pages, over a real hub: what can be done there, and what cannot be seen."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.chat_page import open_page, sign_in
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually_async

LONG = "a stable of correct batteries"


@dataclass(frozen=True)
class Place:
    """An Underpass of these tests' own: root manages it, alice has a tunnel in a session."""

    stack: Stack
    root: Person
    alice: Person


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, stub_process: StubProcess) -> Iterator[Place]:
    stack = Stack(tmp_path_factory.mktemp("admin"), ["--log-level", "warning"])
    try:
        root, alice = stack.add_person("root", is_admin=True), stack.add_person("alice")
        stack.open_tunnel(alice, str(stub_process.port), "secret-project")
        yield Place(stack, root, alice)
    finally:
        stack.stop()


@pytest.fixture
async def page(chromium: Browser, place: Place) -> AsyncIterator[Page]:
    """root's browser; a script error in it fails the test."""
    faults: list[str] = []
    page = await open_page(chromium, place.stack.url, place.root, faults)
    yield page
    await page.context.close()
    assert faults == []


async def go(page: Page, place: Place, name: str) -> None:
    """One of the admin pages."""
    await page.goto(f"{place.stack.url}/admin/{name}")
    await expect(page.get_by_role("navigation", name="Admin pages")).to_be_visible()


async def test_the_whole_life_of_a_user(chromium: Browser, page: Page, place: Place) -> None:
    """Added, let in, renamed, locked out with a new password, disabled, exported, removed."""
    api = place.stack.api(place.root)
    await go(page, place, "users")
    await page.get_by_role("button", name="Add a user").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("no good")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("Name", exact=True).fill("dora")
    await dialog.get_by_label("Address").fill("dora@example.org")
    await dialog.get_by_label("Password").fill(LONG)
    await dialog.get_by_role("button", name="Add").click()
    row = page.get_by_role("listitem").filter(has_text="dora@example.org")
    await expect(row).to_contain_text("password")
    faults: list[str] = []
    hers = await open_page(chromium, place.stack.url, Person("dora", LONG, ""), faults)
    await row.get_by_role("button", name="Edit dora").click()
    await dialog.get_by_label("Shown as").fill("Dora D.")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(dialog.get_by_text("Saved.", exact=True)).to_be_visible()
    await dialog.get_by_label("New password").fill("another good password")
    await dialog.get_by_role("button", name="Set password").click()
    await expect(dialog.get_by_text("The password is set")).to_be_visible()
    await hers.reload()
    await expect(hers.get_by_role("button", name="Sign in")).to_be_visible()
    await sign_in(hers, place.stack.url, Person("dora", "another good password", ""))
    await dialog.get_by_label("Requests a minute").fill("5")
    await dialog.get_by_role("button", name="Save limits").click()
    await expect(dialog.get_by_text("They hold from the next request on")).to_be_visible()
    users = await asyncio.to_thread(api.items, "/api/users")
    dora = next(one for one in users if one["name"] == "dora")
    assert dora["display_name"] == "Dora D."
    held = await asyncio.to_thread(api.get, f"/api/users/{dora['id']}/limits")
    assert held.json()["requests_per_minute"] == 5
    await dialog.get_by_role("button", name="Disable").click()
    await dialog.get_by_role("button", name="Yes, disable dora").click()
    await expect(dialog.get_by_text("Everything of theirs has stopped")).to_be_visible()
    await hers.reload()
    await expect(hers.get_by_role("button", name="Sign in")).to_be_visible()
    async with page.expect_download() as download:
        await dialog.get_by_role("link", name="Export everything").click()
    whole = zipfile.ZipFile(io.BytesIO((await (await download.value).path()).read_bytes()))
    assert any("account" in name for name in whole.namelist())
    await dialog.get_by_label("To remove dora").fill("dor")
    await expect(dialog.get_by_role("button", name="Remove for good")).to_have_attribute(
        "aria-disabled", "true"
    )
    await dialog.get_by_label("To remove dora").fill("dora")
    await dialog.get_by_role("button", name="Remove for good").click()
    await expect(dialog).to_have_count(0)
    await expect(row).to_have_count(0)
    left = await asyncio.to_thread(api.items, "/api/users")
    assert "dora" not in {one["name"] for one in left}
    await hers.context.close()
    assert faults == []


async def test_the_last_admin_stays(page: Page, place: Place) -> None:
    """What would leave the hub without one is refused in its place, with the hub's words."""
    await go(page, place, "users")
    await page.get_by_role("button", name="Edit root").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Take the admin role away").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("admin")
    await dialog.get_by_role("button", name="Disable").click()
    await dialog.get_by_role("button", name="Yes, disable root").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("admin")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def test_a_group_and_its_members(page: Page, place: Place) -> None:
    """Made, filled, limited, renamed, removed after a second thought."""
    api = place.stack.api(place.root)
    await go(page, place, "groups")
    await page.get_by_role("button", name="Add a group").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("physics")
    await dialog.get_by_role("button", name="Add").click()
    await dialog.get_by_label("alice").check()

    async def members() -> int:
        (found,) = await asyncio.to_thread(api.items, "/api/groups")
        return len(found["members"])

    await eventually_async(members, 5, "alice is a member")
    await dialog.get_by_label("Name").fill("physicists")
    await dialog.get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("dialog", name="physicists")).to_be_visible()
    await page.keyboard.press("Escape")
    row = page.get_by_role("listitem").filter(has_text="physicists")
    await expect(row).to_contain_text("1 member")
    await row.get_by_role("button", name="Edit physicists").click()
    await dialog.get_by_role("button", name="Remove the group").click()
    await dialog.get_by_role("button", name="Yes, remove physicists").click()
    await expect(row).to_have_count(0)
    assert await asyncio.to_thread(api.items, "/api/groups") == []


async def test_tunnels_and_sessions_are_seen_to_exist_and_stopped(page: Page, place: Place) -> None:
    """Their owner, status and bytes; neither a name nor a target, on the page or in what it asks."""
    await go(page, place, "tunnels")
    row = page.get_by_role("listitem").filter(has_text="alice")
    await expect(row).to_contain_text("running")
    await expect(row).to_contain_text("in")
    await row.get_by_role("button", name="Stop the tunnel").click()
    await row.get_by_role("button", name="Yes, stop alice's tunnel").click()
    await expect(row).to_contain_text("stopped")
    mine = await asyncio.to_thread(place.stack.api(place.alice).items, "/api/tunnels")
    assert [one["status"] for one in mine] == ["stopped"]
    await go(page, place, "sessions")
    row = page.get_by_role("listitem").filter(has_text="alice")
    await expect(row).to_contain_text("running")
    assert "secret-project" not in await page.content()
    for path in ("/api/tunnels?all=true", "/api/admin/sessions"):
        answer = await page.request.get(place.stack.url + path)
        assert '"alice"' in await answer.text()
        assert "secret-project" not in await answer.text()
    await row.get_by_role("button", name="Stop the session of alice").click()
    await row.get_by_role("button", name="Yes, stop alice's session").click()

    async def has_ended() -> bool:
        sessions = await asyncio.to_thread(place.stack.api(place.alice).items, "/api/sessions")
        return bool(sessions[0]["end_reason"] == "cancelled")

    await eventually_async(has_ended, 15, "alice's session ended")
    await page.reload()
    await expect(row).to_contain_text("cancelled")


async def test_the_audit_trail_is_filtered_and_exported(page: Page, place: Place) -> None:
    """Who, what, to what, since when; the file holds what the page shows."""
    made = place.stack.api(place.alice)
    await asyncio.to_thread(made.post, "/api/keys", {"name": "audited", "scopes": ["read"]})
    await go(page, place, "audit")
    acts = page.get_by_role("region", name="Acts")
    await expect(acts).to_contain_text("user.create")
    await page.get_by_label("What", exact=True).select_option("keys")
    await expect(acts).not_to_contain_text("user.create")
    await page.get_by_label("Who").select_option("alice")
    await page.get_by_label("To what").fill("audited")
    rows = acts.get_by_role("row")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("key.create")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="JSON lines").click()
    text = (await (await download.value).path()).read_text()
    (line,) = [json.loads(one) for one in text.splitlines()]
    assert (line["action"], line["subject"]) == ("key.create", "audited")
    await page.get_by_label("Since (UTC)").fill("2199-01-01")
    await expect(page.get_by_text("No act fits.")).to_be_visible()
    await page.get_by_label("Since (UTC)").fill("2020-01-01")
    await expect(rows).to_have_count(2)
    await page.get_by_label("Until (UTC)").fill("2020-01-02")
    await expect(page.get_by_text("No act fits.")).to_be_visible()


async def test_settings_in_force_say_where_they_come_from(page: Page, place: Place) -> None:
    """A flag is named as one; what is not set is the default."""
    await go(page, place, "settings")
    table = page.get_by_role("region", name="Settings and their sources")
    row = table.get_by_role("row").filter(has=page.get_by_text("log_level", exact=True))
    await expect(row).to_contain_text("warning")
    await expect(row).to_contain_text("the flag --log-level")
    await expect(table).to_contain_text("the default")
    await page.get_by_label("Only what is set").check()
    await expect(table).not_to_contain_text("the default")
    await expect(row).to_be_visible()


async def test_who_is_no_admin_finds_no_such_page(chromium: Browser, place: Place) -> None:
    """Neither a link to it nor the page, nor the routes behind it."""
    faults: list[str] = []
    page = await open_page(chromium, place.stack.url, place.alice, faults)
    await expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    await page.goto(f"{place.stack.url}/admin/users")
    await expect(page.get_by_role("heading", name="Users")).to_have_count(0)
    await expect(page.get_by_role("navigation", name="Admin pages")).to_have_count(0)
    for path in ("/api/admin/sessions", "/api/admin/settings", "/api/users"):
        answer = await page.request.get(place.stack.url + path)
        assert answer.status == 403
    await page.context.close()
    assert faults == []
