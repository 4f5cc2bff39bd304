"""`/api/providers`, over a real hub."""

from tests.hub.api.test_tunnels import Served, served
from tests.hub.conftest import RunningHub

__all__ = ["served"]


async def test_a_provider_is_its_owner_s_alone(hub: RunningHub, served: Served) -> None:
    """Shown whole to alice; for bob it does not exist, in the words of an id that does not."""
    (provider,) = await served.providers()
    path = f"/api/providers/{provider['id']}"
    shown = (await served.program.get(path)).json()
    assert (shown["name"], shown["type"], shown["shareable"]) == ("box", "openai-tunnel", False)
    assert shown["models"][0]["id"] == "box/tiny"
    assert shown["session"]["host"] == "gpu-17"
    assert shown["tunnel"]["status"] == "running"
    bob = await hub.program(await hub.key(await hub.user("bob")))
    assert (await bob.get("/api/providers")).json()["items"] == []
    real, fake = await bob.get(path), await bob.get("/api/providers/prv_none")
    assert (real.status, real.code) == (fake.status, fake.code) == (404, "not_found")


async def test_a_tunnel_s_provider_cannot_be_shared(hub: RunningHub, served: Served) -> None:
    """409 `tunnel_not_shareable` for its owner, 404 for others."""
    (provider,) = await served.providers()
    path = f"/api/providers/{provider['id']}/permissions"
    body = {"users": [], "groups": [], "everyone": True}
    answer = await served.program.call("PUT", path, body)
    assert (answer.status, answer.code) == (409, "tunnel_not_shareable")
    bob = await hub.program(await hub.key(await hub.user("bob")))
    assert (await bob.call("PUT", path, body)).status == 404
