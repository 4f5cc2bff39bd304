"""A person's own account in a browser: password, sign-ins, and keys with all that they may hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.chat_page import open_page
from tests.rig.stack import PASSWORD, Person, Stack
from tests.rig.stub import StubProcess

NEW_PASSWORD = "a stable of correct batteries"


@dataclass(frozen=True)
class Place:
    """An Underpass of these tests' own; each test has a person of its own."""

    stack: Stack

    async def person(self, name: str, *, is_admin: bool = False) -> Person:
        return await asyncio.to_thread(self.stack.add_person, name, is_admin)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, stub_process: StubProcess) -> Iterator[Place]:
    stack = Stack(tmp_path_factory.mktemp("settings"))
    try:
        stack.open_tunnel(stack.add_person("keeper"), str(stub_process.port), "box")
        yield Place(stack)
    finally:
        stack.stop()


@pytest.fixture
async def faults() -> AsyncIterator[list[str]]:
    """Script errors of the pages, which fail the test."""
    found: list[str] = []
    yield found
    assert found == []


async def settings_of(chromium: Browser, place: Place, person: Person, faults: list[str]) -> Page:
    """The page, signed in, in a browser of its own."""
    page = await open_page(chromium, place.stack.url, person, faults)
    await page.goto(f"{place.stack.url}/settings")
    await expect(page.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    return page


async def test_a_password_is_changed_and_other_browsers_are_out(
    chromium: Browser, place: Place, faults: list[str]
) -> None:
    """A wrong one is said in its place; the right one signs every other browser out."""
    alice = await place.person("alice")
    other = await settings_of(chromium, place, alice, faults)
    page = await settings_of(chromium, place, alice, faults)
    form = page.get_by_role("form", name="Password")
    await form.get_by_label("The one you have").fill("not this one")
    await form.get_by_label("The new one").fill(NEW_PASSWORD)
    await form.get_by_role("button", name="Change password").click()
    await expect(form.get_by_role("alert")).to_contain_text("password")
    await form.get_by_label("The one you have").fill(PASSWORD)
    await form.get_by_label("The new one").fill("short")
    await form.get_by_role("button", name="Change password").click()
    await expect(form.get_by_role("alert")).to_contain_text("at least 8 characters")
    await form.get_by_label("The new one").fill(NEW_PASSWORD)
    await form.get_by_role("button", name="Change password").click()
    await expect(form.get_by_role("status")).to_contain_text("Your password is changed")
    await expect(page.get_by_text("This browser", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Sign out Chrome")).to_have_count(0)
    await other.reload()
    await expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    await other.get_by_label("Name").fill("alice")
    await other.get_by_label("Password").fill(NEW_PASSWORD)
    await other.get_by_role("button", name="Sign in").click()
    await expect(other.get_by_role("heading", name="Settings")).to_be_visible()
    for one in (page, other):
        await one.context.close()


async def test_another_browser_is_signed_out_from_here(
    chromium: Browser, place: Place, faults: list[str]
) -> None:
    """The list tells them apart and ends each of them, or all others at once."""
    bob = await place.person("bob")
    others = [await settings_of(chromium, place, bob, faults) for _ in range(3)]
    page = await settings_of(chromium, place, bob, faults)
    buttons = page.get_by_role("button", name="Sign out Chrome")
    await expect(buttons).to_have_count(3)
    await buttons.first.click()
    await expect(buttons).to_have_count(2)
    await page.get_by_role("button", name="Sign out all other browsers").click()
    await expect(buttons).to_have_count(0)
    for other in others:
        await other.reload()
        await expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("This browser", exact=True)).to_be_visible()
    for one in (page, *others):
        await one.context.close()


async def test_a_key_is_made_with_all_its_limits_and_revoked(
    chromium: Browser, place: Place, faults: list[str]
) -> None:
    """Scopes, life, models and limits are what the hub then holds; the secret is shown once."""
    carol = await place.person("carol")
    page = await settings_of(chromium, place, carol, faults)
    form = page.get_by_role("form", name="Create a key")
    await expect(form.get_by_label("Manage this hub, as you can")).to_have_count(0)
    await form.get_by_label("Name").fill("notebook")
    await form.get_by_label("Works for").select_option("30 days")
    await form.get_by_label("See sessions, tunnels and providers").uncheck()
    await form.get_by_text("Limits", exact=True).click()
    await form.get_by_label("Only these models").fill("box/stub\nlab/other, box/stub")
    await form.get_by_label("Requests a minute").fill("60")
    await form.get_by_label("Tokens a day").fill("100000")
    await form.get_by_role("button", name="Create key").click()
    secret = await page.locator(".secret code").inner_text()
    assert secret.startswith("up_")
    row = page.get_by_role("listitem").filter(has=page.get_by_text("notebook", exact=True))
    await expect(row).to_contain_text("only box/stub, lab/other")
    await expect(row).to_contain_text("60 requests a minute")
    keys = await asyncio.to_thread(place.stack.api(carol).items, "/api/keys")
    made = next(one for one in keys if one["name"] == "notebook")
    assert made["scopes"] == ["gateway"]
    assert made["model_allow"] == ["box/stub", "lab/other"]
    assert (made["requests_per_minute"], made["tokens_per_day"]) == (60, 100_000)
    assert made["expires_at"] is not None
    await page.get_by_role("button", name="I have it").click()
    await page.reload()
    await expect(row).to_be_visible()
    assert secret not in await page.content()
    await row.get_by_role("button", name="Revoke notebook").click()
    await expect(row).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_be_visible()
    await row.get_by_role("button", name="Revoke notebook").click()
    await page.goto(place.stack.url)  # leaving the page is not taking back
    await page.goto(f"{place.stack.url}/settings")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    await expect(row).to_have_count(0)
    await page.context.close()


async def test_what_the_hub_refuses_stays_in_the_form(
    chromium: Browser, place: Place, faults: list[str]
) -> None:
    """Nothing that was typed is lost over a bad number; an admin is offered the admin's scope."""
    dora = await place.person("dora", is_admin=True)
    page = await settings_of(chromium, place, dora, faults)
    form = page.get_by_role("form", name="Create a key")
    await form.get_by_label("Name").fill("robot")
    await form.get_by_label("Manage this hub, as you can").check()
    await form.get_by_text("Limits", exact=True).click()
    await form.get_by_label("Only these models").fill("x" * 501)
    await form.get_by_role("button", name="Create key").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(form.get_by_label("Name")).to_have_value("robot")
    await form.get_by_label("Only these models").fill("")
    await form.get_by_role("button", name="Create key").click()
    await expect(page.locator(".secret code")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.context.close()


async def test_one_is_shown_as_one_wishes(
    chromium: Browser, place: Place, faults: list[str]
) -> None:
    """The name that others see can be changed; the one to sign in with stays."""
    erin = await place.person("erin")
    page = await settings_of(chromium, place, erin, faults)
    form = page.get_by_role("form", name="Your name")
    await form.get_by_label("Shown as").fill("Erin E.")
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Signed in as Erin E. (erin)")).to_be_visible()
    shown = await asyncio.to_thread(place.stack.api(erin).get, "/api/me")
    assert shown.json()["display_name"] == "Erin E."
    await page.context.close()
