"""The page of clusters: a machine joins, goes away and comes back while somebody looks."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.chat_page import open_page
from tests.e2e.conftest import MakeStack
from tests.rig.processes import Process
from tests.rig.stack import Person, Stack


def join(stack: Stack, person: Person) -> Process:
    """`underpass clusters join` on this machine, as a place for processes."""
    signed_in = {"UNDERPASS_HUB": stack.url, "UNDERPASS_KEY": person.key}
    return stack.start_agent(
        "clusters", "join", "--kind", "local", "--name", "lab", "--replace", **signed_in
    )


@pytest.mark.timeout(120)
async def test_a_machine_joins_goes_and_comes_back(
    chromium: Browser, make_stack: MakeStack
) -> None:
    """Pushed to the open page each time; a session starts there; it is removed after a second press."""
    stack = make_stack()
    alice, bob = stack.add_person("alice"), stack.add_person("bob")
    faults: list[str] = []
    page = await open_page(chromium, stack.url, alice, faults)
    await page.goto(f"{stack.url}/clusters")
    await expect(page.get_by_role("heading", name="No clusters yet")).to_be_visible()
    await expect(page.get_by_text(f"clusters join --hub {stack.url}")).to_be_visible()
    agent = await asyncio.to_thread(join, stack, alice)
    card = page.get_by_role("region", name="lab", exact=True)
    await expect(card.get_by_role("status")).to_have_text("connected")
    await expect(card).to_contain_text("CPUs")
    await card.get_by_role("link", name="Start a session here").click()
    await expect(page).to_have_url(re.compile(r"/sessions/new\?cluster=cls_"))
    await expect(page.get_by_text("llama.cpp").first).to_be_visible()
    await page.goto(f"{stack.url}/clusters")
    await asyncio.to_thread(agent.kill)
    await expect(card.get_by_role("status")).to_have_text("not connected")
    await expect(card.get_by_role("link", name="Start a session here")).to_have_count(0)
    await asyncio.to_thread(join, stack, alice)
    await expect(card.get_by_role("status")).to_have_text("connected")
    theirs = await asyncio.to_thread(stack.api(bob).items, "/api/clusters")
    assert theirs == []
    await card.get_by_role("button", name="Remove").click()
    await card.get_by_role("button", name="Yes, remove lab").click()
    await expect(card).to_have_count(0)
    assert await asyncio.to_thread(stack.api(alice).items, "/api/clusters") == []
    await page.context.close()
    assert faults == []
