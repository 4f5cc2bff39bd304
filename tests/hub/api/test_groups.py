"""`/api/groups` over real HTTP."""

from tests.hub.conftest import RunningHub
from underpass.store import UserRecord


async def test_an_admin_keeps_groups(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """Make, fill, rename, delete."""
    browser = await hub.browser(root.name)
    made = await browser.post("/api/groups", {"name": "physics", "members": [alice.id]})
    assert (made.status, made.json()["members"]) == (201, [alice.id])
    path = f"/api/groups/{made.json()['id']}"
    assert (await browser.post("/api/groups", {"name": "physics"})).code == "name_taken"
    assert (await browser.patch(path, {"members": ["usr_9"]})).code == "user_unknown"
    changed = await browser.patch(path, {"name": "maths", "members": []})
    assert (changed.json()["name"], changed.json()["members"]) == ("maths", [])
    assert (await browser.delete(path)).status == 204
    assert (await browser.get(path)).status == 404


async def test_one_sees_only_the_groups_one_is_in(
    hub: RunningHub, root: UserRecord, alice: UserRecord
) -> None:
    """And not who else is; joining is seen at once, a stranger's group is 404."""
    admin, browser = await hub.browser(root.name), await hub.browser(alice.name)
    made = (await admin.post("/api/groups", {"name": "physics", "members": [root.id]})).json()
    path = f"/api/groups/{made['id']}"
    assert (await browser.get("/api/groups")).json()["items"] == []
    assert (await browser.get(path)).status == 404
    await admin.patch(path, {"members": [root.id, alice.id]})
    (seen,) = (await browser.get("/api/groups")).json()["items"]
    assert (seen["name"], seen["members"]) == ("physics", None)
    assert (await browser.patch(path, {"name": "mine"})).code == "admin_only"
