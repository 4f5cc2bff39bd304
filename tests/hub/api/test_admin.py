"""`/api/admin`: what exists, and not what it says."""

from pathlib import Path

from tests.hub.agents import HELLO, TinyAgent
from tests.hub.conftest import RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.store import SecondFactorRecord, UserRecord


async def test_sessions_are_seen_to_exist_and_can_be_stopped(
    hub: RunningHub, root: UserRecord, alice: UserRecord
) -> None:
    """Whose, where and since when; never its name. What stopped it is said to its owner, and kept."""
    program, admin = await hub.program(await hub.key(alice)), await hub.browser(root.name)
    body = {"attach": True, "name": "secret-project", "host": "gpu-17"}
    made = (await program.post("/api/sessions", body)).json()
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    session_id = made["session"]["id"]
    answer = await admin.get("/api/admin/sessions")
    (shown,) = answer.json()["items"]
    assert shown["id"] == session_id
    assert shown["owner"] == {"id": alice.id, "name": "alice"}
    assert shown["host"] == "gpu-17"
    assert b"secret-project" not in answer.body
    stopped = await admin.post(f"/api/admin/sessions/{session_id}/stop")
    assert stopped.status == 202
    await agent.close()

    async def has_ended() -> bool:
        mine = (await program.get(f"/api/sessions/{session_id}")).json()
        return bool(mine["status"] == "stopped" and mine["end_reason"] == "cancelled")

    await eventually_async(has_ended, 10)
    mine = (await program.get(f"/api/sessions/{session_id}")).json()
    assert "An admin asked it to stop." in [one["text"] for one in mine["timeline"]]
    trail = (await admin.get("/api/audit?action=session.stop")).json()["items"]
    assert (trail[0]["subject"], trail[0]["detail"]["owner_id"]) == (session_id, alice.id)
    nobody = await admin.post("/api/admin/sessions/ses_none/stop")
    assert nobody.status == 404


async def test_pages_of_sessions(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """A part at a time, newest first."""
    program, admin = await hub.program(await hub.key(alice)), await hub.browser(root.name)
    for name in ("one", "two", "three"):
        await program.post("/api/sessions", {"attach": True, "name": name, "host": name})
    first = (await admin.get("/api/admin/sessions?limit=2")).json()
    rest = (await admin.get(f"/api/admin/sessions?limit=2&after={first['next']}")).json()
    hosts = [one["host"] for one in first["items"] + rest["items"]]
    assert hosts == ["three", "two", "one"]
    assert rest["next"] is None


async def test_settings_in_force_hide_secrets(tmp_path: Path) -> None:
    """Each with its effect; what holds a password is only said to be set."""
    url = f"sqlite:///{tmp_path / 'there.db'}"
    async with running_hub(tmp_path / "data", log_level="error", database_url=url) as hub:
        await hub.user("root", is_admin=True)
        admin = await hub.browser("root")
        answer = await admin.get("/api/admin/settings")
        found = {one["name"]: one for one in answer.json()["items"]}
        assert found["database_url"]["value"] == "set, and not shown"
        assert b"there.db" not in answer.body
        assert found["log_level"]["value"] == "error"
        assert found["max_body_bytes"]["is_default"]
        assert "Seconds" in found["link_grace_s"]["effect"]


async def test_a_second_step_is_seen(hub: RunningHub, root: UserRecord, alice: UserRecord) -> None:
    """So that an admin can offer to reset it."""
    admin = await hub.browser(root.name)
    assert not (await admin.get(f"/api/users/{alice.id}")).json()["has_two_step"]
    one = SecondFactorRecord(id=alice.id, sealed="x", created_at=1.0, is_on=True)
    await hub.services.store.second_factors.put(one)
    assert (await admin.get(f"/api/users/{alice.id}")).json()["has_two_step"]
    listed = {one["name"]: one for one in (await admin.get("/api/users")).json()["items"]}
    assert listed["alice"]["has_two_step"] and not listed["root"]["has_two_step"]
