"""The page of a session that is about to stop: one sentence, one button, and what comes of it."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.chat_page import open_page
from tests.e2e.conftest import MakeStack
from tests.e2e.test_sessions_local import STUB, _session, stack_root
from tests.rig.stack import Person, Stack


def start(stack: Stack, person: Person, name: str, **params: Any) -> str:
    """A session with a stub server, once it answers; its id."""
    wanted = {"command": STUB, "cwd": stack_root(), **params}
    body = {"template": "custom", "name": name, "params": wanted}
    assert stack.api(person).post("/api/sessions", body).status == 202
    stack.wait_provider(person, name, "running", 40)
    return str(_session(stack, person, name)["id"])


@pytest.mark.timeout(180)
async def test_keep_and_renew(chromium: Browser, make_stack: MakeStack) -> None:
    """Keep takes the warning away; Renew asks for a job that takes over, and says so until it has."""
    stack = make_stack()
    alice = stack.add_person("alice", is_admin=True)
    idle = await asyncio.to_thread(start, stack, alice, "quiet", idle="40s")
    short = await asyncio.to_thread(start, stack, alice, "short", time="0:50:00")
    faults: list[str] = []
    page = await open_page(chromium, stack.url, alice, faults)
    await page.goto(f"{stack.url}/sessions/{idle}")
    notice = page.get_by_role("status").filter(has_text="Nobody uses this session")
    await expect(notice).to_contain_text("It stops", timeout=40_000)
    await page.get_by_role("button", name="Keep", exact=True).click()
    await expect(notice).to_have_count(0)
    kept = await asyncio.to_thread(_session, stack, alice, "quiet")
    assert (kept["status"], kept["idle_stops_at"]) == ("running", None)
    await page.goto(f"{stack.url}/sessions/{short}")
    notice = page.get_by_role("status").filter(has_text="The time of its job ends in")
    await expect(notice).to_be_visible()
    await page.get_by_role("button", name="Renew", exact=True).click()
    await expect(page.get_by_text("A new job takes over from this session")).to_be_visible()
    await expect(notice).to_have_count(0)
    await page.context.close()
    assert faults == []
