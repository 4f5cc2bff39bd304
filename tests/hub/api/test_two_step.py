"""`/api/me/two-step` over real HTTP."""

import base64
import time
from pathlib import Path
from typing import Any

from tests.hub.conftest import PASSWORD, Answer, Browser, RunningHub, running_hub
from underpass.hub.auth import totp
from underpass.store import UserRecord


async def turn_on(browser: Browser) -> tuple[str, list[str]]:
    """Secret and recovery codes."""
    begun = await browser.post("/api/me/two-step", {"password": PASSWORD})
    assert begun.status == 201, begun
    secret = begun.json()["secret"]
    confirmed = await browser.post("/api/me/two-step/confirm", {"code": code_now(secret)})
    assert confirmed.status == 200, confirmed
    codes: list[str] = confirmed.json()["recovery_codes"]
    return secret, codes


def code_now(secret: str, ahead: int = 0) -> str:
    return totp.code_at(secret, int(time.time() // 30) + ahead)


async def sign_in(browser: Browser, code: str | None = None) -> Answer:
    body: dict[str, Any] = {"name": "alice", "password": PASSWORD}
    return await browser.post("/api/auth/sign-in", body if code is None else {**body, "code": code})


async def test_set_up_sign_in_and_off(hub: RunningHub, alice: UserRecord) -> None:
    """The whole life, with its trail; other browsers are signed out when it begins."""
    browser, other = await hub.browser("alice"), await hub.browser("alice")
    assert (await browser.get("/api/me/two-step")).json() == {
        "is_on": False,
        "is_possible": True,
        "since": None,
        "recovery_codes_left": 0,
    }
    assert (await browser.post("/api/me/two-step", {"password": "wrong"})).code == "wrong_password"
    begun = (await browser.post("/api/me/two-step", {"password": PASSWORD})).json()
    assert begun["uri"].startswith("otpauth://totp/Underpass:alice?secret=" + begun["secret"])
    assert begun["qr"].startswith("data:image/svg+xml")
    secret, codes = await turn_on(browser)
    assert (await other.get("/api/me")).status == 401
    assert (await browser.get("/api/me")).status == 200
    asked = await sign_in(other)
    assert (asked.status, asked.code) == (401, "second_step_needed")
    assert "Set-Cookie" not in asked.headers
    assert (await sign_in(other, code_now(secret))).code == "wrong_code"  # it turned it on
    assert (await sign_in(other, codes[0])).status == 204
    assert (await other.get("/api/me/two-step")).json()["recovery_codes_left"] == 9
    off = await browser.post("/api/me/two-step/off", {"code": code_now(secret, 1)})
    assert off.status == 204
    assert (await sign_in(await hub.browser())).status == 204
    trail = [one["action"] for one in (await browser.get("/api/audit")).json()["items"]]
    assert [one for one in trail if one.startswith("two_step")] == ["two_step.off", "two_step.on"]
    failed = (await hub.services.store.audit.list(action="sign_in.failed")).items
    assert [one.detail["code"] for one in failed] == ["wrong_code"]


async def test_every_door_that_takes_a_password_asks(hub: RunningHub, alice: UserRecord) -> None:
    """Signing in, and nothing else, takes one; a device is approved from a browser that is signed in."""
    secret, _ = await turn_on(await hub.browser("alice"))
    del secret
    machine, browser = await hub.program(), await hub.browser()
    asked = await machine.post(
        "/api/auth/device", {"purpose": "login", "host": "h", "user": "alice"}
    )
    assert (await sign_in(browser)).code == "second_step_needed"
    path = f"/api/auth/device/{asked.json()['user_code']}/approve"
    assert (await browser.post(path)).status == 401
    assert (
        await browser.post("/api/auth/sign-in", {"name": "alice", "password": PASSWORD, "code": ""})
    ).code == "second_step_needed"


async def test_a_key_can_do_nothing_about_it(hub: RunningHub, alice: UserRecord) -> None:
    """Not even an admin's own, by the route for others."""
    root = await hub.user("root", is_admin=True)
    key = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    assert (await key.get("/api/me/two-step")).code == "browser_only"
    await turn_on(await hub.browser("root"))
    own = await key.delete(f"/api/users/{root.id}/two-step")
    assert (own.status, own.code) == (409, "own_user")


async def test_an_admin_resets_somebodys(hub: RunningHub, alice: UserRecord) -> None:
    """For who lost everything; the trail says who did."""
    root = await hub.user("root", is_admin=True)
    await turn_on(await hub.browser("alice"))
    admin = await hub.browser("root")
    path = f"/api/users/{alice.id}/two-step"
    assert (await admin.delete(path)).status == 204
    assert (await admin.delete(path)).status == 404
    assert (await sign_in(await hub.browser())).status == 204
    (entry,) = (await hub.services.store.audit.list(action="two_step.reset")).items
    assert (entry.actor_id, entry.subject) == (root.id, "alice")


async def test_a_new_password_does_not_take_it_away(hub: RunningHub, alice: UserRecord) -> None:
    """Whoever resets a password by mail or by an admin's hand still needs the code."""
    root = await hub.user("root", is_admin=True)
    del root
    await turn_on(await hub.browser("alice"))
    admin = await hub.browser("root")
    await admin.patch(f"/api/users/{alice.id}", {"password": PASSWORD})
    assert (await sign_in(await hub.browser())).code == "second_step_needed"


async def test_the_database_holds_no_secret_of_it(tmp_path: Path) -> None:
    """Nor the log, nor the trail: neither the secret, in any spelling, nor a recovery code."""
    async with running_hub(tmp_path / "data") as hub:
        await hub.user("alice")
        secret, codes = await turn_on(await hub.browser("alice"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("underpass.db*"))
    for one in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert one.encode() not in stored
    assert base64.b32decode(secret) not in stored
