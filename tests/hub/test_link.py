"""Where agents connect: real WebSockets to a real hub."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.hub.agents import HELLO, TinyAgent
from tests.hub.conftest import RunningHub, running_hub
from tests.rig.waiting import eventually_async
from underpass.core.clock import FakeClock
from underpass.core.errors import AppError, LinkRefused
from underpass.core.principal import Principal
from underpass.core.states import SessionStatus
from underpass.hub.link import SUBPROTOCOL, Admission
from underpass.store import UserRecord
from underpass.tunnel.dial_errors import DialError


async def attach(hub: RunningHub, user: UserRecord, name: str = "box") -> tuple[str, str]:
    """A new attached session's id and its token."""
    caller = Principal(user_id=user.id, user_name=user.name)
    session, token = await hub.services.sessions.attach(caller, name=name, host="gpu-17")
    return session.id, token


async def test_an_agent_connects_and_is_a_running_session(
    hub: RunningHub, alice: UserRecord
) -> None:
    """The session runs while its agent is connected, and the hub answers what it says."""
    session_id, token = await attach(hub, alice)
    agent = TinyAgent(hub.url, token)
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="127.0.0.1:8000", openai=True)
    await eventually_async(lambda: agent.said("tunnel.accepted"), 5, "the offer's answer")
    session = await hub.services.store.sessions.get(session_id)
    assert session.status is SessionStatus.RUNNING
    assert hub.services.links.of(session_id) is not None
    await agent.close()
    await eventually_async(lambda: hub.services.links.of(session_id) is None, 5, "it is forgotten")


@pytest.mark.parametrize(
    ("headers", "protocols", "status", "code"),
    [
        ({}, [SUBPROTOCOL], 401, "session_token_invalid"),
        ({"Authorization": "Bearer ups_wrong"}, [SUBPROTOCOL], 401, "session_token_invalid"),
        ({"Authorization": "Bearer upc_wrong"}, [SUBPROTOCOL], 401, "session_token_invalid"),
        ({"Authorization": "Bearer up_key"}, [SUBPROTOCOL], 401, "session_token_invalid"),
        ({"Authorization": "Basic dXBz"}, [SUBPROTOCOL], 401, "session_token_invalid"),
        ({"Authorization": "Bearer ups_wrong"}, [], 426, "version_unsupported"),
        ({"Authorization": "Bearer ups_wrong"}, ["underpass.v9"], 426, "version_unsupported"),
    ],
)
async def test_refusals_come_before_the_upgrade(
    hub: RunningHub, headers: dict[str, str], protocols: list[str], status: int, code: str
) -> None:
    """As HTTP answers with a problem that the agent can read."""
    program = await hub.program()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if protocols:
        upgrade["Sec-WebSocket-Protocol"] = ", ".join(protocols)
    answer = await program.get("/link?token=ups_in_the_query", **upgrade, **headers)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json()["hint"]


async def test_a_browsers_cookie_opens_no_link(hub: RunningHub, alice: UserRecord) -> None:
    """Only session tokens do."""
    browser = await hub.browser(alice.name)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await browser.http.ws_connect(f"{hub.url}/link", protocols=[SUBPROTOCOL])
    assert caught.value.status == 401


async def test_a_disabled_users_agent_stays_out_and_is_thrown_out(
    hub: RunningHub, alice: UserRecord, root: UserRecord
) -> None:
    """A running agent is told not to come back; a new one is refused."""
    _, token = await attach(hub, alice)
    agent = TinyAgent(hub.url, token)
    await agent.connect()
    admin = await hub.browser(root.name)
    await admin.patch(f"/api/users/{alice.id}", {"is_disabled": True})
    await agent.ended()
    assert agent.refused is not None
    assert agent.refused.code == "revoked"
    with pytest.raises(LinkRefused):
        await TinyAgent(hub.url, token).connect()


async def test_a_removed_sessions_agent_stays_out(hub: RunningHub, alice: UserRecord) -> None:
    """Its token is worth nothing any more."""
    session_id, token = await attach(hub, alice)
    await hub.services.store.sessions.update(session_id, removed_at=1.0)
    with pytest.raises(LinkRefused):
        await TinyAgent(hub.url, token).connect()


async def test_a_dropped_connection_is_the_same_link_again(
    hub: RunningHub, alice: UserRecord
) -> None:
    """Within its grace nothing is lost, and the session goes on."""
    session_id, token = await attach(hub, alice)
    agent = TinyAgent(hub.url, token)
    await agent.connect()
    agent.link.send_control(HELLO)
    agent.say("tunnel.offer", ref="1", name="box", target="127.0.0.1:8000", openai=True)
    await eventually_async(lambda: agent.said("tunnel.accepted"), 5, "the offer's answer")
    before = hub.services.links.of(session_id)
    for _ in range(3):
        await agent.cut()
        await eventually_async(lambda: before is not None and not before.is_up, 5, "down")
        await agent.connect()
        assert not agent.link.is_fresh
        assert hub.services.links.of(session_id) is before
    assert hub.services.links.counts()["up"] == 1
    await agent.close()


async def test_a_second_agent_takes_over_at_once(hub: RunningHub, alice: UserRecord) -> None:
    """The newest agent of a session wins, and the older one does not come back."""
    session_id, token = await attach(hub, alice)
    first, second = TinyAgent(hub.url, token), TinyAgent(hub.url, token)
    await first.connect()
    await second.connect()
    await first.ended()
    assert first.refused is not None
    assert first.refused.code == "replaced"
    link = hub.services.links.of(session_id)
    assert link is not None
    assert link.is_up
    second.say("tunnel.offer", ref="1", name="box", target="127.0.0.1:8000", openai=True)
    await eventually_async(lambda: second.said("tunnel.accepted"), 5, "it is heard")
    await second.close()


async def test_a_link_that_stays_away_is_forgotten(tmp_path: Path) -> None:
    """After its grace; then the agent is a new link."""
    async with running_hub(tmp_path / "data", link_grace_s=0.1) as hub:
        alice = await hub.user("alice")
        session_id, token = await attach(hub, alice)
        agent = TinyAgent(hub.url, token)
        await agent.connect()
        await agent.cut()
        await eventually_async(lambda: hub.services.links.of(session_id) is None, 5, "forgotten")
        again = TinyAgent(hub.url, token)
        await again.connect()
        assert again.link.is_fresh
        await again.close()


async def test_noise_instead_of_a_hello_is_closed(hub: RunningHub, alice: UserRecord) -> None:
    """Text, rubbish and silence cost one connection and nothing else."""
    session_id, token = await attach(hub, alice)
    program = await hub.program()
    headers = {"Authorization": f"Bearer {token}"}
    for noise in ("text", b"\x00" * 64, b"\xff" * 5000):
        socket = await program.http.ws_connect(
            f"{hub.url}/link", protocols=[SUBPROTOCOL], headers=headers
        )
        if isinstance(noise, str):
            await socket.send_str(noise)
        else:
            await socket.send_bytes(noise)
        async with asyncio.timeout(5):
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await socket.close()
    assert hub.services.links.of(session_id) is None


async def test_many_agents_at_once_come_one_after_another(tmp_path: Path) -> None:
    """Over the limit they are told when to come back."""
    async with running_hub(tmp_path / "data", links_per_s=1) as hub:
        alice = await hub.user("alice")
        agents = []
        with pytest.raises(DialError) as caught:
            for number in range(5):
                agents.append(TinyAgent(hub.url, (await attach(hub, alice, f"b{number}"))[1]))
                await agents[-1].connect()
        assert caught.value.retry_after_s is not None
        assert len(agents) >= 2
        for agent in agents[:-1]:
            await agent.close()


def test_admission_fills_up_with_time() -> None:
    """Some at once, then so many each second."""
    clock = FakeClock()
    admission = Admission(clock, per_s=10)
    for _ in range(20):
        admission.check()
    with pytest.raises(AppError) as caught:
        admission.check()
    assert (caught.value.http_status, caught.value.retry_after_s) == (503, 1.0)
    clock.advance(0.15)
    admission.check()


async def test_a_stopping_hub_asks_agents_to_come_back(tmp_path: Path) -> None:
    """They hear GOAWAY before the carrier closes, and keep their link."""
    async with running_hub(tmp_path / "data") as hub:
        alice = await hub.user("alice")
        _, token = await attach(hub, alice)
        agent = TinyAgent(hub.url, token)
        await agent.connect()
        hub.hub.begin_stop()
        await eventually_async(lambda: agent.goaways, 5, "GOAWAY")
        assert agent.goaways[0].is_closing
        with pytest.raises(DialError):
            await TinyAgent(hub.url, token).connect()
    await agent.ended()
    assert agent.refused is None
    assert not agent.link.is_closed
    await agent.close()
