"""The usage page: what was really used, in numbers, bars and a file."""

import asyncio
import csv
import io

from playwright.async_api import Browser, expect

from tests.e2e.chat_page import open_page
from tests.e2e.conftest import MakeStack
from tests.rig.stub import StubProcess


async def test_what_one_used_and_what_all_did(
    chromium: Browser, make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """One's own sums by model and key; an admin's of everybody; the CSV says the same."""
    stack = make_stack()
    root, alice = stack.add_person("root", is_admin=True), stack.add_person("alice")
    stack.open_tunnel(alice, str(stub_process.port), "box")
    ask = {"model": "box/stub", "messages": [], "stub": {"chunks": 25}}
    for _ in range(3):
        answer = await asyncio.to_thread(stack.api(alice).post, "/v1/chat/completions", ask)
        assert answer.status == 200
    faults: list[str] = []
    page = await open_page(chromium, stack.url, alice, faults)
    await page.goto(f"{stack.url}/usage")
    sums = page.locator(".sums")
    await expect(sums).to_contain_text("Requests3")
    await expect(sums).to_contain_text("Tokens out75")
    await expect(page.get_by_role("img", name="Tokens a day: 78 in 30 days")).to_be_visible()
    await page.get_by_role("group", name="Measure").get_by_text("Requests").click()
    await page.get_by_role("group", name="Days").get_by_text("7 days").click()
    await expect(page.get_by_role("img", name="Requests a day: 3 in 7 days")).to_be_visible()
    await page.get_by_text("As a table").click()
    days = page.get_by_role("region", name="Requests a day")
    await expect(days.get_by_role("row")).to_have_count(8)
    await expect(days.get_by_role("row").nth(1).get_by_role("cell")).to_have_text("3")
    table = page.get_by_role("region", name="Sums")
    await expect(table.get_by_role("rowheader")).to_have_text("stub")
    for apart, name in (("Provider", "box"), ("Key", "admin"), ("Session", "box")):
        await page.get_by_role("group", name="Told apart by").get_by_text(apart).click()
        await expect(table.get_by_role("rowheader")).to_have_text(name)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    text = (await (await download.value).path()).read_text()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["requests"], row["tokens_out"], row["model"]) == ("3", "75", "stub")
    await expect(page.get_by_text("Everybody")).to_have_count(0)
    await page.context.close()
    page = await open_page(chromium, stack.url, root, faults)
    await page.goto(f"{stack.url}/usage")
    await expect(page.get_by_role("heading", name="Nothing used yet")).to_be_visible()
    await page.get_by_role("group", name="Whose").get_by_text("Everybody").click()
    await expect(page.locator(".sums")).to_contain_text("Requests3")
    await page.get_by_role("group", name="Told apart by").get_by_text("User").click()
    await expect(page.get_by_role("region", name="Sums").get_by_role("rowheader")).to_have_text(
        "alice"
    )
    await page.context.close()
    assert faults == []
