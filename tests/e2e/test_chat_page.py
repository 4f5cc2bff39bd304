"""A person in a chat: versions, edits, deletes, continues, forks, files, settings, a temporary chat."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect
from pypdf import PdfReader

from tests.e2e.chat_page import answers, ask, composer, open_page, pick, questions, says, settled
from tests.e2e.conftest import ChatPlace
from tests.rig.api import Api

NOTES = b"fan curves of 2026"
BROKEN = b"%PDF-1.7 broken"


@pytest.fixture
async def page(chromium: Browser, chat_place: ChatPlace) -> AsyncIterator[Page]:
    """Alice's page, signed in; a script error, a breach of the policy or a foreign call fails the test."""
    faults: list[str] = []
    page = await open_page(chromium, chat_place.stack.url, chat_place.alice, faults)
    await pick(page, "first")
    yield page
    await page.context.close()
    assert faults == []


async def test_a_question_is_edited_and_both_versions_stay(page: Page) -> None:
    """An edit is a new branch; the arrow keys turn the versions and the focus stays with them."""
    await ask(page, says("first answer"))
    await expect(answers(page)).to_contain_text("first answer")
    await settled(page)
    await questions(page).hover()
    await questions(page).get_by_role("button", name="Edit").click()
    editor = page.get_by_role("form", name="Edit the message")
    await editor.get_by_label("Message").fill(says("second answer"))
    await page.keyboard.press("Enter")
    await expect(answers(page)).to_contain_text("second answer")
    versions = page.get_by_role("group", name="Version 2 of 2")
    await expect(versions).to_be_visible()
    await settled(page)
    await versions.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(answers(page)).to_contain_text("first answer")
    await expect(page.get_by_role("group", name="Version 1 of 2")).to_be_focused()
    await page.reload()
    await expect(answers(page)).to_contain_text("first answer")


async def test_another_answer_of_another_model(page: Page) -> None:
    """Asking another model gives a sibling that names its own model."""
    await ask(page, says("as asked"))
    await settled(page)
    await page.get_by_role("button", name="Ask another model").click()
    await page.get_by_role("menuitem", name="second").click()
    await expect(page.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await settled(page)
    await expect(answers(page).locator(".message-facts")).to_contain_text("second on")
    await page.get_by_role("button", name="Version before").click()
    await expect(answers(page)).to_contain_text("as asked")
    await expect(answers(page).locator(".message-facts")).to_contain_text("first on")


async def test_a_stopped_answer_is_continued_in_place(page: Page) -> None:
    """Continue goes on in the same message: what stood there stays, new text comes behind it."""
    await ask(page, 'stub: {"chunks": 1000, "rate": 30}')
    await expect(answers(page)).to_contain_text("000000002")
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Stopped. What came is kept.")).to_be_visible()
    before = await answers(page).locator(".md").inner_text()
    await page.get_by_role("button", name="Continue").click()
    await settled(page)
    await expect(page.get_by_text("Stopped. What came is kept.")).to_have_count(0)
    after = await answers(page).locator(".md").inner_text()
    assert after.startswith(before.rstrip()) and len(after) > len(before)
    await expect(answers(page)).to_have_count(1)
    await page.reload()
    await expect(answers(page).locator(".md")).to_contain_text(after[-30:].strip())


async def test_a_message_is_deleted_and_had_back(page: Page) -> None:
    """Deleting takes the answer with it; Undo has both back; without it they are gone for good."""
    await ask(page, says("one"))
    await settled(page)
    await ask(page, says("two"))
    await expect(answers(page).last).to_contain_text("two")
    await settled(page)
    await questions(page).last.hover()
    await questions(page).last.get_by_role("button", name="Delete").click()
    await expect(answers(page)).to_have_count(1)
    await page.get_by_role("button", name="Undo").click()
    await expect(answers(page)).to_have_count(2)
    await questions(page).last.hover()
    await questions(page).last.get_by_role("button", name="Delete").click()
    await expect(answers(page)).to_have_count(1)
    await page.reload()  # leaving the page carries out what was asked for
    await expect(answers(page)).to_have_count(1)


async def test_a_branch_becomes_a_chat_of_its_own(page: Page) -> None:
    """A fork holds the branch up to the message and has an address of its own."""
    await ask(page, says("the trunk"))
    await settled(page)
    await expect(page).to_have_url(re.compile("/chat/"))
    before = page.url
    await page.get_by_role("button", name="More for this answer").click()
    await page.get_by_role("menuitem", name="New chat from here").click()
    await expect(page).not_to_have_url(before)
    await expect(answers(page)).to_contain_text("the trunk")


async def use_settings(page: Page, fields: dict[str, object]) -> None:
    """Writes request fields into the panel of the chat."""
    await page.get_by_role("button", name="System prompt and sampling").click()
    await page.get_by_text("Other request fields").click()
    await page.get_by_label("As JSON").fill(json.dumps(fields))
    await page.get_by_role("button", name="Use").click()


async def test_files_go_with_a_message(page: Page, chat_place: ChatPlace) -> None:
    """A file of text reaches the model, a bad one says why, a long paste becomes a file or text again."""
    chips = page.get_by_role("list", name="Attached")
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Attach files").click()
    notes: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": NOTES}
    broken: FilePayload = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": BROKEN}
    await (await chooser.value).set_files([notes, broken])
    await expect(chips.get_by_text("18 characters")).to_be_visible()
    await expect(chips.get_by_role("alert")).to_contain_text(
        re.compile("read|damaged|broken", re.I)
    )
    await page.get_by_role("button", name="Remove broken.pdf").click()
    await composer(page).focus()
    await page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData('text/plain', 'word '.repeat(200_000));
          document.activeElement.dispatchEvent(
            new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    await expect(chips.get_by_text("1,000,000 characters")).to_be_visible(timeout=15_000)
    await expect(composer(page)).to_have_value("")
    await page.get_by_role("button", name="Remove pasted text.txt").click()
    tag = "files-of-the-page"
    await use_settings(page, {"stub": {"text": "read it", "tag": tag}})
    await ask(page, "Look at this.")
    await expect(answers(page)).to_contain_text("read it")
    await expect(questions(page).get_by_text("notes.txt")).to_be_visible()
    seen = await asyncio.to_thread(chat_place.stub.wait_seen, tag)
    assert "fan curves of 2026" in seen["text"] and "Look at this." in seen["text"]


async def test_a_file_is_dropped_anywhere_on_the_chat(page: Page) -> None:
    """While it hangs above, the page says so; dropped, it is attached. Dragged words are not a file."""
    chips = page.get_by_role("list", name="Attached")
    dragged = await page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['fan curves'], 'dropped.txt', { type: 'text/plain' }));
          return data;
        }"""
    )
    words = await page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.setData('text/plain', 'words'); return data; }"
    )
    place = ".chat-page"
    await page.dispatch_event(place, "dragenter", {"dataTransfer": words})
    await expect(page.get_by_text("Drop to attach")).to_have_count(0)
    await page.dispatch_event(place, "dragenter", {"dataTransfer": dragged})
    await expect(page.get_by_text("Drop to attach")).to_be_visible()
    await page.dispatch_event(place, "dragleave", {"dataTransfer": dragged})
    await expect(page.get_by_text("Drop to attach")).to_have_count(0)
    await page.dispatch_event(place, "dragenter", {"dataTransfer": dragged})
    await page.dispatch_event(place, "drop", {"dataTransfer": dragged})
    await expect(chips.get_by_text("dropped.txt")).to_be_visible()
    await expect(chips.get_by_text("10 characters")).to_be_visible()
    await expect(page.get_by_text("Drop to attach")).to_have_count(0)
    await page.get_by_role("button", name="Remove dropped.txt").click()


async def test_a_chat_is_printed_whole(page: Page, chat_place: ChatPlace) -> None:
    """On paper there is the conversation, each message of it, and nothing of the app around it."""
    api = chat_place.stack.api(chat_place.alice)
    chat = await asyncio.to_thread(_long_chat, api)
    await page.goto(f"{chat_place.stack.url}/chat/{chat}")
    await expect(page.get_by_text("Answer number 119.")).to_be_visible()
    await expect(page.get_by_text("Answer number 1.")).to_have_count(0)
    paper = PdfReader(io.BytesIO(await page.pdf()))
    text = " ".join(part.extract_text() for part in paper.pages)
    missing = [n for n in range(0, 120, 2) if f"Question number {n}?" not in text]
    assert not missing
    assert "Answer number 119." in text
    assert "New chat" not in text and "Send" not in text
    await expect(page.get_by_text("Answer number 1.")).to_have_count(0)


def _long_chat(api: Api) -> str:
    made = api.post("/api/chats", {"title": "Long", "model": "first/stub"}).json()["id"]
    exported = api.get(f"/api/chats/{made}/export?format=json").json()
    inner = exported["chats"][0]
    for number in range(120):
        is_user = number % 2 == 0
        message = {
            "id": f"m{number}",
            "parent_id": f"m{number - 1}" if number else None,
            "role": "user" if is_user else "assistant",
            "content": f"Question number {number}?" if is_user else f"Answer number {number}.",
        }
        inner["messages"].append(message)
    found = api.post("/api/chats/import", exported).json()
    return str(found["items"][0]["id"])


async def test_settings_go_with_each_request(page: Page, chat_place: ChatPlace) -> None:
    """A system prompt and a temperature are sent; a wrong number is told at the form."""
    await page.get_by_role("button", name="System prompt and sampling").click()
    await page.get_by_label("System prompt", exact=True).fill("You are a fan.")
    await page.get_by_label("Temperature").fill("9")
    await page.get_by_role("button", name="Use").click()
    await expect(page.get_by_role("alert")).to_contain_text("Temperature is a number from 0 to 2")
    await page.get_by_label("Temperature").fill("0,3")
    await page.get_by_role("button", name="Use").click()
    await ask(page, says("cool", tag="settings-of-the-page"))
    await expect(answers(page)).to_contain_text("cool")
    seen = await asyncio.to_thread(chat_place.stub.wait_seen, "settings-of-the-page")
    assert "You are a fan." in seen["text"] and '"temperature":0.3' in seen["text"].replace(" ", "")


async def test_a_temporary_chat_leaves_nothing(page: Page) -> None:
    """It says what it is, answers like any other, and keeps no draft in the browser."""
    await page.goto(page.url.split("/chat/")[0].rstrip("/") + "/?temporary=1")
    await expect(page.get_by_role("heading", name="Temporary chat")).to_be_visible()
    await pick(page, "first")
    await ask(page, says("not kept"))
    await expect(answers(page)).to_contain_text("not kept")
    await composer(page).fill("a secret half written")
    stored = await page.evaluate("JSON.stringify(localStorage)")
    assert "secret" not in stored
    listed = await page.evaluate("fetch('/api/chats').then((answer) => answer.text())")
    assert "not kept" not in listed
