"""What an agent says about itself and its session."""

import pytest

from tests.sessions.conftest import World
from underpass.core.times import iso


async def test_hello_fills_in_the_session(world: World) -> None:
    """Host, version, scheduler and the time that is left, in words a page can show."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="login")
    agent = await world.agent(session.id)
    await agent.say(
        "agent.hello",
        version="0.1",
        host="gpu-17",
        scheduler={"kind": "slurm", "job_id": "42"},
        wall_time_left_s=7200,
    )
    found = await world.get(session.id)
    assert (found.host, found.agent_version) == ("gpu-17", "0.1")
    assert found.scheduler == {"kind": "slurm", "job_id": "42"}
    assert found.wall_time_ends_at == world.clock.now() + 7200


async def test_a_provider_says_which_gpus_it_runs_on(world: World) -> None:
    """As the agent named them, cut to sane sizes; a strange answer is none."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="login")
    agent = await world.agent(session.id)
    await agent.say("agent.hello", version="1", host="gpu-17", gpus=["NVIDIA A100"] * 100)
    answer = await agent.offer(name="box")
    assert (await world.provider())["session"]["gpus"] == ["NVIDIA A100"] * 64
    await agent.say("agent.hello", version="1", host="gpu-17", gpus="all of them")
    await agent.ready(answer["tunnel_id"])
    assert (await world.provider())["session"]["gpus"] == []


async def test_wall_time_is_pushed_when_it_really_changes(world: World) -> None:
    """A count-down alone is no news; an extension is."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    agent = await world.agent(session.id)
    await agent.say("session.wall_time", left_s=3600)
    ends_at = (await world.get(session.id)).wall_time_ends_at
    world.clock.advance(60)
    await agent.say("session.wall_time", left_s=3539)
    assert (await world.get(session.id)).wall_time_ends_at == ends_at
    await agent.say("session.wall_time", left_s=7200)
    assert (await world.get(session.id)).wall_time_ends_at == world.clock.now() + 7200
    await agent.say("session.wall_time", left_s="soon")
    await agent.say("session.wall_time", left_s=True)
    assert (await world.get(session.id)).wall_time_ends_at == world.clock.now() + 7200


async def test_words_that_this_hub_does_not_know_are_passed_over(world: World) -> None:
    """A newer agent, a strange reason, a strange state: the session goes on."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    agent = await world.agent(session.id)
    tunnel_id = await agent.serve("box")
    await agent.say("agent.news", anything=1)
    await agent.ready(tunnel_id, "melting")
    await agent.say("tunnel.readiness", tunnel_id="tun_none", state="running")
    assert (await world.provider())["status"] == "running"
    await agent.say("session.ended", reason="bored", exit_code="x", message=None)
    assert (await world.until_ended(session.id)).end_reason == "server_exited"


@pytest.mark.parametrize("skew_s", [-86_400.0, 7200.0, 10.0**12])
async def test_a_node_whose_clock_is_wrong(world: World, skew_s: float) -> None:
    """What an agent says of time is how long is left; its lines keep the time that it gave them, and the
    session's own times are the hub's."""
    session, agent, _ = await world.running(params={"idle": "30m"})
    now = world.clock.now()
    line = {"t": now + skew_s, "source": "stdout", "text": "hello"}
    await agent.say("session.log", lines=[line])
    await agent.say("session.wall_time", left_s=3600)
    await agent.say("session.gauges", gpus=[], server={"generated_tokens": 1}, events=0)
    shown = await world.sessions.show(world.alice, session.id)
    assert (await world.get(session.id)).wall_time_ends_at == now + 3600
    assert [row.text for row in await world.sessions.logs(world.alice, session.id, tail=5)] == [
        "hello"
    ]
    assert shown["idle_stops_at"] is None
    points = (await world.sessions.gauges(world.alice, session.id)).points()
    assert points[-1]["t"] == iso(now)
    await world.pass_time(60)
    assert (await world.get(session.id)).status == "running"


async def test_the_way_out_is_said(world: World) -> None:
    """With the hello, on the timeline, and whenever another is taken; what is not known is none."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="login")
    agent = await world.agent(session.id)
    await agent.say("agent.hello", version="1", host="gpu-17", via="login node")
    shown = await world.sessions.show(world.alice, session.id)
    assert shown["via"] == "login node"
    texts = [event["text"] for event in shown["timeline"]]
    assert "The agent on gpu-17 is connected through the login node." in texts
    with world.watch() as page:
        await agent.say("session.way", via="direct")
        while (await anext(page)).item.get("via") != "direct":
            pass  # what the hello changed is pushed before
    await agent.say("session.way", via=["carrier pigeon"])
    assert (await world.sessions.show(world.alice, session.id))["via"] is None
