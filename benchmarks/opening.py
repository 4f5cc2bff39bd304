"""`python -m benchmarks.opening`: how long the app takes to open, and how much script its first paint needs.

Ready is when the composer can be typed in and the route line names a model: a real hub with a real tunnel, on
loopback, in a real Chromium, counted from the start of the navigation. The script is what came over the wire
until then.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from playwright.async_api import Browser, Page

from benchmarks.lines import Line, as_table
from tests.rig.browser import open_chromium
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess

MAX_READY_MS = 500.0
MAX_SCRIPT_KB = 150.0

WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector('.route-provider') || !document.querySelector('#message')) return;
  window.readyAt = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
"""Runs before any script of the page, and costs it nothing that could be seen in the figures."""

READ = """() => {
  const isScript = ({ name }) => /\\.js(\\?|$)/.test(name);
  const isBefore = ({ responseEnd }) => responseEnd <= window.readyAt;
  const loaded = performance.getEntriesByType('resource').filter((one) => isScript(one) && isBefore(one));
  const scripts = loaded.map(({ name, encodedBodySize }) => [name, encodedBodySize]);
  return { readyAt: window.readyAt, scripts };
}"""


@dataclass(frozen=True)
class Opening:
    """One opening of the app: milliseconds to ready, and the bytes of script until then."""

    ready_ms: float
    script_bytes: int


async def open_once(page: Page, url: str) -> Opening:
    """Opens the page and waits until it is ready."""
    await page.goto(url)
    await page.wait_for_function("() => window.readyAt !== undefined")
    found: dict[str, Any] = await page.evaluate(READ)
    sizes = dict(found["scripts"])
    return Opening(float(found["readyAt"]), sum(sizes.values()))


async def sign_in(browser: Browser, url: str, person: Person) -> dict[str, Any]:
    """The cookies of somebody who is signed in, for fresh contexts."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    await page.get_by_label("Name").fill(person.name)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator(".route-provider").wait_for()
    state: dict[str, Any] = dict(await context.storage_state())
    await context.close()
    return state


async def _open_often(url: str, person: Person, rounds: int) -> tuple[list[Opening], list[Opening]]:
    """Openings with an empty cache, and openings again with a full one."""
    cold, warm = [], []
    async with open_chromium() as browser:
        signed_in: Any = await sign_in(browser, url, person)
        for _ in range(rounds):
            context = await browser.new_context(storage_state=signed_in)
            page = await context.new_page()
            await page.add_init_script(WATCH)
            cold.append(await open_once(page, url))
            warm.append(await open_once(page, url))
            await context.close()
    return cold, warm


def lines_of(cold: list[Opening], warm: list[Opening]) -> list[Line]:
    """The medians."""
    script_kb = max(one.script_bytes for one in cold) / 1000
    first, again = (median(one.ready_ms for one in opened) for opened in (cold, warm))
    return [
        Line("open the app to ready, empty cache", first, "ms", MAX_READY_MS),
        Line("open the app to ready, full cache", again, "ms", MAX_READY_MS),
        Line("script until ready, gzip", script_kb, "KB", MAX_SCRIPT_KB),
    ]


def measure(rounds: int = 7) -> list[Line]:
    """So many openings, at a hub of their own."""
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name, ExitStack() as ends:
        folder = Path(name)
        stub = StubProcess(folder / "stub.log")
        ends.callback(stub.stop)
        stack = Stack(folder)
        ends.callback(stack.stop)
        alice = stack.add_person("alice")
        stack.open_tunnel(alice, str(stub.port), "box")
        return lines_of(*asyncio.run(_open_often(stack.url, alice, rounds)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.opening", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    print(as_table(measure(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
