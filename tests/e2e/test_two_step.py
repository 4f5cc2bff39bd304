"""A person turns on two-step sign-in and uses it, in Chromium."""

import time

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.axe import violations
from tests.e2e.conftest import MakeStack
from tests.rig.stack import PASSWORD, Stack
from underpass.hub.auth import totp


async def _password(page: Page, stack: Stack) -> None:
    await page.goto(stack.url)
    await page.get_by_label("Name").fill("alice")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


@pytest.mark.timeout(120)
async def test_a_person_turns_it_on_and_signs_in_with_it(
    chromium: Browser, make_stack: MakeStack
) -> None:
    """QR code and secret, recovery codes shown once, a wrong code told at the form; both themes."""
    stack = make_stack()
    stack.add_person("alice")
    context = await chromium.new_context(color_scheme="dark")
    page = await context.new_page()
    await _password(page, stack)
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    await page.goto(f"{stack.url}/settings")
    section = page.get_by_role("region", name="Two-step sign-in")
    await section.get_by_label("Your password").fill("wrong")
    await section.get_by_role("button", name="Set up").click()
    await expect(section.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("dialog", name="Sign in again")).to_have_count(0)
    await section.get_by_label("Your password").fill(PASSWORD)
    await section.get_by_role("button", name="Set up").click()
    image = section.get_by_role("img", name="QR code")
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.complete && image.naturalWidth > 100")
    secret = (await section.locator(".paste code").inner_text()).strip()
    assert await violations(page) == []
    await section.get_by_label("Code of the app").fill(totp.code_at(secret, int(time.time() // 30)))
    await section.get_by_role("button", name="Turn on").click()
    codes = section.locator(".two-step-codes li")
    await expect(codes).to_have_count(10)
    recovery = [text.strip() for text in await codes.all_inner_texts()]
    await section.get_by_role("button", name="I have kept them").click()
    await expect(section).to_contain_text("10 recovery codes are left")
    assert await violations(page) == []
    await context.close()

    context = await chromium.new_context(color_scheme="light")
    page = await context.new_page()
    await _password(page, stack)
    await expect(page.get_by_label("Code")).to_be_focused()
    await page.get_by_label("Code").fill("000000")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("That code is not right")
    assert await violations(page) == []
    await page.get_by_label("Code").fill(recovery[0])
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    await page.goto(f"{stack.url}/settings")
    section = page.get_by_role("region", name="Two-step sign-in")
    await expect(section).to_contain_text("9 recovery codes are left")
    await section.get_by_role("button", name="Turn off").click()
    await section.get_by_label("Code").fill(recovery[1])
    await section.get_by_role("button", name="Turn off").click()
    await expect(section.get_by_label("Your password")).to_be_visible()
    await context.close()
