"""`/api/users` over real HTTP."""

from tests.hub.conftest import PASSWORD, RunningHub
from underpass.store import UserRecord


async def test_an_admin_makes_changes_and_deletes_a_user(hub: RunningHub, root: UserRecord) -> None:
    """The whole life of a user, and its trail."""
    browser = await hub.browser(root.name)
    made = await browser.post("/api/users", {"name": "Bob", "password": PASSWORD})
    assert (made.status, made.json()["name"]) == (201, "bob")
    path = f"/api/users/{made.json()['id']}"
    assert "password" not in str(made.json()).replace("has_password", "")
    assert (await browser.post("/api/users", {"name": "bob"})).code == "name_taken"
    assert (await browser.post("/api/users", {"name": "no good"})).code == "name_invalid"
    changed = await browser.patch(path, {"display_name": "Bob B.", "is_admin": True})
    assert (changed.json()["display_name"], changed.json()["is_admin"]) == ("Bob B.", True)
    assert [one["name"] for one in (await browser.get("/api/users")).json()["items"]] == [
        *("bob", "root")
    ]
    assert (await browser.get(path)).json()["name"] == "bob"
    assert (await browser.delete(path)).status == 204
    assert (await browser.get(path)).status == 404
    trail = (await browser.get("/api/audit")).json()["items"]
    actions = [entry["action"] for entry in trail if entry["subject"] == "bob"]
    assert actions == ["user.remove", "user.change", "user.create"]


async def test_disabling_ends_everything_at_once(
    hub: RunningHub, root: UserRecord, alice: UserRecord
) -> None:
    """Sign-ins and keys stop with the very next request; enabling brings the keys back."""
    admin, browser = await hub.browser(root.name), await hub.browser(alice.name)
    program = await hub.program(await hub.key(alice))
    assert (await browser.get("/api/me")).status == (await program.get("/api/me")).status == 200
    path = f"/api/users/{alice.id}"
    assert (await admin.patch(path, {"is_disabled": True})).json()["is_disabled"]
    assert (await browser.get("/api/me")).status == 401
    assert (await program.get("/api/me")).code == "user_disabled"
    await admin.patch(path, {"is_disabled": False})
    assert (await program.get("/api/me")).status == 200
    assert (await browser.get("/api/me")).status == 401


async def test_somebody_can_always_look_after_the_hub(hub: RunningHub, root: UserRecord) -> None:
    """The last admin cannot be demoted, disabled or deleted."""
    browser = await hub.browser(root.name)
    path = f"/api/users/{root.id}"
    assert (await browser.patch(path, {"is_admin": False})).code == "last_admin"
    assert (await browser.patch(path, {"is_disabled": True})).code == "last_admin"
    assert (await browser.delete(path)).code == "own_user"


async def test_others_see_nobody(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """Neither a plain user, nor an admin's key without the scope."""
    browser = await hub.browser(alice.name)
    weak = await hub.program(await hub.key(root, "read"))
    strong = await hub.program(await hub.key(root, "read", "admin"))
    assert (await browser.get("/api/users")).code == "admin_only"
    assert (await browser.get(f"/api/users/{alice.id}")).code == "admin_only"
    assert (await weak.get("/api/users")).code == "scope_missing"
    assert (await strong.get("/api/users")).status == 200
