"""`/api/auth` over real HTTP."""

import re

import pytest

from tests.hub.conftest import PASSWORD, RunningHub
from underpass.store import UserRecord

COOKIE = "underpass_session"


async def test_the_first_admin_comes_by_the_printed_link(hub: RunningHub) -> None:
    """The link makes one admin, signs that browser in, and is then worth nothing."""
    token = await hub.hub.setup_token()
    browser = await hub.browser()
    assert (await browser.get("/api/auth/state")).json() == {
        "needs_setup": True,
        "signed_in": False,
        "issuers": [],
        "trouble": None,
    }
    body = {"token": token, "name": "Root", "password": PASSWORD}
    assert (await browser.post("/api/auth/setup", {**body, "token": "x" * 43})).code == (
        "link_invalid"
    )
    assert (await browser.post("/api/auth/setup", {**body, "password": "short"})).code == (
        "password_too_short"
    )
    assert (await browser.post("/api/auth/setup", body)).status == 204
    me = (await browser.get("/api/me")).json()
    assert (me["name"], me["is_admin"]) == ("root", True)
    assert (await browser.post("/api/auth/setup", body)).code == "already_set_up"
    assert await hub.hub.setup_token() is None


async def test_the_cookie_is_for_the_hub_alone(hub: RunningHub, alice: UserRecord) -> None:
    """No script can read it, no other site can use it, and its value is stored nowhere."""
    browser = await hub.browser()
    answer = await browser.sign_in("alice")
    assert answer.status == 204
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # plain http on this machine: the browser would drop it
    secret = re.match(rf"{COOKIE}=(\S+?);", cookie)
    assert secret is not None
    stored = await hub.services.store.browser_sessions.of_user(alice.id)
    assert secret[1] not in repr(stored)


async def test_a_wrong_password_tells_nothing(hub: RunningHub, alice: UserRecord) -> None:
    """Unknown names, wrong passwords and disabled users get the same answer."""
    browser = await hub.browser()
    answers = [await browser.sign_in("alice", "wrong"), await browser.sign_in("nobody", PASSWORD)]
    await hub.services.store.users.update(alice.id, is_disabled=True)
    answers.append(await browser.sign_in("alice"))
    assert {answer.status for answer in answers} == {401}
    assert {answer.code for answer in answers} == {"wrong_password"}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_guessing_has_to_wait(hub: RunningHub, alice: UserRecord) -> None:
    """After ten wrong ones even the right one waits, and the answer says for how long."""
    browser = await hub.browser()
    for _ in range(10):
        assert (await browser.sign_in(alice.name, "wrong")).status == 401
    answer = await browser.sign_in(alice.name)
    assert (answer.status, answer.code) == (429, "throttled")
    assert 0 < int(answer.headers["Retry-After"]) <= 900


async def test_signing_out_ends_the_cookie(hub: RunningHub, alice: UserRecord) -> None:
    """Afterwards the same cookie is worth nothing, at once."""
    browser = await hub.browser(alice.name)
    kept = {c.key: c.value for c in browser.http.cookie_jar}
    assert (await browser.get("/api/me")).status == 200
    assert (await browser.post("/api/auth/sign-out")).status == 204
    thief = await hub.program()
    answer = await thief.get("/api/me", Cookie=f"{COOKIE}={kept[COOKIE]}")
    assert answer.status == 401
    assert (await browser.post("/api/auth/sign-out")).status == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Underpass-CSRF": ""},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ],
)
async def test_another_site_can_change_nothing(
    hub: RunningHub, alice: UserRecord, headers: dict[str, str]
) -> None:
    """A cookie alone, or from elsewhere, is refused for everything but reading."""
    browser = await hub.browser(alice.name)
    body = {"name": "stolen", "scopes": ["gateway"]}
    refused = await browser.post("/api/keys", body, **headers)
    assert (refused.status, refused.code) == (403, "csrf")
    assert (await browser.get("/api/me", **headers)).status == 200
    assert (await browser.post("/api/keys", body)).status == 201


async def test_another_site_cannot_sign_a_browser_in(hub: RunningHub, alice: UserRecord) -> None:
    """Nobody can be made to work in somebody else's account."""
    browser = await hub.browser()
    body = {"name": alice.name, "password": PASSWORD}
    answer = await browser.post("/api/auth/sign-in", body, Origin="https://evil.example")
    assert answer.code == "csrf"


async def test_a_one_time_link_signs_in_once(hub: RunningHub, alice: UserRecord) -> None:
    """It leads to the first page with a cookie; again it leads nowhere."""
    token = await hub.services.auth.sign_ins.new_sign_in_token(alice.id)
    browser = await hub.browser()
    answer = await browser.get(f"/api/auth/link?token={token}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert (await browser.get("/api/me")).json()["name"] == "alice"
    assert (await browser.get(f"/api/auth/link?token={token}")).code == "link_invalid"


async def test_a_machine_is_signed_in_from_the_browser(hub: RunningHub, alice: UserRecord) -> None:
    """The whole way: ask, look, approve, collect once; the key works and is Alice's."""
    machine, browser = await hub.program(), await hub.browser(alice.name)
    asked = (
        await machine.post(
            "/api/auth/device", {"purpose": "login", "host": "gpu-17", "user": "al\x1b[31m"}
        )
    ).json()
    assert asked["verification_url"] == f"{hub.url}/connect?code={asked['user_code']}"
    token = {"device_code": asked["device_code"]}
    waiting = await machine.post("/api/auth/device/token", token)
    assert (waiting.status, waiting.json()["status"]) == (202, "pending")
    path = f"/api/auth/device/{asked['user_code'].lower().replace('-', '')}"
    shown = (await browser.get(path)).json()
    assert (shown["host"], shown["user"], shown["status"]) == ("gpu-17", "al[31m", "pending")
    assert (await browser.post(f"{path}/approve")).json()["status"] == "approved"
    assert (await browser.post(f"{path}/deny")).code == "device_code_decided"
    got = (await machine.post("/api/auth/device/token", token)).json()
    assert got["user"] == "alice"
    program = await hub.program(got["token"])
    assert (await program.get("/api/me")).json()["name"] == "alice"
    assert (await machine.post("/api/auth/device/token", token)).status == 410


async def test_a_session_is_signed_in_from_the_browser(hub: RunningHub, alice: UserRecord) -> None:
    """What it gets is a session token: good for its link, worth nothing elsewhere."""
    machine, browser = await hub.program(), await hub.browser(alice.name)
    body = {"purpose": "session", "name": "box", "host": "gpu-17", "user": "alice"}
    asked = (await machine.post("/api/auth/device", body)).json()
    await browser.post(f"/api/auth/device/{asked['user_code']}/approve")
    got = await machine.post("/api/auth/device/token", {"device_code": asked["device_code"]})
    answer = got.json()
    assert answer["token"].startswith("ups_")
    assert answer["session"]["name"] == "box"
    program = await hub.program(answer["token"])
    assert (await program.get("/api/me")).code == "key_invalid"


async def test_a_denied_machine_gets_nothing(hub: RunningHub, alice: UserRecord) -> None:
    """It is told so; made-up codes are as unknown as expired ones."""
    machine, browser = await hub.program(), await hub.browser(alice.name)
    body = {"purpose": "login", "host": "gpu-17", "user": "eve"}
    asked = (await machine.post("/api/auth/device", body)).json()
    await browser.post(f"/api/auth/device/{asked['user_code']}/deny")
    got = await machine.post("/api/auth/device/token", {"device_code": asked["device_code"]})
    assert (got.status, got.code) == (410, "device_code_denied")
    unknown = await machine.post("/api/auth/device/token", {"device_code": "upd_nothing"})
    assert (unknown.status, unknown.code) == (410, "device_code_expired")
    assert (await browser.get("/api/auth/device/BCDF-BCDF")).status == 404


async def test_a_key_cannot_approve_a_machine(hub: RunningHub, alice: UserRecord) -> None:
    """What a machine gets may reach further than the key."""
    program = await hub.program(await hub.key(alice))
    body = {"purpose": "login", "host": "gpu-17", "user": "eve"}
    asked = (await program.post("/api/auth/device", body)).json()
    path = f"/api/auth/device/{asked['user_code']}"
    assert (await program.get(path)).code == "browser_only"
    assert (await program.post(f"{path}/approve")).code == "browser_only"


async def test_asking_for_codes_has_a_limit(hub: RunningHub) -> None:
    """A stranger cannot fill the hub with codes."""
    machine = await hub.program()
    body = {"purpose": "login", "host": "h", "user": "u"}
    answers = [await machine.post("/api/auth/device", body) for _ in range(31)]
    assert [answer.status for answer in answers] == [201] * 30 + [429]
