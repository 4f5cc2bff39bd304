"""Trouble in mid-answer, as a person sees it: offline, a hub that dies, a cut line, two pages at once."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.chat_page import answers, ask, composer, open_page, pick, says, settled
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


@asynccontextmanager
async def held(page: Page, path: str) -> AsyncIterator[None]:
    """The page's calls to the path wait until this is left, as on a slow line."""
    gate = asyncio.Event()

    async def wait(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await page.route(path, wait)
    try:
        yield
    finally:
        gate.set()


async def test_a_message_that_comes_while_the_page_opens_is_not_missed(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """After the chat was read and before the feed began: the page has it all the same."""
    stack, alice = chat_place.stack, chat_place.alice
    page = await open_page(chromium, stack.url, alice, [])
    api = stack.api(alice)
    chat = api.post("/api/chats", {"model": "first/stub", "title": "Early"}).json()["id"]
    async with held(page, "**/api/events"):
        async with page.expect_response(f"**/api/chats/{chat}"):
            await page.goto(f"{stack.url}/chat/{chat}")
        sent = await asyncio.to_thread(
            api.post, f"/api/chats/{chat}/messages", {"content": says("Here I am.")}
        )
        assert sent.status == 202, sent.body
    await expect(answers(page)).to_contain_text("Here I am.")
    await page.context.close()


async def test_a_message_that_is_sent_before_the_models_are_known_goes_when_they_are(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """The page says that it waits; whoever changes the words has to send them again."""
    page = await open_page(chromium, chat_place.stack.url, chat_place.alice, [])
    hint = page.get_by_text("It is sent as soon as there is a model.")
    async with held(page, "**/api/events"):
        await page.reload()
        await ask(page, says("not this"))
        await expect(hint).to_be_visible()
        await composer(page).fill(says("but this"))
        await expect(hint).to_have_count(0)
        await composer(page).press("Enter")
        await expect(hint).to_be_visible()
    await expect(answers(page)).to_contain_text("but this")
    await expect(answers(page)).to_have_count(1)
    await expect(composer(page)).to_have_value("")
    await page.context.close()


async def test_a_message_waits_for_the_chat_that_it_belongs_to(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """The models may be known first: it goes below what was said, to the chat's own model."""
    stack, alice = chat_place.stack, chat_place.alice
    page = await open_page(chromium, stack.url, alice, [])
    await pick(page, "first")
    await ask(page, says("One."))
    await settled(page)
    chat = page.url.rpartition("/")[2]
    async with held(page, f"**/api/chats/{chat}"):
        await page.reload()
        await expect(page.get_by_role("button", name="Model:")).to_contain_text("running")
        await ask(page, says("Two."))
        await expect(page.get_by_text("It is sent as soon as the chat is there.")).to_be_visible()
    await expect(answers(page)).to_have_count(2)
    await expect(answers(page).last).to_contain_text("Two.")
    messages = stack.api(alice).get(f"/api/chats/{chat}").json()["messages"]
    assert [one["parent_id"] for one in messages] == [None, *(one["id"] for one in messages[:3])]
    await page.context.close()


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
