"""The page of a chat whose session ends: what it says, and the three things one can do about it."""

import asyncio

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.chat_page import answers, ask, open_page, pick, says
from tests.e2e.conftest import MakeStack
from tests.e2e.test_sessions_local import _session, _start_stub
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess

SAYS_WHY = "You stopped it."


@pytest.mark.timeout(240)
async def test_a_session_ends_under_an_open_page(
    make_stack: MakeStack, chromium: Browser, stub_process: StubProcess
) -> None:
    """In mid-answer the page says why; what is sent then waits in sight, is cancelled, is sent
    elsewhere, and is answered by itself after one click on Restart."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    _start_stub(stack, alice, "work")
    stack.open_tunnel(alice, str(stub_process.port), "spare")
    stack.wait_provider(alice, "work", "running", 40)
    faults: list[str] = []
    page = await open_page(chromium, stack.url, alice, faults)
    await pick(page, "work")
    await ask(page, says("word " * 5000, rate=20))
    await expect(answers(page)).to_contain_text("word word")
    await asyncio.to_thread(_stop, stack, alice)
    await expect(answers(page)).to_contain_text(SAYS_WHY)
    await expect(answers(page)).to_contain_text("word word")

    await _wait_in_sight(page, "cancelled")
    await _card(page).get_by_role("button", name="Cancel").click()
    await expect(_card(page)).to_have_count(0)
    await expect(answers(page).last).to_contain_text("Stopped")

    await _wait_in_sight(page, "from elsewhere")
    await _card(page).get_by_role("button", name="Send elsewhere").click()
    await page.get_by_role("menuitem", name="spare").click()
    await expect(answers(page).last).to_contain_text("from elsewhere")
    await expect(answers(page).last.locator(".message-facts")).to_contain_text("spare on")

    await pick(page, "work")
    await _wait_in_sight(page, "after the restart")
    await _card(page).get_by_role("button", name="Restart").click()
    await expect(answers(page).last).to_contain_text("after the restart", timeout=60_000)
    await expect(_card(page)).to_have_count(0)
    assert faults == []
    await page.context.close()


def _stop(stack: Stack, person: Person) -> None:
    session = _session(stack, person, "work")
    assert stack.api(person).post(f"/api/sessions/{session['id']}/stop").status == 202
    stack.wait_provider(person, "work", "stopped")


def _card(page: Page) -> Locator:
    return page.locator(".waiting-card")


async def _wait_in_sight(page: Page, text: str) -> None:
    await ask(page, says(text))
    await expect(_card(page)).to_contain_text("Your message waits.")
    await expect(_card(page)).to_contain_text(SAYS_WHY)
