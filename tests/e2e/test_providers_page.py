"""Custom providers in a browser, against a real endpoint behind the hub's own rules."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.e2e.chat_page import open_page
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess


@dataclass(frozen=True)
class Place:
    """A hub that may connect to this machine: alice brings endpoints, bob is lent one."""

    stack: Stack
    alice: Person
    bob: Person
    stub: StubProcess


@pytest.fixture(scope="module")
def place(near_stack: Stack, stub_process: StubProcess) -> Place:
    alice, bob = near_stack.add_person("alice"), near_stack.add_person("bob")
    near_stack.open_tunnel(alice, str(stub_process.port), "box")
    return Place(near_stack, alice, bob, stub_process)


@pytest.fixture
async def page(chromium: Browser, place: Place) -> AsyncIterator[Page]:
    """alice's page of providers."""
    faults: list[str] = []
    page = await open_page(chromium, place.stack.url, place.alice, faults)
    await page.goto(f"{place.stack.url}/providers")
    yield page
    await page.context.close()
    assert faults == []


async def test_an_endpoint_is_added_changed_shared_and_removed(
    chromium: Browser, page: Page, place: Place
) -> None:
    """Its key is never shown again; who is lent it has its models at once, and loses them at once."""
    api = place.stack.api(place.alice)
    await page.get_by_role("button", name="Add an endpoint").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("lab")
    await dialog.get_by_label("Base URL").fill("http://127.0.0.2:9/v1")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("allowed_networks")
    await dialog.get_by_label("Base URL").fill(f"{place.stub.url}/v1")
    await dialog.get_by_label("Key", exact=True).fill("sk-very-secret")
    await dialog.get_by_label("Description").fill("The lab's own")
    await dialog.get_by_text("Headers, certificate, models").click()
    await dialog.get_by_label("Headers").fill("X-Team: physics")
    pem: FilePayload = {"name": "ca.pem", "mimeType": "text/plain", "buffer": b"no certificate"}
    await dialog.get_by_label("Or take it from a file").set_input_files([pem])
    await expect(dialog.get_by_label("CA certificate (PEM)")).to_have_value("no certificate")
    await dialog.get_by_label("CA certificate (PEM)").fill("")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog).to_have_count(0)
    group = page.get_by_role("region", name="Shared endpoints")
    row = group.get_by_role("listitem").filter(has_text="The lab's own")
    await expect(row).to_contain_text("running")
    await expect(row).to_contain_text("lab/stub")
    await page.reload()
    await row.get_by_role("button", name="Edit lab").click()
    await dialog.get_by_text("Headers, certificate, models").click()
    await expect(dialog).to_contain_text("Kept, and not shown: X-Team")
    await expect(dialog.get_by_label("Key", exact=True)).to_have_value("")
    assert "sk-very-secret" not in await page.content()
    await dialog.get_by_label("Description").fill("Of the lab")
    await dialog.get_by_role("button", name="Save").click()
    await expect(group.get_by_text("Of the lab")).to_be_visible()
    found = await asyncio.to_thread(api.items, "/api/providers")
    lab = next(one for one in found if one["name"] == "lab")
    assert lab["endpoint"]["has_key"]
    assert lab["endpoint"]["header_names"] == ["X-Team"]
    faults: list[str] = []
    bobs = await open_page(chromium, place.stack.url, place.bob, faults)
    await bobs.goto(f"{place.stack.url}/providers")
    await expect(bobs.get_by_role("heading", name="No providers yet")).to_be_visible()
    await group.get_by_role("button", name="Share lab").click()
    await dialog.get_by_label("People").fill("bob, nobody-here")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("People").fill("bob")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Saved.")).to_be_visible()
    lent = bobs.get_by_role("region", name="Shared endpoints")
    await expect(lent.get_by_role("code").first).to_contain_text("lab/stub")
    await expect(bobs.get_by_role("button", name="Edit lab")).to_have_count(0)
    await expect(bobs.get_by_role("button", name="Share lab")).to_have_count(0)
    await dialog.get_by_label("People").fill("")
    await dialog.get_by_role("button", name="Save").click()
    await expect(bobs.get_by_role("heading", name="No providers yet")).to_be_visible()
    await page.keyboard.press("Escape")
    await group.get_by_role("button", name="Remove lab").click()
    await expect(group).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await group.get_by_role("button", name="Remove lab").click()
    await page.goto(place.stack.url)  # leaving the page is not taking back
    left = await asyncio.to_thread(api.items, "/api/providers")
    assert [one["name"] for one in left] == ["box"]
    await bobs.context.close()
    assert faults == []


async def test_an_endpoint_that_is_down_can_be_kept_all_the_same(page: Page, place: Place) -> None:
    """It says what is wrong, and takes it when one insists."""
    await page.get_by_role("button", name="Add an endpoint").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("night")
    await dialog.get_by_label("Base URL").fill("http://127.0.0.1:9/v1")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("refuses")
    await dialog.get_by_role("button", name="Save it all the same").click()
    await expect(dialog).to_have_count(0)
    row = page.get_by_role("region", name="Shared endpoints").get_by_role("listitem")
    await expect(row).to_contain_text("unreachable")
    await row.get_by_role("button", name="Remove night").click()


async def test_a_tunnels_provider_says_why_it_is_nobody_elses(page: Page, place: Place) -> None:
    """The button is there, and the reason behind it; the API refuses the same."""
    row = page.get_by_role("region", name="My sessions").get_by_role("listitem").first
    await row.get_by_role("button", name="Share box").click()
    dialog = page.get_by_role("dialog", name="Share box")
    await expect(dialog).to_contain_text("box cannot be shared.")
    await expect(dialog).to_contain_text("not by a permission, a group, a key or an admin")
    api = place.stack.api(place.alice)
    found = await asyncio.to_thread(api.items, "/api/providers")
    box = next(one for one in found if one["name"] == "box")
    refused = await asyncio.to_thread(
        api.call, "PUT", f"/api/providers/{box['id']}/permissions", {"everyone": True}
    )
    assert (refused.status, refused.json()["code"]) == (409, "tunnel_not_shareable")
