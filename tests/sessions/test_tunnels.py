"""Tunnels and the providers that come of them."""

from typing import Any

import pytest

from tests.rig.waiting import eventually_async
from tests.sessions.conftest import PlayedAgent, World
from underpass.core.errors import Conflict, InvalidRequest, NotFound
from underpass.store import TunnelRecord


async def attached(world: World, name: str = "box") -> tuple[str, PlayedAgent]:
    session, _ = await world.sessions.attach(world.alice, name=name, host="gpu-17")
    agent = await world.agent(session.id)
    await agent.hello()
    return session.id, agent


async def tunnel_of(world: World, session_id: str) -> TunnelRecord:
    (tunnel,) = await world.store.tunnels.of_session(session_id)
    return tunnel


async def test_a_tunnel_with_the_flag_becomes_a_provider_by_itself(world: World) -> None:
    """Accepted under its name, with a link to the chat; starting, then running with its models."""
    _, agent = await attached(world)
    answer = await agent.offer("8000", "box")
    assert (answer["type"], answer["name"]) == ("tunnel.accepted", "box")
    assert answer["chat_url"] == "https://hub.test/?provider=box"
    assert (await world.provider())["status"] == "starting"
    await agent.ready(answer["tunnel_id"], "loading", reason="Loading weights.")
    found = await world.provider()
    assert (found["status"], found["status_reason"]) == ("loading", "Loading weights.")
    server = {"kind": "vllm", "version": "0.32"}
    await agent.ready(answer["tunnel_id"], "running", ("Llama", "org/Qwen"), server=server)
    found = await world.provider()
    assert found["status"] == "running"
    assert [m["id"] for m in found["models"]] == ["box/Llama", "box/org/Qwen"]
    assert found["server"] == server
    assert found["shareable"] is False
    assert found["session"]["host"] == "gpu-17"
    assert world.registry.link_of(answer["tunnel_id"]) is agent.link


async def test_every_change_is_pushed_at_once_to_its_owner_alone(world: World) -> None:
    """Session, tunnel and provider, as they change; a stranger's page hears nothing."""
    with world.watch() as page, world.watch(world.bob) as other:
        _, agent = await attached(world)
        answer = await agent.offer("8000", "box")
        await agent.ready(answer["tunnel_id"])
        seen: list[tuple[str, str]] = []
        while ("provider", "running") not in seen:
            event = await anext(page)
            seen.append((event.kind, event.item["status"]))
        assert ("tunnel", "running") in seen
        assert ("provider", "starting") in seen
        assert repr(other).count("waiting=0")


async def test_a_dropped_link_is_reconnecting_and_comes_back(world: World) -> None:
    """The tunnel reconnects, the provider says why it cannot answer, and both run again."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    await agent.attendant.link_down()
    assert (await tunnel_of(world, session_id)).status == "reconnecting"
    found = await world.provider()
    assert found["status"] == "unreachable"
    assert found["status_reason"] == "The tunnel from gpu-17 dropped; reconnecting."
    assert world.registry.link_of(tunnel_id) is agent.link
    await agent.attendant.link_up_again()
    assert (await tunnel_of(world, session_id)).status == "running"
    found = await world.provider()
    assert (found["status"], found["status_reason"]) == ("running", "")


async def test_a_stopped_provider_stays_with_its_models_until_its_tunnel_is_deleted(
    world: World,
) -> None:
    """Greyed in its owner's list, and gone with the tunnel."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    await agent.attendant.link_closed("grace")
    found = await world.provider()
    assert found["status"] == "stopped"
    assert [m["name"] for m in found["models"]] == ["tiny"]
    tunnel = await tunnel_of(world, session_id)
    assert tunnel.stopped_at is not None
    assert world.registry.link_of(tunnel.id) is None
    await world.sessions.tunnels.delete(await world.live(session_id), tunnel)
    assert await world.sessions.providers(world.alice) == []
    assert await world.store.tunnels.of_session(session_id) == ()


async def test_a_hub_restart_brings_providers_back(world: World) -> None:
    """They are in the list before any agent is back, and run when it is."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    before = await world.provider()
    await world.restart_hub()
    found = await world.provider()
    assert (found["id"], found["status"]) == (before["id"], "unreachable")
    back = await world.agent(session_id)
    await back.serve("box")
    assert (await world.provider())["status"] == "running"


async def test_the_flag_can_be_turned_off_and_on(world: World) -> None:
    """The provider goes and appears at once; the agent is told."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    live, tunnel = await world.live(session_id), await tunnel_of(world, session_id)
    with world.watch() as page:
        tunnel = await world.sessions.tunnels.change(live, tunnel, name=None, openai=False)
        event = await anext(page)
        assert (event.kind, event.op) == ("provider", "delete")
    assert await world.sessions.providers(world.alice) == []
    assert agent.link.last("tunnel.open")["openai"] is False
    tunnel = await world.sessions.tunnels.change(live, tunnel, name=None, openai=True)
    assert agent.link.last("tunnel.open")["openai"] is True
    assert (await world.provider())["status"] == "starting"
    await agent.ready(tunnel_id, models=(), openai=False)  # said before it knew of the flag
    assert (await world.provider())["status"] == "starting"
    await agent.ready(tunnel_id, openai=True)
    assert (await world.provider())["status"] == "running"
    again = await world.sessions.tunnels.change(live, tunnel, name=None, openai=True)
    assert again == tunnel


async def test_a_tunnel_can_be_renamed(world: World) -> None:
    """Its provider and model ids follow; a used name is refused."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    _, other = await attached(world, "lab")
    await other.serve("lab", "9000")
    live, tunnel = await world.live(session_id), await tunnel_of(world, session_id)
    with pytest.raises(Conflict):
        await world.sessions.tunnels.change(live, tunnel, name="lab", openai=None)
    await world.sessions.tunnels.change(live, tunnel, name="new", openai=None)
    assert (await world.provider("new"))["models"][0]["id"] == "new/tiny"


async def test_a_name_of_a_live_tunnel_is_refused_with_the_choice(world: World) -> None:
    """Another session's live name: rename or replace."""
    _, agent = await attached(world)
    await agent.serve("box")
    _, other = await attached(world, "lab")
    answer = await other.offer("9000", "box")
    assert (answer["type"], answer["code"]) == ("tunnel.refused", "name_taken")
    assert "--name" in answer["hint"]


async def test_a_stopped_name_is_taken_over_with_its_ids(world: World) -> None:
    """A session elsewhere under the same tunnel name revives the same provider."""
    _, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    provider = await world.provider()
    await agent.attendant.link_closed("bye")
    other_id, other = await attached(world, "lab")
    assert await other.serve("box", "9000") == tunnel_id
    found = await world.provider()
    assert (found["id"], found["session"]["id"]) == (provider["id"], other_id)


async def test_unnamed_tunnels_get_free_names(world: World) -> None:
    """The session's name for the first, like it for the next; each target keeps its own."""
    session_id, agent = await attached(world)
    first = await agent.offer("8000")
    second = await agent.offer("9000")
    assert (first["name"], second["name"]) == ("box", "box-2")
    await agent.attendant.link_closed("bye")
    back = await world.agent(session_id)
    assert (await back.offer("9000"))["tunnel_id"] == second["tunnel_id"]
    assert (await back.offer("8000"))["tunnel_id"] == first["tunnel_id"]


async def test_a_bad_offer_is_refused(world: World) -> None:
    """A target or a name that is none."""
    _, agent = await attached(world)
    assert (await agent.offer("http://x"))["code"] == "target_invalid"
    assert (await agent.offer("8000", "Not A Name"))["code"] == "name_invalid"


async def test_stop_and_start_of_a_tunnel(world: World) -> None:
    """Requests pass or do not; the session goes on all the while."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    live = await world.live(session_id)
    await world.sessions.tunnels.stop(live, await tunnel_of(world, session_id))
    assert agent.link.last("tunnel.stop")["tunnel_id"] == tunnel_id
    assert world.registry.link_of(tunnel_id) is None
    assert (await world.provider())["status"] == "stopped"
    await world.sessions.tunnels.start(live, await tunnel_of(world, session_id))
    assert agent.link.last("tunnel.start")["tunnel_id"] == tunnel_id
    assert (await world.provider())["status"] in ("starting", "running")
    await agent.ready(tunnel_id)
    assert (await world.provider())["status"] == "running"
    await agent.attendant.link_closed("bye")
    with pytest.raises(Conflict) as caught:
        await world.sessions.tunnels.start(live, await tunnel_of(world, session_id))
    assert caught.value.code == "session_not_running"


async def test_a_tunnel_that_was_stopped_stays_so_when_its_agent_comes_back(world: World) -> None:
    """Only Start, or a new session, opens it again; the agent is told anew that it is stopped."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    live = await world.live(session_id)
    await world.sessions.tunnels.stop(live, await tunnel_of(world, session_id))
    await agent.attendant.link_closed("grace")
    back = await world.agent(session_id)
    assert (await back.offer("8000", "box"))["tunnel_id"] == tunnel_id
    assert back.link.told[-1] == {"type": "tunnel.stop", "tunnel_id": tunnel_id}
    assert (await tunnel_of(world, session_id)).status == "stopped"
    assert (await world.provider())["status"] == "stopped"
    await world.sessions.tunnels.start(live, await tunnel_of(world, session_id))
    assert (await tunnel_of(world, session_id)).status == "running"
    await world.sessions.tunnels.stop(live, await tunnel_of(world, session_id))
    await back.attendant.link_closed("bye")
    await world.pass_time(10)
    await world.sessions.attach(world.alice, name="box", host="gpu-17")
    anew = await world.agent(session_id)
    await anew.serve("box")
    assert (await tunnel_of(world, session_id)).status == "running"


async def test_a_renamed_tunnel_keeps_its_name_when_its_agent_comes_back(world: World) -> None:
    """An agent that knows the tunnel's id means that one, whatever name it was started with."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    live, tunnel = await world.live(session_id), await tunnel_of(world, session_id)
    await world.sessions.tunnels.change(live, tunnel, name="new", openai=None)
    await world.restart_hub()
    back = await world.agent(session_id)
    answer = await back.offer("8000", "box", tunnel_id=tunnel_id)
    assert (answer["tunnel_id"], answer["name"]) == (tunnel_id, "new")
    assert (await tunnel_of(world, session_id)).status == "running"


async def test_a_renamed_tunnel_keeps_its_name_when_its_session_is_restarted(world: World) -> None:
    """The next launch offers it under the name that it has now."""
    session, _, tunnel_id = await world.running()
    live, tunnel = await world.live(session.id), await tunnel_of(world, session.id)
    await world.sessions.tunnels.change(live, tunnel, name="new", openai=None)
    await world.sessions.restart(world.alice, session.id)
    await world.until(session.id, "queued", has_job=True)
    order = await eventually_async(lambda: world.cluster.orders[1:], 5)
    assert order[0].tunnel == "new"
    back = await world.agent(session.id)
    assert await back.serve("new") == tunnel_id


async def test_a_strangers_tunnel_id_in_an_offer_is_not_believed(world: World) -> None:
    """An agent gets its own session's tunnels back and no other's."""
    _, agent = await attached(world)
    taken = await agent.serve("box")
    other_id, other = await attached(world, "lab")
    answer = await other.offer("9000", "lab", tunnel_id=taken)
    assert answer["tunnel_id"] != taken
    assert (await tunnel_of(world, other_id)).id == answer["tunnel_id"]


async def test_a_further_tunnel_is_asked_of_the_agent(world: World) -> None:
    """Connecting until the agent serves it; loopback targets only; a refusal stops it."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    shape = await world.sessions.open_tunnel(
        world.alice, session_id, name="second", target="9000", openai=True
    )
    assert shape["status"] == "connecting"
    assert agent.link.last("tunnel.open")["target"] == "127.0.0.1:9000"
    await agent.ready(shape["id"])
    assert (await world.provider("second"))["status"] == "running"
    with pytest.raises(InvalidRequest):
        await world.sessions.open_tunnel(
            world.alice, session_id, name=None, target="10.0.0.1:80", openai=False
        )
    third = await world.sessions.open_tunnel(
        world.alice, session_id, name=None, target="9001", openai=False
    )
    code = "target_not_allowed"
    await agent.say("tunnel.failed", tunnel_id=third["id"], code=code, message="not allowed")
    assert (await world.store.tunnels.get(third["id"])).status == "stopped"
    shown = await world.sessions.show(world.alice, session_id)
    assert shown["timeline"][-1]["kind"] == "tunnel_failed"


async def test_an_admin_sees_that_a_tunnel_exists_and_can_stop_it(world: World) -> None:
    """Owner, status, bytes; not its name, target or session; and never the provider."""
    session_id, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    (shown,) = await world.sessions.all_tunnels(world.root)
    assert shown["owner"]["name"] == "alice"
    assert shown["status"] == "running"
    hidden: dict[str, Any] = {key: shown[key] for key in ("name", "target", "session_id", "openai")}
    assert set(hidden.values()) == {None}
    found = await world.sessions.tunnels.find_for_admin(world.root, tunnel_id)
    await world.sessions.tunnels.stop(await world.live(session_id), found)
    assert (await world.provider())["status"] == "stopped"
    assert await world.sessions.providers(world.root) == []
    with pytest.raises(NotFound):
        await world.sessions.tunnels.find_for_admin(world.bob, tunnel_id)


async def test_an_agent_cannot_speak_for_another_session_s_tunnel(world: World) -> None:
    """News about a tunnel that is not its own is dropped."""
    _, agent = await attached(world)
    tunnel_id = await agent.serve("box")
    _, other = await attached(world, "lab")
    await other.ready(tunnel_id, "running", ("evil",))
    await other.say("tunnel.withdraw", tunnel_id=tunnel_id)
    found = await world.provider()
    assert found["status"] == "running"
    assert [m["name"] for m in found["models"]] == ["tiny"]


async def test_an_older_link_s_last_words_do_no_harm(world: World) -> None:
    """A newer agent has the session: what the older one says, and its end, count no more."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    newer = await world.agent(session_id)
    await newer.serve("box")
    await agent.say("session.ended", reason="server_exited", exit_code=1, message="")
    await agent.attendant.link_closed("displaced")
    await world.settle()
    assert (await world.get(session_id)).status == "running"
    assert (await world.provider())["status"] == "running"
