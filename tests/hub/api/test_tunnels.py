"""`/api/tunnels`, over a real hub and a real link."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.hub.agents import HELLO, TinyAgent
from tests.hub.conftest import Browser, RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


class Served:
    """alice's program and her agent, with a tunnel `box` that answers."""

    def __init__(self, program: Browser, agent: TinyAgent, session_id: str) -> None:
        self.program = program
        self.agent = agent
        self.session_id = session_id
        self.tunnel_id = ""

    async def tunnel(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.program.get(f"/api/tunnels/{self.tunnel_id}")).json()
        return found

    async def providers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.program.get("/api/providers")).json()["items"]
        return found

    def ready(self, tunnel_id: str) -> None:
        models = [{"id": "tiny", "max_model_len": 4096}]
        self.agent.say("tunnel.readiness", tunnel_id=tunnel_id, state="running", models=models)


@pytest.fixture
async def served(hub: RunningHub, alice: UserRecord) -> AsyncIterator[Served]:
    program = await hub.program(await hub.key(alice))
    body = {"attach": True, "name": "box", "host": "gpu-17"}
    made = (await program.post("/api/sessions", body)).json()
    agent = TinyAgent(hub.url, made["token"])
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="8000", openai=True)
    found = Served(program, agent, made["session"]["id"])
    accepted = await eventually_async(lambda: agent.said("tunnel.accepted"), 5)
    assert accepted is not None
    found.tunnel_id = accepted["tunnel_id"]
    found.ready(found.tunnel_id)
    await eventually_async(lambda: _has_status(found, "running"), 5)
    yield found
    await agent.close()


async def _has_status(served: Served, status: str) -> bool:
    return any(one["status"] == status for one in await served.providers())


async def test_a_tunnel_is_shown_to_its_owner(served: Served) -> None:
    """Name, target, flag, status, provider and traffic."""
    shown = await served.tunnel()
    assert (shown["name"], shown["target"], shown["openai"]) == ("box", "127.0.0.1:8000", True)
    assert (shown["status"], shown["streams"]) == ("running", 0)
    (provider,) = await served.providers()
    assert shown["provider_id"] == provider["id"]
    listed = (await served.program.get("/api/tunnels")).json()
    assert [one["id"] for one in listed["items"]] == [served.tunnel_id]


async def test_the_flag_makes_the_provider_appear_and_go(served: Served) -> None:
    """PATCH; and an unknown field is refused."""
    path = f"/api/tunnels/{served.tunnel_id}"
    off = await served.program.patch(path, {"openai": False})
    assert off.json()["provider_id"] is None
    assert await served.providers() == []
    on = await served.program.patch(path, {"openai": True})
    assert on.json()["provider_id"]
    assert len(await served.providers()) == 1
    assert (await served.program.patch(path, {"target": "1"})).status == 400


async def test_stop_start_and_delete(served: Served) -> None:
    """The provider is stopped, starts again, and goes with the tunnel."""
    path = f"/api/tunnels/{served.tunnel_id}"
    assert (await served.program.post(f"{path}/stop")).json()["status"] == "stopped"
    assert await _has_status(served, "stopped")
    assert (await served.program.post(f"{path}/start")).json()["status"] == "running"
    assert (await served.program.delete(path)).status == 204
    assert await served.providers() == []
    assert (await served.program.get(path)).status == 404


async def test_a_stop_ends_what_is_under_way(served: Served) -> None:
    """The model server is freed at once, and the caller is told why its answer ends."""
    body = {"model": "box/tiny", "messages": [{"role": "user", "content": "hi"}]}
    asking = asyncio.create_task(served.program.post("/v1/chat/completions", body))
    await eventually_async(lambda: served.agent.streams, 5)
    await served.program.post(f"/api/tunnels/{served.tunnel_id}/stop")
    answer = await asking
    assert (answer.status, answer.json()["error"]["code"]) == (503, "tunnel_stopped")
    await eventually_async(lambda: served.agent.streams[0].is_cancelled, 1)


async def test_a_further_tunnel_is_opened_through_the_agent(served: Served) -> None:
    """201 `connecting`; the agent is asked, and its readiness brings it up."""
    body = {"session_id": served.session_id, "target": "9000", "name": "two", "openai": True}
    made = await served.program.post("/api/tunnels", body)
    assert (made.status, made.json()["status"]) == (201, "connecting")
    asked = await eventually_async(lambda: served.agent.said("tunnel.open"), 5)
    assert asked is not None
    assert asked["target"] == "127.0.0.1:9000"
    served.ready(asked["tunnel_id"])

    async def both_run() -> bool:
        return [one["status"] for one in await served.providers()] == ["running", "running"]

    await eventually_async(both_run, 5)
    assert (await served.program.post("/api/tunnels", body)).code == "name_taken"
    body["target"] = "10.0.0.1:80"
    assert (await served.program.post("/api/tunnels", body)).code == "target_not_allowed"


async def test_strangers_and_admins(hub: RunningHub, served: Served, root: UserRecord) -> None:
    """A stranger meets 404 everywhere; an admin sees that it exists, and can stop it only."""
    bob = await hub.program(await hub.key(await hub.user("bob")))
    path = f"/api/tunnels/{served.tunnel_id}"
    for method, where in (
        *(("GET", path), ("DELETE", path), ("POST", f"{path}/stop"), ("POST", f"{path}/start")),
    ):
        assert (await bob.call(method, where)).status == 404
    assert (await bob.patch(path, {"openai": False})).status == 404
    assert (await bob.get("/api/tunnels?all=true")).code == "admin_only"
    admin = await hub.program(await hub.key(root, "read", "sessions", "admin"))
    (seen,) = (await admin.get("/api/tunnels?all=true")).json()["items"]
    assert (seen["owner"]["name"], seen["status"]) == ("alice", "running")
    assert (seen["name"], seen["target"], seen["session_id"]) == (None, None, None)
    assert (await admin.patch(path, {"openai": False})).status == 404
    assert (await admin.delete(path)).status == 404
    assert (await admin.post(f"{path}/stop")).json()["status"] == "stopped"
    assert await _has_status(served, "stopped")
    assert (await admin.get("/api/providers")).json()["items"] == []
