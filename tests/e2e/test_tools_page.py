"""Connect tools: what the page fills in is what a program can use as it stands."""

import asyncio
import subprocess

from playwright.async_api import Browser, expect

from tests.e2e.chat_page import open_page
from tests.e2e.conftest import ChatPlace


async def test_what_is_copied_works(chromium: Browser, chat_place: ChatPlace) -> None:
    """A model is chosen, a key is made, and the command of the page gets an answer of that model."""
    faults: list[str] = []
    stack, alice = chat_place.stack, chat_place.alice
    page = await open_page(chromium, stack.url, alice, faults)
    await page.goto(f"{stack.url}/tools")
    await page.get_by_label("Model").select_option("second/stub")
    tools = page.get_by_role("group", name="Tool")
    await tools.get_by_text("curl", exact=True).click()
    settings = page.locator(".tool-settings pre")
    await expect(settings).to_contain_text("second/stub")
    await expect(settings).to_contain_text("up_YOUR_KEY")
    await page.get_by_role("button", name="Make a key for curl").click()
    await expect(settings).not_to_contain_text("up_YOUR_KEY")
    command = ["bash", "-c", await settings.inner_text()]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    assert "data: [DONE]" in done.stdout
    keys = await asyncio.to_thread(stack.api(alice).items, "/api/keys")
    assert next(one for one in keys if one["name"] == "curl")["scopes"] == ["gateway", "read"]
    await page.context.close()
    assert faults == []


async def test_every_tool_by_keyboard_and_by_address(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """Arrows go from tool to tool; the address keeps the one in view; a key is not carried over."""
    faults: list[str] = []
    page = await open_page(chromium, chat_place.stack.url, chat_place.alice, faults)
    await page.goto(f"{chat_place.stack.url}/tools?tool=claude-code")
    settings = page.locator(".tool-settings pre")
    await expect(settings).to_contain_text("ANTHROPIC_BASE_URL")
    await page.get_by_role("button", name="Make a key for Claude Code").click()
    await expect(page.get_by_text("The key claude-code is filled in")).to_be_visible()
    await page.get_by_role("radio", name="Claude Code").focus()
    await page.keyboard.press("ArrowRight")
    await expect(settings).to_contain_text('wire_api = "responses"')
    await expect(settings).to_contain_text("up_YOUR_KEY")
    await page.reload()
    await expect(page.get_by_role("radio", name="Codex")).to_be_checked()
    for tool in ("Cline", "Zed", "VS Code", "Open WebUI", "LangChain", "aider", "Continue"):
        await page.get_by_role("radio", name=tool).check(force=True)
        await expect(settings).to_have_attribute("aria-label", f"Settings for {tool}")
        await expect(settings).to_contain_text(chat_place.stack.url)
    await page.context.close()
    assert faults == []
