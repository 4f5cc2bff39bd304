"""A person signs in at an issuer: a real provider in its own process, the hub's command, Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.e2e.axe import violations
from tests.rig.openid import OpenIdProvider
from tests.rig.openid_provider import CLIENT_SECRET
from tests.rig.stack import Stack
from tests.rig.tls import PrivateCa, TlsFront

ALICE = {
    "preferred_username": "alice",
    "name": "Alice A.",
    "email": "alice@example.org",
    "email_verified": True,
    "groups": ["physics"],
}


@dataclass(frozen=True)
class Campus:
    """A hub and the issuer that it believes."""

    stack: Stack
    provider: OpenIdProvider


@pytest.fixture(scope="module")
def module_campus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campus]:
    """One for all tests here."""
    folder = tmp_path_factory.mktemp("campus")
    provider = OpenIdProvider(folder / "provider.log")
    secret = folder / "client.secret"
    secret.write_text(CLIENT_SECRET + "\n")
    config = folder / "hub.toml"
    config.write_text(
        'log_level = "debug"\n[openid.campus]\n'
        f'label = "Campus"\nissuer = "{provider.url}"\nclient_id = "underpass"\n'
        f'client_secret_file = "{secret}"\ngroups_claim = "groups"\n'
    )
    stack = Stack(folder, hub_options=["--config", str(config)])
    try:
        stack.add_person("root", is_admin=True)
        yield Campus(stack, provider)
    finally:
        stack.stop()
        provider.stop()


@pytest.fixture
def campus(module_campus: Campus) -> Campus:
    """The same, with an issuer that makes no mistake."""
    module_campus.provider.set_mistakes()
    module_campus.provider.set_person("s-alice", **ALICE)
    return module_campus


async def _at_the_issuer(page: Page, sub: str = "s-alice") -> None:
    """On the issuer's own page."""
    await expect(page.get_by_role("heading", name="The issuer's own page")).to_be_visible()
    await page.get_by_label("Who are you?").fill(sub)
    await page.get_by_role("button", name="Continue").click()


async def test_a_person_signs_in_at_the_issuer(chromium: Browser, campus: Campus) -> None:
    """From the page that was asked for, over the issuer's, and back to it; with the claims' name."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{campus.stack.url}/settings")
    await page.get_by_role("link", name="Sign in with Campus").click()
    await _at_the_issuer(page)
    await expect(page.get_by_text("Signed in as Alice A.")).to_be_visible()
    assert page.url == f"{campus.stack.url}/settings"
    cookies = {one["name"]: one for one in await context.cookies()}
    assert set(cookies) == {"underpass_session"}  # the flow's own is gone
    assert cookies["underpass_session"]["httpOnly"]
    groups = await page.evaluate("fetch('/api/groups').then((answer) => answer.json())")
    assert [one["name"] for one in groups["items"]] == ["physics"]
    await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_says_why_it_failed(chromium: Browser, campus: Campus, scheme: str) -> None:
    """A sentence at the place where the next try begins; the address holds nothing of the issuer's."""
    context = await chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = await context.new_page()
    await page.goto(campus.stack.url)
    assert await violations(page) == []
    campus.provider.set_mistakes(signed_by="stranger")
    await page.get_by_role("link", name="Sign in with Campus").click()
    await _at_the_issuer(page)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The hub cannot verify what Campus says about you.")
    assert page.url.endswith("/sign-in?trouble=openid_token_invalid&issuer=campus")
    assert await violations(page) == []
    campus.provider.set_mistakes()
    await page.get_by_role("link", name="Sign in with Campus").click()
    await _at_the_issuer(page)
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    await context.close()


async def test_saying_no_at_the_issuer(chromium: Browser, campus: Campus) -> None:
    """Back at the sign-in page, not signed in."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(campus.stack.url)
    await page.get_by_role("link", name="Sign in with Campus").click()
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_role("alert")).to_contain_text("Campus did not sign you in.")
    await expect(page.get_by_label("Password")).to_be_visible()
    await context.close()


async def _signed_in(context: BrowserContext, campus: Campus) -> Page:
    page = await context.new_page()
    await page.goto(campus.stack.url)
    await page.get_by_role("link", name="Sign in with Campus").click()
    await _at_the_issuer(page)
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    return page


async def test_a_sign_in_that_expired_goes_on_by_the_issuer(
    chromium: Browser, campus: Campus
) -> None:
    """In a tab beside the page, which keeps what was typed and goes on by itself."""
    context = await chromium.new_context()
    page = await _signed_in(context, campus)
    message = page.get_by_label("Message", exact=True)
    await message.fill("half a thought")
    await context.clear_cookies()
    await page.get_by_label("Search chats").fill("anything")
    dialog = page.get_by_role("dialog", name="Sign in again")
    await expect(dialog).to_be_visible()
    async with context.expect_page() as opened:
        await dialog.get_by_role("link", name="Sign in with Campus").click()
    beside = await opened.value
    await _at_the_issuer(beside)
    await expect(dialog).to_have_count(0)
    await expect(message).to_have_value("half a thought")
    await context.close()


async def test_behind_nginx_with_tls(
    chromium: Browser, campus: Campus, private_ca: PrivateCa, tmp_path: Path
) -> None:
    """The way back is the address that the browser knows; all cookies are for https."""
    front = TlsFront(tmp_path, private_ca, campus.stack.port)
    try:
        context = await chromium.new_context(ignore_https_errors=True)
        page = await context.new_page()
        await page.goto(f"{front.url}/settings")
        await page.get_by_role("link", name="Sign in with Campus").click()
        during = {one["name"]: one for one in await context.cookies()}
        await _at_the_issuer(page)
        await expect(page.get_by_text("Signed in as Alice A.")).to_be_visible()
        assert page.url == f"{front.url}/settings"
        after = {one["name"]: one for one in await context.cookies()}
        assert (set(during), set(after)) == (
            {"__Host-underpass_openid"},
            {"__Host-underpass_session"},
        )
        for one in (*during.values(), *after.values()):
            assert one["secure"]
            assert one["httpOnly"]
            assert one["sameSite"] == "Lax"
        await context.close()
    finally:
        front.stop()


async def test_no_secret_of_a_sign_in_is_logged(chromium: Browser, campus: Campus) -> None:
    """Neither the client's secret nor codes, states and cookies; not even at the level `debug`."""
    context = await chromium.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = await _signed_in(context, campus)
    cookie = (await context.cookies())[0]["value"]
    back = next(url for url in asked if "/callback?" in url)
    secrets = [
        CLIENT_SECRET,
        cookie,
        *(part.split("=")[1] for part in back.split("?")[1].split("&")),
    ]
    log = (campus.stack.folder / "hub.log").read_text()
    stored = b"".join(path.read_bytes() for path in campus.stack.data_dir.glob("underpass.db*"))
    for secret in secrets:
        assert len(secret) > 10
        assert secret not in log
        assert secret.encode() not in stored
    await page.close()
    await context.close()
