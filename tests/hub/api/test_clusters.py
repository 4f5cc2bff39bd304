"""`/api/clusters`: a machine joins, is its owner's alone, and is forgotten."""

from tests.hub.agents import TinyAgent
from tests.hub.conftest import RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


async def test_a_machine_joins_and_is_forgotten(hub: RunningHub, alice: UserRecord) -> None:
    """Offline until it dials in; nobody else sees it; removed, it is turned away."""
    program = await hub.program(await hub.key(alice))
    body = {"name": "lab", "host": "login-1"}
    made = (await program.post("/api/clusters", body)).json()
    assert made["token"].startswith("upc_")
    assert made["cluster"]["status"] == "offline"
    start = {"template": "custom", "params": {"command": "serve {port}"}, "cluster": "lab"}
    refused = await program.post("/api/sessions", start)
    assert (refused.status, refused.code) == (409, "cluster_offline")
    assert "underpass clusters join" in refused.json()["hint"]
    assert (await program.get("/api/sessions")).json()["items"] == []
    machine = TinyAgent(hub.url, made["token"])
    await machine.connect()

    async def is_online() -> bool:
        shown = (await program.get("/api/clusters/lab")).json()
        return bool(shown["status"] == "online")

    await eventually_async(is_online, 5)
    assert (await program.post("/api/clusters", body)).code == "name_taken"
    bob = await hub.program(await hub.key(await hub.user("bob")))
    assert (await bob.get("/api/clusters")).json()["items"] == []
    path = f"/api/clusters/{made['cluster']['id']}"
    assert (await bob.get(path)).status == 404
    assert (await bob.delete(path)).status == 404
    body = {"template": "demo", "cluster": made["cluster"]["id"]}
    assert (await bob.post("/api/sessions", body)).status == 404
    assert (await program.delete(path)).status == 204
    await eventually_async(lambda: machine.link.is_closed, 5)
    assert (await program.get(path)).status == 404


async def test_the_hub_s_own_cluster_is_for_admins(
    hub: RunningHub, alice: UserRecord, root: UserRecord
) -> None:
    """Sessions there run as the hub's user; it cannot be removed."""
    program = await hub.program(await hub.key(alice))
    assert (await program.get("/api/clusters")).json()["items"] == []
    admin = await hub.program(await hub.key(root))
    (local,) = (await admin.get("/api/clusters")).json()["items"]
    assert (local["name"], local["status"], local["owner"]) == ("local", "online", None)
    assert (await admin.delete("/api/clusters/local")).status == 403
    assert (await admin.post("/api/clusters", {"kind": "condor", "host": "x"})).status == 404
