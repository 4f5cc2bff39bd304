"""What a person does at the page of a chat, for the tests of it."""

import json

from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, expect

from tests.rig.stack import Person


async def sign_in(page: Page, url: str, person: Person) -> None:
    """Opens the hub and signs in at its form."""
    await page.goto(url)
    await page.get_by_label("Name").fill(person.name)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(composer(page)).to_be_visible()


async def open_page(chromium: Browser, url: str, person: Person, faults: list[str]) -> Page:
    """A signed-in page of its own context; script errors and foreign calls are noted in `faults`."""
    context: BrowserContext = await chromium.new_context()
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: _note_foreign(request, url, faults))
    page.on(
        "console",
        lambda said: (
            faults.append(said.text)
            if said.type == "error" and "Content Security Policy" in said.text
            else None
        ),
    )
    await sign_in(page, url, person)
    return page


def _note_foreign(request: Request, hub: str, faults: list[str]) -> None:
    if not request.url.startswith((hub, "data:", "blob:")):
        faults.append(f"called {request.url}")


def composer(page: Page) -> Locator:
    """The field one writes in."""
    return page.locator("#message")


async def pick(page: Page, name: str) -> None:
    """Opens the picker, searches, chooses with Enter."""
    await page.get_by_role("button", name="Model:").click()
    await page.get_by_label("Search models").fill(name)
    await expect(page.get_by_role("option").first).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Search models")).to_have_count(0)
    await expect(page.get_by_role("button", name="Model:")).to_contain_text(name)


async def ask(page: Page, text: str) -> None:
    """Writes a message and sends it."""
    await composer(page).fill(text)
    await composer(page).press("Enter")


async def settled(page: Page) -> None:
    """Until no answer is being written."""
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=15_000)


def says(text: str, **more: object) -> str:
    """A message that makes the stub answer with this text."""
    return "stub: " + json.dumps({"text": text, "rate": 500, **more})


def answers(page: Page) -> Locator:
    """The answers in view, from the top."""
    return page.get_by_label("Answer", exact=True)


def questions(page: Page) -> Locator:
    """The questions in view, from the top."""
    return page.get_by_label("You", exact=True)
