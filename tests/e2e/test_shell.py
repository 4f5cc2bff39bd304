"""A person and the frame of the pages: finding, sorting, sharing and losing chats, by keyboard."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Response, Route, expect

from benchmarks.opening import MAX_SCRIPT_KB, WATCH, open_once
from tests.e2e.axe import violations
from tests.rig.api import Api
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess


@dataclass(frozen=True)
class Place:
    """An Underpass of these tests' own: alice with one model, and bob."""

    stack: Stack
    alice: Person
    bob: Person

    @property
    def hub(self) -> Api:
        """The hub, as alice's key sees it."""
        return self.stack.api(self.alice)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, stub_process: StubProcess) -> Iterator[Place]:
    """No test here breaks it, so all share it."""
    stack = Stack(tmp_path_factory.mktemp("shell"))
    try:
        alice, bob = stack.add_person("alice"), stack.add_person("bob")
        stack.open_tunnel(alice, str(stub_process.port), "stub")
        yield Place(stack, alice, bob)
    finally:
        stack.stop()


async def _sign_in(page: Page, url: str, person: Person) -> None:
    await page.goto(url)
    await page.get_by_label("Name").fill(person.name)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()


@pytest.fixture
async def context(chromium: Browser, place: Place) -> AsyncIterator[BrowserContext]:
    """Alice's browser, signed in; a script error in any of its pages fails the test."""
    context = await chromium.new_context(reduced_motion="reduce")
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    page = await context.new_page()
    await _sign_in(page, place.stack.url, place.alice)
    await page.close()
    yield context
    await context.close()
    assert faults == []


@pytest.fixture
async def page(context: BrowserContext, place: Place) -> Page:
    """One page of alice's, on a new chat."""
    page = await context.new_page()
    await page.goto(place.stack.url)
    await expect(page.get_by_role("button", name="Model:")).to_contain_text("running")
    return page


def _make_chat(place: Place, title: str, text: str = "", **fields: Any) -> str:
    """A chat of alice's with one answered message."""
    model = next(
        model["id"]
        for provider in place.hub.items("/api/providers")
        if provider["name"] == "stub"
        for model in provider["models"]
    )
    chat: str = place.hub.post("/api/chats", {"title": title, "model": model}).json()["id"]
    if text:
        content = "stub: " + json.dumps({"text": text, "rate": 5000})
        sent = place.hub.post(f"/api/chats/{chat}/messages", {"content": content})
        assert sent.status == 202, sent
    if fields:
        assert place.hub.call("PATCH", f"/api/chats/{chat}", fields).status == 200
    return chat


async def test_a_chat_is_sorted_from_its_menu_by_keyboard(page: Page, place: Place) -> None:
    """Renamed, pinned, put into a folder and archived, with no pointer at all."""
    await asyncio.to_thread(_make_chat, place, "Kettle")
    more = page.get_by_role("button", name="More about Kettle", exact=True)
    await more.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    lines = [await line.bounding_box() for line in await page.get_by_role("menuitem").all()]
    assert len({line["height"] for line in lines if line}) == 1, "a line of the menu is broken"
    await page.keyboard.press("Enter")
    await page.get_by_label("Title of the chat").fill("Teapot")
    await page.keyboard.press("Enter")
    more = page.get_by_role("button", name="More about Teapot", exact=True)
    await more.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("p")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Pinned").get_by_text("Teapot")).to_be_visible()
    await more.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("u")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Pinned")).to_have_count(0)
    await more.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("m")
    await page.keyboard.press("Enter")
    await page.get_by_label("Name of a new folder").fill("Crockery")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Crockery")).to_be_visible()
    await page.get_by_role("button", name="Crockery").press("Enter")
    await more.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("a")
    await page.keyboard.press("Enter")
    await expect(more).to_have_count(0)
    await page.get_by_role("button", name="Archive").press("Enter")
    await expect(page.get_by_role("region", name="Archive").get_by_text("Teapot")).to_be_visible()


async def test_a_chat_that_is_changed_again_before_the_hub_answered(
    page: Page, place: Place
) -> None:
    """The second change waits for the first and holds meanwhile; late words move nothing back."""
    chat = await asyncio.to_thread(_make_chat, place, "Trivet")
    first, asked = asyncio.Event(), list[str]()

    async def hold(route: Route) -> None:
        asked.append(route.request.post_data or "")
        if len(asked) == 1:
            await first.wait()
        await route.continue_()

    await page.route(f"**/api/chats/{chat}", hold)
    more = page.get_by_role("button", name="More about Trivet", exact=True)
    pinned = page.get_by_role("region", name="Pinned").get_by_text("Trivet")
    await more.click()
    await page.get_by_role("menuitem", name="Pin", exact=True).click()
    await expect(pinned).to_be_visible()
    # What another page does to the chat comes by the feed meanwhile, from before the change.
    await asyncio.to_thread(_retitle, place, chat, "Trivet")
    await more.click()
    await page.get_by_role("menuitem", name="Unpin").click()
    await expect(pinned).to_have_count(0)
    assert asked == ['{"is_pinned":true}']
    async with page.expect_response(lambda answer: '"is_pinned":false' in _asked(answer)) as last:
        first.set()
    assert not (await (await last.value).json())["is_pinned"]
    await expect(pinned).to_have_count(0)
    assert asked == ['{"is_pinned":true}', '{"is_pinned":false}']


def _retitle(place: Place, chat: str, title: str) -> None:
    assert place.hub.call("PATCH", f"/api/chats/{chat}", {"title": title}).status == 200


def _asked(answer: Response) -> str:
    return answer.request.post_data or ""


async def test_a_menu_stays_where_its_button_stays(page: Page, place: Place) -> None:
    """A scroll that is told late, or of something else, closes nothing; one that moves the button does."""
    await asyncio.to_thread(_make_chat, place, "Samovar")
    more = page.get_by_role("button", name="More about Samovar", exact=True)
    await more.click()
    rename = page.get_by_role("menuitem", name="Rename")
    await expect(rename).to_be_focused()
    scroll = "(button) => button.closest('nav').dispatchEvent(new Event('scroll'))"
    await more.evaluate(scroll)
    await expect(rename).to_be_focused()
    await more.evaluate(
        "(button) => { button.style.position = 'relative'; button.style.top = '9px'; }"
    )
    await more.evaluate(scroll)
    await expect(rename).to_have_count(0)


async def test_search_finds_what_was_said_and_marks_it(page: Page, place: Place) -> None:
    """A word of an answer finds its chat; the word is marked, and the hit leads to the chat."""
    chat = await asyncio.to_thread(
        _make_chat, place, "About pumps", "A zanzibar bearing is silent."
    )
    await page.get_by_label("Search chats").fill("zanzib")
    hit = page.get_by_role("region", name="Chats with zanzib").get_by_role("link")
    await expect(hit.locator("mark").first).to_have_text(re.compile("^zanzib", re.IGNORECASE))
    await hit.first.click()
    await expect(page).to_have_url(re.compile(f"/chat/{chat}"))
    await expect(page.get_by_role("article", name="Answer").last).to_contain_text("silent")
    await page.get_by_label("Search chats").press("Escape")
    await expect(page.get_by_label("Search chats")).to_have_value("")


async def test_the_palette_goes_everywhere(page: Page, place: Place) -> None:
    """Chats, models, pages, acts, and what was said: a few letters and Enter."""
    await asyncio.to_thread(_make_chat, place, "Gasket order", "quixotic seals")
    await page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Chats, models, pages and acts")
    await field.fill("providers")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Providers")).to_be_visible()
    await page.keyboard.press("Control+k")
    await field.fill("look dark")
    await page.keyboard.press("Enter")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.keyboard.press("Control+k")
    await field.fill("quixotic")
    await expect(page.get_by_role("group", name="In what was said")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/chat/"))
    await page.keyboard.press("Control+k")
    await field.fill("look as this device")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Control+Shift+O")
    await expect(page).to_have_url(re.compile(r"/$"))


async def test_the_way_from_connecting_a_model_to_connecting_tools(page: Page) -> None:
    """By keyboard: the panel closes and the page of settings stands there."""
    await page.get_by_role("button", name="Connect a model").first.click()
    panel = page.get_by_role("dialog", name="Connect a model")
    await panel.get_by_role("link", name="Connect tools").focus()
    await page.keyboard.press("Enter")
    await expect(panel).to_have_count(0)
    await expect(page.get_by_role("heading", name="Connect tools")).to_be_visible()
    assert page.url.endswith("/tools")


async def test_a_late_word_about_a_closed_panel_does_not_close_the_next_one(page: Page) -> None:
    """A browser tells of a closed dialog in a later turn; a busy one after the panel is open anew."""
    field = page.get_by_role("combobox", name="Chats, models, pages and acts")
    await page.keyboard.press("Control+k")
    await expect(field).to_be_focused()
    old = await page.query_selector("dialog.palette")
    assert old is not None
    await page.keyboard.press("Control+k")
    await expect(field).to_have_count(0)
    await page.keyboard.press("Control+k")
    await expect(field).to_be_focused()
    await old.dispatch_event("close")
    await field.fill("look")
    await expect(page.get_by_role("option", name="Look: dark")).to_be_visible()


async def test_the_list_of_shortcuts_is_the_one_that_works(page: Page) -> None:
    """`?` opens it where nobody types, and writes a question mark where somebody does."""
    message = page.get_by_label("Message", exact=True)
    await message.press("?")
    await expect(message).to_have_value("?")
    await message.fill("")
    await message.blur()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("New chat")


async def test_a_deleted_chat_can_be_had_back_for_ten_seconds(page: Page, place: Place) -> None:
    """It leaves the list at once, and Undo has it back."""
    await asyncio.to_thread(_make_chat, place, "Precious")
    await page.get_by_role("button", name="More about Precious", exact=True).click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(page.get_by_role("link", name="Precious")).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name="Precious")).to_be_visible()


async def test_a_chat_deleted_in_another_window_is_said_and_restored(
    page: Page, place: Place
) -> None:
    """The page keeps what it shows, says what happened, and one click has it back."""
    chat = await asyncio.to_thread(_make_chat, place, "Fleeting", "Still here.")
    await page.goto(f"{place.stack.url}/chat/{chat}")
    await expect(page.get_by_role("article", name="Answer")).to_contain_text("Still here.")
    await asyncio.to_thread(place.hub.call, "DELETE", f"/api/chats/{chat}")
    await expect(page.get_by_text("deleted in another window")).to_be_visible()
    await expect(page.get_by_role("article", name="Answer")).to_contain_text("Still here.")
    await page.get_by_role("button", name="Restore").click()
    await expect(page.get_by_role("link", name="Fleeting")).to_be_visible()
    await expect(page.get_by_text("deleted in another window")).to_have_count(0)


async def test_an_expired_sign_in_loses_nothing(page: Page, place: Place) -> None:
    """In mid-answer: a sign-in opens above the page, the draft stays, and the answer is whole after it."""
    chat = await asyncio.to_thread(_make_chat, place, "Long one")
    await page.goto(f"{place.stack.url}/chat/{chat}")
    message = page.get_by_label("Message", exact=True)
    await message.fill('stub: {"chunks": 90, "rate": 30}')
    await message.press("Enter")
    await expect(page.get_by_role("article", name="Answer")).to_contain_text("000000002")
    await message.fill("half a thought")
    await page.context.clear_cookies()
    await page.get_by_label("Search chats").fill("anything")
    again = page.get_by_role("dialog", name="Sign in again")
    await expect(again).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(again).to_be_visible()
    await again.get_by_label("Password").fill(place.alice.password)
    await again.get_by_role("button", name="Sign in").click()
    await expect(again).to_have_count(0)
    await expect(message).to_have_value("half a thought")
    await expect(page.get_by_role("article", name="Answer")).to_contain_text(
        "000000089", timeout=15_000
    )


async def test_a_shared_chat_is_read_by_whom_it_names(
    page: Page, place: Place, chromium: Browser
) -> None:
    """Alice names bob in the dialog; he reads the transcript on its page, and can do no more."""
    chat = await asyncio.to_thread(_make_chat, place, "For bob", "Look at this.")
    await page.goto(f"{place.stack.url}/chat/{chat}")
    await page.get_by_role("button", name="More about this chat").click()
    await page.get_by_role("menuitem", name="Share").click()
    await page.get_by_label("Their names").fill("nobody-here")
    await page.get_by_role("button", name="Share", exact=True).click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    await page.get_by_label("Their names").fill("bob")
    await page.get_by_role("button", name="Share", exact=True).click()
    link = page.get_by_role("dialog").locator(".paste code")
    await expect(link).to_contain_text("/shared/shr_")
    context = await chromium.new_context()
    his = await context.new_page()
    await _sign_in(his, place.stack.url, place.bob)
    await his.get_by_role("link", name="Shared with you").click()
    await his.get_by_role("link", name="For bob").click()
    await expect(his).to_have_url(await link.inner_text())
    await expect(his.get_by_role("article", name="Answer")).to_contain_text("Look at this.")
    await page.get_by_role("button", name="Stop sharing").click()
    await expect(link).to_have_count(0)
    await his.reload()
    await expect(his.get_by_role("heading", name="not shared with you")).to_be_visible()
    await context.close()


async def test_settings_are_kept_at_the_hub(page: Page, place: Place, chromium: Browser) -> None:
    """A favourite, a preset and the send key are there in another browser."""
    await page.keyboard.press("Control+Shift+L")
    await page.get_by_label("Search models").fill("stub")
    await page.keyboard.press("Alt+f")
    await expect(page.get_by_role("group", name="Favourites")).to_be_visible()
    await page.goto(f"{place.stack.url}/settings")
    await page.get_by_label("Enter makes a new line", exact=False).last.check()
    await page.get_by_role("button", name="New preset").click()
    form = page.get_by_role("dialog", name="New preset")
    await form.get_by_label("Name", exact=True).fill("Terse")
    await form.get_by_label("System prompt").fill("Be terse.")
    await form.get_by_label("Temperature").fill("0.3")
    await form.get_by_role("button", name="Keep", exact=True).click()
    await expect(page.get_by_text("Be terse. · temperature 0.3")).to_be_visible()
    context = await chromium.new_context()
    other = await context.new_page()
    await _sign_in(other, place.stack.url, place.alice)
    await other.goto(f"{place.stack.url}/settings")
    await expect(other.get_by_text("Be terse.")).to_be_visible()
    await expect(
        other.get_by_role("button", name=re.compile("from the favourites"))
    ).to_be_visible()
    await expect(other.get_by_label("Enter makes a new line", exact=False).last).to_be_checked()
    await other.get_by_label("Enter sends", exact=False).first.check()
    await other.get_by_role("button", name=re.compile("from the favourites")).click()
    await expect(other.get_by_role("button", name=re.compile("from the favourites"))).to_have_count(
        0
    )
    await context.close()


async def test_chats_leave_and_come_back_as_files(page: Page, place: Place) -> None:
    """What was exported is imported again: the same words, in a chat of its own."""
    chat = await asyncio.to_thread(_make_chat, place, "Round trip", "Out and in.")
    await page.get_by_role("button", name="More about Round trip", exact=True).click()
    async with page.expect_download() as downloading:
        await page.get_by_role("menuitem", name="Export as JSON").click()
    file = await (await downloading.value).path()
    await page.goto(f"{place.stack.url}/settings")
    await page.get_by_label("Files to import").set_input_files(
        {"name": "chat.json", "mimeType": "application/json", "buffer": file.read_bytes()}
    )
    link = page.get_by_role("status").get_by_role("link", name="Round trip")
    await link.click()
    await expect(page.get_by_role("article", name="Answer")).to_contain_text("Out and in.")
    assert not page.url.endswith(chat)
    await page.goto(f"{place.stack.url}/settings")
    await page.get_by_label("Files to import").set_input_files(
        {"name": "broken.json", "mimeType": "application/json", "buffer": b"{"}
    )
    await expect(page.get_by_role("alert")).to_contain_text("broken.json")


async def test_the_first_paint_needs_little_script(context: BrowserContext, place: Place) -> None:
    """What the browser has to fetch before the app is ready stays within its bar."""
    page = await context.new_page()
    await page.add_init_script(WATCH)
    opening = await open_once(page, place.stack.url)
    assert 20_000 < opening.script_bytes <= MAX_SCRIPT_KB * 1000


PAGES = (
    *("/", "/?temporary=1", "/sessions", "/sessions/new", "/providers", "/settings"),
    *(
        "/tools",
        "/usage",
        "/clusters",
        "/shared",
        "/manual",
        "/connect",
        "/chat/a/b",
        "/chat/cht_none",
    ),
)


@pytest.mark.timeout(180)  # twenty pages and panels, each looked at by axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(chromium: Browser, place: Place, scheme: Any) -> None:
    """Every page and every panel, in both themes."""
    chat = await asyncio.to_thread(
        _make_chat,
        place,
        f"Axe {scheme}",
        "# One\\n\\n| a |\\n|---|\\n| 1 |\\n\\n```py\\nx = 1\\n```",
    )
    session = await asyncio.to_thread(place.hub.items, "/api/sessions")
    context = await chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    await page.goto(place.stack.url)
    await expect(page.get_by_label("Password")).to_be_visible()
    faults = await violations(page)
    await _sign_in(page, place.stack.url, place.alice)
    for path in (*PAGES, f"/chat/{chat}", f"/sessions/{session[0]['id']}"):
        await page.goto(place.stack.url + path)
        await expect(page.locator("h1").first).to_be_attached()
        faults += await violations(page)
    await page.goto(f"{place.stack.url}/chat/{chat}")
    await expect(page.get_by_role("article", name="Answer")).to_be_visible()
    faults += await violations(page)
    for keys, panel in (
        ("Control+k", page.get_by_role("dialog", name="Commands")),
        ("Control+Shift+L", page.get_by_role("listbox", name="Models")),
        ("Control+Shift+.", page.get_by_role("dialog", name="This chat")),
    ):
        await page.keyboard.press(keys)
        await expect(panel).to_be_visible()
        faults += await violations(page)
        await page.keyboard.press("Escape")
        await expect(panel).to_have_count(0)
    for item, title in (("Move to a folder", "Move"), ("Share", "Share")):
        await page.get_by_role("button", name="More about this chat").click()
        await expect(page.get_by_role("menu")).to_be_visible()
        faults += await violations(page)
        await page.get_by_role("menuitem", name=item).click()
        await expect(page.get_by_role("dialog", name=re.compile(title))).to_be_visible()
        faults += await violations(page)
        await page.keyboard.press("Escape")
    await context.close()
    assert faults == []
