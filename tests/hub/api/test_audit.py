"""`/api/audit` over real HTTP."""

import json

from tests.hub.conftest import PASSWORD, Browser, RunningHub
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


async def test_filters_and_export(hub: RunningHub, alice: UserRecord, root: UserRecord) -> None:
    """By who, what, from where and when; a user's export holds their own acts whoever they name."""
    mine, admin = await hub.browser(alice.name), await hub.browser(root.name)
    await mine.post("/api/keys", {"name": "one"})
    await admin.post("/api/users", {"name": "bob"})

    async def actions(browser: Browser, query: str) -> list[str]:
        return [one["action"] for one in (await browser.get(f"/api/audit?{query}")).json()["items"]]

    assert await actions(admin, "action=key.create") == ["key.create"]
    assert set(await actions(admin, "action=sign_in")) == {"sign_in"}
    assert await actions(admin, "action=user.") == ["user.create"]
    assert await actions(admin, f"actor={alice.id}") == ["key.create", "sign_in"]
    assert await actions(admin, "subject=bob") == ["user.create"]
    assert await actions(admin, "address=10.9.9.9") == []
    assert await actions(admin, "until=2020-01-01T00:00:00Z") == []
    assert len(await actions(admin, "since=2020-01-01T00:00:00Z&address=127.0.0.1")) == 4
    assert (await admin.get("/api/audit?since=yesterday")).status == 400
    assert await actions(mine, f"actor={root.id}") == ["key.create", "sign_in"]
    exported = (await mine.get(f"/api/audit.jsonl?actor={root.id}")).body.decode().splitlines()
    assert [json.loads(line)["action"] for line in exported] == ["key.create", "sign_in"]
    assert len((await admin.get("/api/audit.jsonl")).body.decode().splitlines()) == 4
