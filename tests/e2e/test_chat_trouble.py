"""Trouble in mid-answer, as a person sees it: offline, a hub that dies, a cut line, two pages at once."""

import asyncio
import re

from playwright.async_api import Browser, Page, expect

from tests.e2e.chat_page import answers, ask, open_page, pick, settled
from tests.e2e.conftest import ChatPlace, MakeStack
from tests.rig.forwarder import Forwarder
from tests.rig.stub import StubProcess

SLOW = 'stub: {"chunks": 120, "rate": 30}'


async def numbers(page: Page) -> list[int]:
    """The numbered pieces of the last answer in view."""
    text = await answers(page).last.locator(".md").inner_text()
    return [int(found) for found in re.findall(r"\d{9}", text)]


async def test_two_pages_show_one_run_and_offline_loses_nothing(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """A page that was offline in mid-answer shows all of it, each piece once, without a reload."""
    faults: list[str] = []
    place = chat_place
    first = await open_page(chromium, place.stack.url, place.alice, faults)
    second = await open_page(chromium, place.stack.url, place.alice, faults)
    await pick(first, "first")
    await ask(first, SLOW)
    await expect(answers(first)).to_contain_text("000000005")
    await second.goto(first.url)
    await expect(answers(second)).to_contain_text("000000010")
    await first.context.set_offline(True)
    await expect(answers(second)).to_contain_text("000000060", timeout=15_000)
    await first.context.set_offline(False)
    await settled(first)
    await settled(second)
    assert await numbers(first) == await numbers(second) == list(range(120))
    for page in (first, second):
        await page.context.close()
    assert faults == []


async def test_another_pages_messages_come_by_themselves(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """What one page sends, the other shows live; what one deletes, the other loses."""
    faults: list[str] = []
    place = chat_place
    first = await open_page(chromium, place.stack.url, place.alice, faults)
    second = await open_page(chromium, place.stack.url, place.alice, faults)
    await pick(first, "first")
    await ask(first, 'stub: {"chunks": 3}')
    await settled(first)
    await second.goto(first.url)
    await expect(answers(second)).to_have_count(1)
    await ask(first, SLOW)
    await expect(answers(second)).to_have_count(2)
    await expect(answers(second).last).to_contain_text("000000003")
    await settled(second)
    assert await numbers(second) == list(range(120))
    for page in (first, second):
        await page.context.close()
    assert faults == []


async def test_a_hub_that_is_killed_goes_on_where_it_was(
    make_stack: MakeStack, chromium: Browser, stub_process: StubProcess
) -> None:
    """kill -9 in mid-answer: the page says so, and the same answer is whole without a reload."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    await asyncio.to_thread(stack.open_tunnel, alice, str(stub_process.port), "box")
    page = await open_page(chromium, stack.url, alice, [])
    await ask(page, 'stub: {"chunks": 300, "rate": 30}')
    await expect(answers(page)).to_contain_text("000000005")
    await page.evaluate("window.isSamePage = true")
    await asyncio.to_thread(stack.hub.kill)
    await expect(page.get_by_text("No contact with the hub")).to_be_visible()
    await asyncio.to_thread(stack.start_hub)
    await expect(page.get_by_text("No contact with the hub")).to_have_count(0, timeout=30_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=30_000)
    assert await numbers(page) == list(range(300))
    assert await page.evaluate("window.isSamePage")
    await page.context.close()


async def test_a_cut_line_of_the_agent_is_told_and_the_answer_goes_on(
    make_stack: MakeStack, chromium: Browser, stub_process: StubProcess
) -> None:
    """The agent's network is gone for a while: the page says it reconnects, then all is there."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    async with Forwarder(stack.port) as line:
        await asyncio.to_thread(
            stack.open_tunnel, alice, str(stub_process.port), "box", hub_url=line.url
        )
        page = await open_page(chromium, stack.url, alice, [])
        await ask(page, 'stub: {"chunks": 200, "rate": 30}')
        await expect(answers(page)).to_contain_text("000000005")
        line.is_refusing = True
        line.cut()
        await expect(page.get_by_text("Your answer goes on when it is back")).to_be_visible()
        line.is_refusing = False
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(
            timeout=30_000
        )
        assert await numbers(page) == list(range(200))
        await page.context.close()
