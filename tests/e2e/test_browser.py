"""A person at the page: signs in, picks a model, reads a streamed answer, stops it, watches statuses."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.e2e.conftest import MakeStack, World
from tests.rig.stack import Person
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually_async

PUSHED_WITHIN_MS = 1000


async def _sign_in(page: Page, url: str, person: Person) -> None:
    await page.goto(url)
    await page.get_by_label("Name").fill(person.name)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()


async def _pick(page: Page, name: str) -> None:
    """Opens the picker, searches, chooses with Enter."""
    await page.get_by_role("button", name="Model:").click()
    await page.get_by_label("Search models").fill(name)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Model:")).to_contain_text(name)


async def _ask(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


@pytest.fixture
async def page(chromium: Browser, world: World) -> AsyncIterator[Page]:
    """Alice's page, signed in; a script error or a foreign request fails the test."""
    context = await chromium.new_context()
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: _note_foreign(request, world.stack.url, faults))
    await _sign_in(page, world.stack.url, world.alice)
    yield page
    await context.close()
    assert faults == []


def _note_foreign(request: Request, hub: str, faults: list[str]) -> None:
    if not request.url.startswith((hub, "data:", "blob:")):
        faults.append(f"called {request.url}")


async def test_wrong_password_is_told_at_the_form(chromium: Browser, world: World) -> None:
    """A wrong password is one sentence at the form, and the page stays."""
    page = await chromium.new_page()
    await page.goto(world.stack.url)
    await page.get_by_label("Name").fill("alice")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.close()


async def test_answers_stream_into_the_page(page: Page) -> None:
    """The first words are there while later ones are still to come, and all are there at the end."""
    await _pick(page, "stub")
    await _ask(page, 'stub: {"chunks": 60, "rate": 30}')
    answer = page.get_by_label("Answer", exact=True).last
    await expect(answer).to_contain_text("000000002")
    assert "000000059" not in (await answer.inner_text())
    await expect(answer).to_contain_text("000000059", timeout=10_000)
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_answers_are_markdown(page: Page) -> None:
    """Headings, lists and code come out as such; what could run is taken out."""
    await _pick(page, "stub")
    text = "## Title\\n\\n- one\\n- two\\n\\n```python\\nprint(1)\\n```\\n\\n<img src=x onerror=alert(1)>"
    await _ask(page, f'stub: {{"text": "{text}", "rate": 200}}')
    answer = page.get_by_label("Answer", exact=True).last
    await expect(answer.get_by_role("heading", name="Title")).to_be_visible()
    await expect(answer.get_by_role("listitem")).to_have_count(2)
    await expect(answer.locator("pre code")).to_contain_text("print(1)")
    assert await answer.locator("[onerror]").count() == 0


async def test_stop_frees_the_model_server(page: Page, world: World) -> None:
    """Stop closes the request at the server within 250 ms of the press; what came is kept."""
    stops: list[float] = []
    page.on(
        "request",
        lambda request: stops.append(time.monotonic()) if request.url.endswith("/stop") else None,
    )
    tag = uuid.uuid4().hex
    await _pick(page, "stub")
    await _ask(page, f'stub: {{"chunks": 100000, "rate": 50, "tag": "{tag}"}}')
    answer = page.get_by_label("Answer", exact=True).last
    await expect(answer).to_contain_text("000000003")
    await page.get_by_role("button", name="Stop the answer").click()
    seen = await asyncio.to_thread(world.stub.wait_seen, tag, "disconnected")
    assert seen["ended_at"] - stops[0] < 0.25
    await expect(page.get_by_text("Stopped.")).to_be_visible()
    await expect(answer).to_contain_text("000000003")


async def test_closing_the_page_does_not_stop_the_answer(
    page: Page, world: World, chromium: Browser
) -> None:
    """A run belongs to the hub: the answer is whole when another page opens the chat."""
    tag = uuid.uuid4().hex
    await _pick(page, "stub")
    await _ask(page, f'stub: {{"chunks": 60, "rate": 30, "tag": "{tag}"}}')
    await expect(page.get_by_label("Answer", exact=True).last).to_contain_text("000000003")
    await expect(page).to_have_url(re.compile("/chat/"))
    address = page.url
    await page.goto("about:blank")
    await asyncio.to_thread(world.stub.wait_seen, tag, "complete", 10)
    await page.goto(address)
    await expect(page.get_by_label("Answer", exact=True).last).to_contain_text("000000059")


async def test_a_real_model_answers(page: Page, world: World) -> None:
    """The real server's stream is shown, and Stop frees its slot."""
    await _pick(page, "llama")
    await _ask(page, "Tell me everything.")
    answer = page.get_by_label("Answer", exact=True).last
    await eventually_async(lambda: _has_text(answer.inner_text(), 100), 10)
    await page.get_by_role("button", name="Stop the answer").click()
    await asyncio.to_thread(world.llama.wait_for_slot_release, 2.0)


async def _has_text(text: object, length: int) -> bool:
    return len(str(await text)) > length  # type: ignore[misc]


async def test_status_follows_the_tunnel_without_a_reload(
    make_stack: MakeStack, chromium: Browser, stub_process: StubProcess
) -> None:
    """running, stopped and running again, on a page that is never reloaded."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    target = str(stub_process.port)
    page = await chromium.new_page()
    await _sign_in(page, stack.url, alice)
    await page.evaluate("window.isSamePage = true")
    agent = await asyncio.to_thread(stack.open_tunnel, alice, target, "box")
    line = page.get_by_role("button", name="Model:")
    await expect(line).to_contain_text("box")
    await expect(line).to_contain_text("running", timeout=PUSHED_WITHIN_MS)
    await asyncio.to_thread(agent.stop)
    await expect(line).to_contain_text("stopped", timeout=PUSHED_WITHIN_MS)
    await asyncio.to_thread(stack.open_tunnel, alice, target, "box")
    await expect(line).to_contain_text("running", timeout=PUSHED_WITHIN_MS)
    assert await page.evaluate("window.isSamePage")
    await page.close()


async def test_first_admin_is_made_in_the_browser(make_stack: MakeStack, chromium: Browser) -> None:
    """The one-time link that the first start printed makes the admin, once."""
    stack = await asyncio.to_thread(make_stack)

    def link() -> re.Match[str] | None:
        return re.search(r"https?://\S+/setup\?token=\S+", stack.hub.output())

    # A hub answers before it has said all that it says at its start.
    found = await eventually_async(link, 10, "the one-time link")
    page = await chromium.new_page()
    await page.goto(found[0])
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill("correct horse battery staple")
    await page.get_by_role("button").last.click()
    await expect(page.get_by_role("button", name="Model:")).to_be_visible()
    again = await chromium.new_page()
    await again.goto(found[0])
    await again.get_by_label("Name").fill("eve")
    await again.get_by_label("Password").fill("correct horse battery staple")
    await again.get_by_role("button").last.click()
    await expect(again.get_by_role("alert")).to_be_visible()


async def test_a_session_is_signed_in_by_its_code(
    make_stack: MakeStack, chromium: Browser, stub_process: StubProcess
) -> None:
    """Without a key the agent prints a link; one click in the browser and its model is there."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    nobody = Person("", "", "")
    agent = await asyncio.to_thread(
        stack.start_tunnel, nobody, str(stub_process.port), "box", "--hub", stack.url
    )
    await asyncio.to_thread(agent.wait_for_output, "/connect?code=")
    link = re.search(r"https?://\S+/connect\?code=[A-Z0-9-]+", agent.output())
    assert link is not None
    page = await chromium.new_page()
    await _sign_in(page, stack.url, alice)
    await page.goto(link[0])
    await page.get_by_role("button", name=re.compile("Approve|Yes|Allow|Connect")).click()
    await asyncio.to_thread(stack.wait_provider, alice, "box", "running")
    assert alice.key not in agent.output()
