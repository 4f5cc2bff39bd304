"""`/api/me` over real HTTP."""

from tests.hub.conftest import PASSWORD, RunningHub
from underpass.store import UserRecord


async def test_who_am_i(hub: RunningHub, alice: UserRecord) -> None:
    """The caller, how far the key reaches, and the hub."""
    program = await hub.program(await hub.key(alice, "read"))
    me = (await program.get("/api/me")).json()
    assert (me["id"], me["name"], me["is_admin"], me["scopes"]) == (
        *(alice.id, "alice", False),
        ["read"],
    )
    assert me["hub"]["url"] == hub.url
    assert (await (await hub.program()).get("/api/me")).code == "not_authenticated"


async def test_a_name_can_be_changed_in_the_browser(hub: RunningHub, alice: UserRecord) -> None:
    """How one is shown, not who one is."""
    browser = await hub.browser(alice.name)
    changed = await browser.patch("/api/me", {"display_name": "Alice A."})
    assert changed.json()["display_name"] == "Alice A."
    assert (await browser.patch("/api/me", {"is_admin": True})).status == 400
    program = await hub.program(await hub.key(alice))
    assert (await program.patch("/api/me", {"display_name": "x"})).code == "browser_only"


async def test_a_new_password_signs_out_every_other_browser(
    hub: RunningHub, alice: UserRecord
) -> None:
    """The one that changed it stays; a wrong current one changes nothing."""
    one, other = await hub.browser(alice.name), await hub.browser(alice.name)
    wrong = await one.post("/api/me/password", {"current": "wrong", "new": "another password"})
    assert wrong.code == "wrong_password"
    body = {"current": PASSWORD, "new": "another password"}
    assert (await one.post("/api/me/password", body)).status == 204
    assert (await one.get("/api/me")).status == 200
    assert (await other.get("/api/me")).status == 401
    assert (await other.sign_in("alice", "another password")).status == 204


async def test_one_sees_and_ends_ones_sign_ins(hub: RunningHub, alice: UserRecord) -> None:
    """A lost laptop is signed out from another browser; a stranger's id is 404."""
    one, other = await hub.browser(alice.name), await hub.browser(alice.name)
    bob = await hub.user("bob")
    stranger = await hub.browser(bob.name)
    found = (await one.get("/api/me/sign-ins")).json()["items"]
    assert len(found) == 2
    (lost,) = [sign_in for sign_in in found if not sign_in["current"]]
    assert (await stranger.delete(f"/api/me/sign-ins/{lost['id']}")).status == 404
    assert (await one.delete(f"/api/me/sign-ins/{lost['id']}")).status == 204
    assert (await other.get("/api/me")).status == 401
