"""What axe says of a page in a browser."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

_AXE = (Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(page: Page, where: str = "") -> list[str]:
    """Each fault that axe finds, with the place (`where`, else the page's address) and the element.

    axe goes in as the debugger's own script, so the page's policy stays in force.
    """
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_AXE)
    found: dict[str, Any] = await page.evaluate("() => axe.run(document)")
    return [
        f"{where or page.url} {fault['id']}: {node['html'][:160]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]
