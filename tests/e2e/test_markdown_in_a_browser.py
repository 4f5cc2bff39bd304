"""The corpus of nasty Markdown in a real browser under the hub's policy: one tree, no script, no call."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.e2e.chat_page import answers, open_page
from tests.e2e.conftest import ChatPlace
from tests.rig.stack import Person, Stack
from tests.rig.waiting import eventually_async

CORPUS = Path(__file__).parents[2] / "web" / "src" / "stream" / "markdown" / "corpus.ts"
CODE = '.is-answer pre > code[class^="language-"]'
# What would run if anything did; `alert` is watched through the page's dialogs.
ATTACKS = """<script>window.pwned = 1</script>

<img src=x onerror="window.pwned = 2"> <svg onload="window.pwned = 3"></svg>

[a](javascript:window.pwned=4) ![b](https://tracker.example/b.png) <img src="https://tracker.example/c.png">

<iframe srcdoc="<script>parent.pwned = 5</script>"></iframe> <a href="/api/auth/sign-out" ping="https://x.example">z</a>

<style>@import url(https://x.example/a.css); * { background: url(https://x.example/b.png) }</style>

$$\\href{javascript:window.pwned=6}{x} \\includegraphics{https://x.example/d.png} \\htmlData{a=b}{c}$$

```js
window.pwned = 7 // </code></pre><script>window.pwned = 8</script>
```
"""


async def _corpus(page: Page) -> list[str]:
    """The texts of the corpus, as the page's own language reads them."""
    source = CORPUS.read_text()
    literal = source[source.index("= {") + 2 : source.rindex("};") + 1]
    texts: list[str] = await page.evaluate(f"Object.values({literal})")
    return texts


def _send(stack: Stack, alice: Person, chat: str, text: str) -> str:
    """Has the stub answer with the text; the run's id."""
    api = stack.api(alice)
    settings = {"stub": {"text": text, "rate": 800}}
    sent = api.post(f"/api/chats/{chat}/messages", {"content": "go", "settings": settings})
    assert sent.status == 202, sent.body
    return str(sent.json()["run"]["id"])


async def _trees(page: Page) -> list[str]:
    """What is drawn, once formulas and colours are."""

    async def is_drawn() -> bool:
        rest = page.locator(f".maths:not(.is-drawn), {CODE}:not(.is-coloured, .is-plain)")
        return await rest.count() == 0 and await page.get_by_label("Answer", exact=True).count() > 0

    await eventually_async(is_drawn, 15, "every formula drawn and every code block looked at")
    trees: list[str] = await page.evaluate(
        "[...document.querySelectorAll('.is-answer .md')].map((one) => one.innerHTML)"
    )
    return trees


async def test_streamed_and_at_once_are_one_tree_and_nothing_runs(
    chromium: Browser, chat_place: ChatPlace
) -> None:
    """All of it in two chats that stream into an open page, then drawn anew by a reload."""
    faults: list[str] = []
    stack, alice = chat_place.stack, chat_place.alice
    blank = await chromium.new_page()
    texts = [text for text in await _corpus(blank) if "\x00" not in text] + [ATTACKS]
    await blank.close()
    page = await open_page(chromium, stack.url, alice, faults)
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    for part in (texts[:15], texts[15:30], texts[30:]):
        made = stack.api(alice).post("/api/chats", {"model": "first/stub"}).json()
        await page.goto(f"{stack.url}/chat/{made['id']}")
        for count, text in enumerate(part, 1):
            await asyncio.to_thread(_send, stack, alice, made["id"], text)
            await expect(answers(page)).to_have_count(count)
            await expect(answers(page).last).to_have_attribute("aria-busy", "false", timeout=20_000)
        streamed = await _trees(page)
        await page.reload()
        await expect(answers(page)).to_have_count(len(part))
        assert await _trees(page) == streamed
        for tree in streamed:
            assert not re.search(r"<(script|iframe|style|form|object|embed)\b", tree), tree
    assert await page.evaluate("window.pwned") is None
    await page.context.close()
    assert faults == []
