"""A real Chromium, driven by Playwright; the browser is the system's, nothing is downloaded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright, expect

from tests.rig.needs import find_program

# Quiet and offline: the browser of a test calls nobody but the hub.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A condition is waited for, and on a machine that does other work besides it takes its time.
expect.set_options(timeout=20_000)


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """A headless browser for the length of the block."""
    program = find_program("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
