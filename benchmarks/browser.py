"""`python -m benchmarks.browser`: what a chat costs its page, in a real Chromium on a real hub.

A 32 KB answer of mixed Markdown streams at 200 tokens a second through stub server, tunnel, hub and
page; then a chat of 2,000 messages is opened and scrolled through. CPU is that of the browser's
processes; a frame is judged by the longest task of the page's main thread, in CPU time, so that other
work on the machine does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from benchmarks.lines import Line, as_table
from benchmarks.trace import Cost, Meter
from tests.rig.browser import open_chromium
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess

TOKEN_CHARS = 4
PARAGRAPH = """## Part {number}

The cache grows with **context length**, *layers* and `n_kv_heads`; for one token it is \\(2 L H d\\).

| model | layers | per token |
|:------|-------:|----------:|
| 8B    | 32     | 128 KB    |

1. Find the number of heads.
2. Multiply, with two bytes each.

```python
def size(layers: int, heads: int, context: int) -> int:
    return 2 * layers * heads * context
```

"""
MESSAGES = 2000


def answer_of(size: int) -> str:
    """So many bytes of what models write."""
    text = "".join(PARAGRAPH.format(number=number) for number in range(size // 300))
    return text[:size]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.browser", description=__doc__)
    parser.add_argument("--bytes", type=int, default=32 * 1024)
    parser.add_argument("--rate", type=float, default=200.0, help="tokens per second")
    arguments = parser.parse_args()
    print(as_table(measure(arguments.bytes, arguments.rate)))


def measure(size: int = 32 * 1024, rate: float = 200.0) -> list[Line]:
    """An answer of so many bytes at so many tokens a second, and a long chat; at a hub of their own."""
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name:
        return _with_hub(Path(name), size, rate)


def _with_hub(folder: Path, size: int, rate: float) -> list[Line]:
    stack = Stack(folder)
    stub = StubProcess(folder / "stub.log")
    try:
        alice = stack.add_person("alice")
        stack.open_tunnel(alice, str(stub.port), "stub")
        long_chat = _make_long_chat(stack, alice)
        return asyncio.run(_measure(stack, alice, long_chat, size, rate))
    finally:
        stack.stop()
        stub.stop()


def _make_long_chat(stack: Stack, alice: Person) -> str:
    """A chat of 2,000 messages, by the import that users have."""
    api = stack.api(alice)
    chat = api.post("/api/chats", {"title": "Long", "model": "stub/stub"}).json()["id"]
    exported = api.get(f"/api/chats/{chat}/export?format=json").json()
    inner = exported["chats"][0] if "chats" in exported else exported
    parent = None
    for number in range(MESSAGES):
        is_user = number % 2 == 0
        content = f"Question {number}?" if is_user else f"Answer {number}.\n\n{answer_of(900)}"
        role = "user" if is_user else "assistant"
        message = {"id": f"m{number}", "parent_id": parent, "role": role, "content": content}
        inner["messages"].append(message)
        parent = f"m{number}"
    found = api.post("/api/chats/import", exported)
    return str(found.json()["items"][0]["id"])


async def _measure(stack: Stack, alice: Person, chat: str, size: int, rate: float) -> list[Line]:
    async with open_chromium() as browser:
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(stack.url)
        await page.get_by_label("Name").fill(alice.name)
        await page.get_by_label("Password").fill(alice.password)
        await page.get_by_role("button", name="Sign in").click()
        await page.locator("#message").wait_for()
        await page.goto(f"{stack.url}/chat/{_make_chat(stack, alice, size, rate)}")
        stream = await _stream(browser, page, size, rate)
        opened_s, opening = await _open(browser, page, f"{stack.url}/chat/{chat}")
        scroll = await _scroll(browser, page)
    main_share = sum(stream.tasks_ms) / 1000 / stream.wall_s
    streaming = f"{size // 1024} KB at {rate:g} tokens/s in a browser"
    return [
        Line(f"{streaming}: the page's process", 100 * stream.renderer_share, "%", 15),
        Line("all of the browser's processes", 100 * stream.whole_share, "%"),
        Line("the main thread", 100 * main_share, "%"),
        Line("longest task", max(stream.tasks_ms), "ms", 50),
        Line(f"{MESSAGES:,} messages, click to last answer", 1000 * opened_s, "ms", 1000),
        Line("longest task", max(opening.tasks_ms), "ms"),
        Line("scrolling them, longest task", max(scroll.tasks_ms), "ms", 50),
    ]


def _make_chat(stack: Stack, alice: Person, size: int, rate: float) -> str:
    """A chat whose every answer is the long one."""
    wish: dict[str, Any] = {"text": answer_of(size), "rate": rate}
    body = {"model": "stub/stub", "settings": {"stub": wish}}
    return str(stack.api(alice).post("/api/chats", body).json()["id"])


async def _stream(browser: Browser, page: Page, size: int, rate: float) -> Cost:
    await page.locator("#message").fill("go")
    # By their classes: looking for a role makes the page name each of its buttons, again and again.
    async with Meter(browser, page) as cost:
        await page.keyboard.press("Enter")
        await page.locator("button.composer-act.is-stop").wait_for()
        send = page.locator("button.composer-act[type=submit]")
        await send.wait_for(timeout=1000 * (30 + 2 * size / TOKEN_CHARS / rate))
    return cost


async def _open(browser: Browser, page: Page, address: str) -> tuple[float, Cost]:
    async with Meter(browser, page) as cost:
        began = time.monotonic()
        await page.evaluate(
            "(to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }",
            address,
        )
        await page.get_by_text(f"Answer {MESSAGES - 1}.").wait_for()
        took = time.monotonic() - began
    return took, cost


async def _scroll(browser: Browser, page: Page) -> Cost:
    await page.mouse.move(700, 400)
    async with Meter(browser, page) as cost:
        for _ in range(100):
            await page.mouse.wheel(0, -120)
            await asyncio.sleep(0.016)
    return cost


if __name__ == "__main__":
    main()
