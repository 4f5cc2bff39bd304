"""Pages of an account and of an admin, with something on each: axe in both themes, and none too wide."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.axe import violations
from tests.e2e.chat_page import sign_in
from tests.rig.stack import Stack
from tests.rig.stub import StubProcess

WIDTHS = ((1440, 900), (768, 1024), (390, 844))
# Each page, and what stands there once its lists are read.
PAGES = {
    "/settings": "This browser",
    "/tools": "Make a key for",
    "/tools?tool=zed": "language_models",
    "/usage": "stub",
    "/clusters": "Start a session here",
    "/providers": "lab/stub",
    "/admin/users": "password",
    "/admin/groups": "physics",
    "/admin/providers": "of root",
    "/admin/tunnels": "opened",
    "/admin/sessions": "since",
    "/admin/audit": "provider.create",
    "/admin/settings": "the default",
}
# A page, and the buttons that open its panels.
PANELS = (
    ("/tools", ("Connect a model",)),
    ("/providers", ("Add an endpoint", "Share box")),
    ("/admin/users", ("Add a user", "Edit root")),
    ("/admin/groups", ("Add a group", "Edit physics")),
    ("/admin/providers", ("Edit lab", "Share lab")),
)


@pytest.fixture(scope="module")
def stack(near_stack: Stack, stub_process: StubProcess) -> Stack:
    """A hub with something on each of its pages."""
    root = near_stack.add_person("root", is_admin=True)
    near_stack.open_tunnel(root, str(stub_process.port), "box")
    api = near_stack.api(root)
    assert api.post("/api/groups", {"name": "physics"}).status == 201
    endpoint = {"name": "lab", "base_url": f"{stub_process.url}/v1", "description": "The lab"}
    assert api.post("/api/providers", endpoint).status == 201
    ask = {"model": "box/stub", "messages": []}
    assert api.post("/v1/chat/completions", ask).status == 200
    return near_stack


@pytest.mark.timeout(180)  # thirteen pages and nine panels, each looked at by axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(chromium: Browser, stack: Stack, scheme: Any) -> None:
    """Pages and the panels above them."""
    context = await chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    await sign_in(page, stack.url, stack.people["root"])
    faults: list[str] = []
    for path, words in PAGES.items():
        await page.goto(stack.url + path)
        await expect(page.locator(".page")).to_contain_text(words)
        if path == "/usage":
            await page.get_by_text("As a table").click()
        faults += await violations(page, path)
    for path, buttons in PANELS:
        await page.goto(stack.url + path)
        for button in buttons:
            await page.get_by_role("button", name=button, exact=True).click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            faults += await violations(page, f"{path} {button}")
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_have_count(0)
    await context.close()
    assert faults == []


@pytest.mark.timeout(120)
async def test_no_page_is_wider_than_its_window(chromium: Browser, stack: Stack) -> None:
    """From a phone to a desk: what is wide scrolls in a box of its own."""
    wide: list[str] = []
    context = await chromium.new_context(reduced_motion="reduce")
    page = await context.new_page()
    await sign_in(page, stack.url, stack.people["root"])
    for path, words in PAGES.items():
        await page.goto(stack.url + path)
        await expect(page.locator(".page")).to_contain_text(words)
        for width, height in WIDTHS:
            await page.set_viewport_size({"width": width, "height": height})
            over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0:
                wide.append(f"{path} at {width}: {over} px too wide")
    await context.close()
    assert wide == []
