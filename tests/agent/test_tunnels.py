"""What the hub may ask of an agent, and what it may not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.running import offer, running_agent
from tests.agent.strangers import stranger
from tests.fakes.hub import FakeHub, whole
from tests.fakes.stub_server import StubServer
from tests.rig.waiting import eventually_async
from underpass.tunnel.link import StreamKind


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub for one agent."""
    async with FakeHub() as one:
        yield one


def open_message(target: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "tunnel.open",
        "tunnel_id": "tun_x",
        "name": "more",
        "target": target,
        "openai": True,
        **more,
    }


async def test_an_agent_started_by_hand_serves_its_own_targets_only(
    hub: FakeHub, stub: StubServer
) -> None:
    """A hub in wrong hands cannot turn it into a way into a network; it says what to type."""
    async with StubServer() as other, running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.offer")
        hub.link.send_control(open_message(str(other.port)))
        failed = await hub.wait_said("tunnel.failed", tunnel_id="tun_x")
        assert failed["code"] == "target_not_allowed"
        assert f"underpass tunnel 127.0.0.1:{other.port}" in failed["message"]
        answer = await hub.request("GET", "/v1/models", tunnel="tun_x")
        assert answer.header("x-underpass-error") == "tunnel_stopped"
        assert not other.seen


async def test_a_hub_session_may_open_loopback_ports(hub: FakeHub, stub: StubServer) -> None:
    """With the session's leave: served, watched, and announced with its readiness."""
    async with StubServer() as other:
        async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=True):
            await hub.wait_said("tunnel.offer")
            hub.link.send_control(open_message(str(other.port)))
            await hub.wait_said("tunnel.readiness", tunnel_id="tun_x", state="running")
            answer = await hub.request("GET", "/v1/models", tunnel="tun_x")
            assert answer.status == 200
            assert any(request.path == "/v1/models" for request in other.seen)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("10.0.0.7:8000", "target_not_allowed"),
        ("intranet.example.org:443", "target_not_allowed"),
        ("nonsense", "target_invalid"),
        ("", "target_invalid"),
    ],
)
async def test_never_beyond_this_machine(
    hub: FakeHub, stub: StubServer, target: str, code: str
) -> None:
    """Not even a hub session opens a target that is not loopback."""
    async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=True):
        await hub.wait_said("tunnel.offer")
        hub.link.send_control(open_message(target))
        failed = await hub.wait_said("tunnel.failed", tunnel_id="tun_x")
        assert failed["code"] == code


async def test_not_another_users_port(hub: FakeHub, stub: StubServer, tmp_path: Path) -> None:
    """The owner is checked for what the hub asks as well."""
    with stranger("0", tmp_path / "log") as port:
        async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=True):
            await hub.wait_said("tunnel.offer")
            hub.link.send_control(open_message(str(port)))
            failed = await hub.wait_said("tunnel.failed", tunnel_id="tun_x")
            assert failed["code"] == "port_of_another_user"


async def test_stop_and_start(hub: FakeHub, stub: StubServer) -> None:
    """A stopped tunnel refuses its streams; started again it goes on under its id."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        hub.link.send_control({"type": "tunnel.stop", "tunnel_id": "tun_t1"})
        answer = await hub.request("GET", "/v1/models")
        assert answer.status == 503
        assert answer.header("x-underpass-error") == "tunnel_stopped"
        hub.control.clear()
        hub.link.send_control({"type": "tunnel.start", "tunnel_id": "tun_t1"})
        await hub.wait_said("tunnel.readiness", state="running")
        assert (await hub.request("GET", "/v1/models", tunnel="tun_t1")).status == 200


async def test_a_hub_that_was_restarted_hears_of_all_that_is_served(
    hub: FakeHub, stub: StubServer
) -> None:
    """Each with the id that the hub before gave it; what that hub stopped is not offered."""
    async with StubServer() as other:
        async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=True):
            await hub.wait_said("tunnel.readiness", state="running")
            hub.link.send_control(open_message(str(other.port)))
            await hub.wait_said("tunnel.readiness", tunnel_id="tun_x", state="running")
            hub.link.send_control({"type": "tunnel.stop", "tunnel_id": "tun_t1"})
            assert (await hub.request("GET", "/v1/models", tunnel="tun_t1")).status == 503
            hub.control.clear()
            hub.links.clear()
            hub.cut()
            again = await hub.wait_said("tunnel.offer")
            assert (again["tunnel_id"], again["name"]) == ("tun_x", "more")
            assert len(hub.said("tunnel.offer")) == 1


async def test_a_tunnel_that_was_offered_may_be_opened_again(
    hub: FakeHub, stub: StubServer
) -> None:
    """A target that the user gave is theirs to serve under another tunnel too."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.offer")
        hub.link.send_control(open_message(str(stub.port)))
        await hub.wait_said("tunnel.readiness", tunnel_id="tun_x", state="running")


async def test_the_flag_is_turned_on(hub: FakeHub, stub: StubServer) -> None:
    """A tunnel of plain bytes becomes a provider: its models are told from then on."""
    async with running_agent(hub, offer(str(stub.port), openai=False)):
        await hub.wait_said("tunnel.readiness", state="running")
        assert hub.said("tunnel.readiness")[-1]["models"] == []
        assert hub.said("tunnel.readiness")[-1]["openai"] is False
        hub.control.clear()
        hub.link.send_control(open_message(str(stub.port), tunnel_id="tun_t1", openai=True))
        said = await hub.wait_said("tunnel.readiness", state="running", openai=True)
        assert said["models"][0]["id"] == "stub"
        stream = await hub.open("", "", kind=StreamKind.RAW, tunnel="tun_t1")
        assert (await whole(stream)).header("x-underpass-error") == "route_not_allowed"


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_flag_is_turned_off(hub: FakeHub, stub: StubServer, allowed: bool) -> None:
    """Without it the whole port is open: only where the session lets the hub choose targets."""
    async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=allowed):
        await hub.wait_said("tunnel.readiness", state="running")
        hub.control.clear()
        hub.link.send_control(open_message(str(stub.port), tunnel_id="tun_t1", openai=False))
        await hub.wait_said("tunnel.readiness", state="running")
        stream = await hub.open("", "", kind=StreamKind.RAW, tunnel="tun_t1")
        head = await stream.response()
        assert head.status == (200 if allowed else 404)
        stream.cancel("enough")


async def test_what_the_hub_opened_is_offered_after_its_restart(
    hub: FakeHub, stub: StubServer
) -> None:
    """A hub that forgot everything hears of all tunnels, with the ids that it gave them."""
    async with StubServer() as other:
        async with running_agent(hub, offer(str(stub.port)), allow_hub_targets=True):
            await hub.wait_said("tunnel.offer")
            hub.link.send_control(open_message(str(other.port)))
            await hub.wait_said("tunnel.readiness", tunnel_id="tun_x", state="running")
            hub.control.clear()
            await hub.stop_listening()
            hub.links.clear()
            await hub.listen()
            again = await hub.wait_said("tunnel.offer", tunnel_id="tun_x")
            assert (again["name"], again["target"]) == ("more", f"127.0.0.1:{other.port}")
            await hub.wait_said("tunnel.offer", tunnel_id="tun_t1")


async def test_unknown_words_are_left_alone(hub: FakeHub, stub: StubServer) -> None:
    """A newer hub may say more than this agent knows."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.readiness", state="running")
        hub.link.send_control({"type": "tunnel.paint", "colour": "blue"})
        hub.link.send_control({"type": "tunnel.stop", "tunnel_id": "tun_unknown"})
        hub.link.send_control({"type": "tunnel.accepted", "ref": "t1"})
        assert (await hub.request("GET", "/v1/models")).status == 200
        assert not running.task.done()


async def test_statuses_follow_the_server(hub: FakeHub) -> None:
    """starting → loading → running → unreachable → running, each within a second or so."""
    async with StubServer() as stub:
        await stub.stop()
        async with running_agent(hub, offer(str(stub.port))):
            await hub.wait_said("tunnel.readiness", state="starting", within_s=3)
            stub.mode = "loading"
            await stub.start()
            said = await hub.wait_said("tunnel.readiness", state="loading", within_s=3)
            assert said["reason"] == "Loading model."
            stub.mode = "ok"
            await hub.wait_said("tunnel.readiness", state="running", within_s=4)
            await stub.stop()
            said = await hub.wait_said("tunnel.readiness", state="unreachable", within_s=3)
            assert said["models"][0]["id"] == "stub"
            hub.control.clear()
            await stub.start()
            await hub.wait_said("tunnel.readiness", state="running", within_s=5)


async def test_new_models_are_told(
    hub: FakeHub, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that changes is listed again, without anybody asking."""
    monkeypatch.setattr("underpass.agent.serve.LOOK_EVERY_S", 0.2)
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        stub.models = ("stub", "second")

        def is_told() -> bool:
            return len(hub.said("tunnel.readiness")[-1]["models"]) == 2

        await eventually_async(is_told, 5, "two models")


async def test_a_busy_server_stays_running(
    hub: FakeHub, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One silence is no failure; three in a row are."""
    monkeypatch.setattr("underpass.agent.serve.LOOK_EVERY_S", 0.2)
    monkeypatch.setattr("underpass.agent.probe.LOOK_TIMEOUT_S", 0.2)
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        hub.control.clear()
        stub.mode = "silent"
        before = len(stub.seen)
        await eventually_async(lambda: len(stub.seen) > before + 1, 5, "two silent looks")
        assert not hub.said("tunnel.readiness")
        await hub.wait_said("tunnel.readiness", state="unreachable")
