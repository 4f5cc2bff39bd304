"""`/api/audit` over real HTTP."""

from tests.hub.conftest import PASSWORD, RunningHub
from underpass.store import UserRecord


async def test_acts_leave_a_trail(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """Sign-ins, failed ones and keys are there, with who and from where, and no secret."""
    browser = await hub.browser(alice.name)
    await browser.sign_in("alice", "a wrong password")
    secret = (await browser.post("/api/keys", {"name": "laptop"})).json()["secret"]
    admin = await hub.browser(root.name)
    answer = await admin.get("/api/audit")
    acts = [(one["action"], one["actor_id"], one["subject"]) for one in answer.json()["items"]]
    assert acts == [
        ("sign_in", root.id, "root"),
        ("key.create", alice.id, "laptop"),
        ("sign_in.failed", None, "alice"),
        ("sign_in", alice.id, "alice"),
    ]
    assert {one["address"] for one in answer.json()["items"]} == {"127.0.0.1"}
    text = answer.body.decode()
    assert not [word for word in (secret, PASSWORD, "a wrong password") if word in text]


async def test_one_sees_ones_own_acts(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """Everybody else's are an admin's business; the cursor leads through them."""
    admin, browser = await hub.browser(root.name), await hub.browser(alice.name)
    mine = (await browser.get("/api/audit")).json()["items"]
    assert [one["actor_id"] for one in mine] == [alice.id]
    first = (await admin.get("/api/audit?limit=1")).json()
    second = (await admin.get(f"/api/audit?limit=1&after={first['next']}")).json()
    ids = [first["items"][0]["id"], second["items"][0]["id"]]
    assert second["next"] is None
    assert len(set(ids)) == 2
    theirs = next(one for one in ids if one != mine[0]["id"])
    assert (await admin.get(f"/api/audit/{theirs}")).status == 200
    assert (await browser.get(f"/api/audit/{theirs}")).status == 404
    assert (await browser.get(f"/api/audit/{mine[0]['id']}")).json() == mine[0]
