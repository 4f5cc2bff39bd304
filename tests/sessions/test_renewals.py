"""Renewing: a successor takes over when it answers, and no request is dropped."""

import asyncio

import pytest

from tests.sessions.conftest import PlayedAgent, World
from underpass.core.errors import Conflict, NotFound
from underpass.core.states import EndReason
from underpass.store import SessionRecord
from underpass.tunnel.link import LinkUse

HOUR = 3600.0


async def next_of(world: World, session_id: str) -> tuple[SessionRecord, PlayedAgent]:
    """The successor that was asked for runs; its agent is connected and serves nothing yet."""
    successor_id = str((await world.get(session_id)).spec["renewed_by"])
    await world.until(successor_id, "queued", has_job=True)
    world.cluster.run(world.cluster.orders[-1].tag)
    agent = await world.agent(successor_id)
    await agent.hello("gpu-18")
    return await world.get(successor_id), agent


async def answers(world: World, agent: PlayedAgent, tunnel_id: str) -> None:
    """The successor's agent offers the tunnel of its order, and the model behind it answers."""
    offer = await agent.offer("9000", world.cluster.orders[-1].tunnel)
    assert (offer["type"], offer["tunnel_id"]) == ("tunnel.accepted", tunnel_id)
    await agent.ready(tunnel_id)
    await world.settle()


async def test_the_provider_moves_when_the_successor_answers(world: World) -> None:
    """Same name, same ids; until then the old job serves, and then new requests meet the new one."""
    session, agent, tunnel_id = await world.running()
    provider = await world.provider()
    await world.sessions.renew(world.alice, session.id)
    successor, younger = await next_of(world, session.id)
    assert (successor.name, successor.spec["renews"]) == ("box-next", session.id)
    assert world.cluster.orders[-1].tunnel == "box"
    offer = await younger.offer("9000", "box")
    assert offer["tunnel_id"] == tunnel_id
    await younger.ready(tunnel_id, "loading")
    await world.settle()
    assert world.registry.link_of(tunnel_id) is agent.link
    assert (await world.provider())["status"] == "running"
    agent.link.request(answering=1)
    await answers(world, younger, tunnel_id)
    assert world.registry.link_of(tunnel_id) is younger.link
    now = await world.provider()
    assert (now["id"], now["status"], now["models"]) == (
        provider["id"],
        "running",
        provider["models"],
    )
    assert (now["session"]["id"], now["session"]["host"]) == (successor.id, "gpu-18")
    assert (await world.get(successor.id)).name == "box"
    assert (await world.get(session.id)).name == "box-before"
    assert (await world.store.tunnels.get(tunnel_id)).target == "127.0.0.1:9000"


async def renewed(world: World) -> tuple[str, PlayedAgent, str, PlayedAgent]:
    """A session whose successor has taken over while a request runs: both, old and new."""
    session, agent, tunnel_id = await world.running()
    await world.sessions.renew(world.alice, session.id)
    successor, younger = await next_of(world, session.id)
    agent.link.request(answering=1)
    await answers(world, younger, tunnel_id)
    return session.id, agent, successor.id, younger


async def test_the_old_job_goes_on_until_its_requests_have_ended(world: World) -> None:
    """Hours, if it must be; then it ends without a fault and says what became of it."""
    old, agent, _new, _younger = await renewed(world)
    await world.pass_time(5 * HOUR, steps=10)
    assert (await world.get(old)).status == "running"
    assert "running requests finish here" in (await world.get(old)).status_reason
    assert not [m for m in agent.link.told if m["type"] == "session.stop"]
    agent.link.use = LinkUse(1, 0, 0, 0)
    await world.pass_time(2)
    assert agent.link.last("session.stop")["reason"] == "user"
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    ended = await world.until_ended(old)
    assert (ended.status, ended.end_reason) == ("stopped", EndReason.USER)
    assert ended.end_message == "A new job has taken over. Its log stays here until you remove it."
    assert (await world.provider())["status"] == "running"


async def test_a_raw_connection_is_not_dropped_either(world: World) -> None:
    """It counts as long as it is open."""
    old, agent, _new, _younger = await renewed(world)
    agent.link.use = LinkUse(2, 1, 0, 10)
    await world.pass_time(HOUR)
    assert (await world.get(old)).status == "running"


async def test_the_old_job_that_ends_first_is_no_failure(world: World) -> None:
    """Its time was up, or its agent went: the session has gone on."""
    old, agent, new, _younger = await renewed(world)
    await agent.attendant.link_closed("grace")
    world.cluster.end(world.cluster.orders[0].tag, code=1, raw="FAILED")
    ended = await world.until_ended(old)
    assert (ended.status, ended.end_reason) == ("stopped", EndReason.USER)
    assert (await world.get(new)).status == "running"
    assert (await world.provider())["status"] == "running"


async def test_asking_twice_makes_one_successor(world: World) -> None:
    """The second answer is the first one's; what was renewed is not renewed again."""
    session, _agent, _ = await world.running()
    first = await world.sessions.renew(world.alice, session.id)
    second = await world.sessions.renew(world.alice, session.id)
    assert first.id == second.id
    with pytest.raises(Conflict) as caught:
        await world.sessions.renew(world.alice, first.id)
    assert caught.value.code == "renewed_already"


async def test_who_may_not(world: World) -> None:
    """A stranger finds nothing; one that an agent opened, or that ended, has no successor."""
    session, _agent, _ = await world.running()
    with pytest.raises(NotFound):
        await world.sessions.renew(world.bob, session.id)
    await world.sessions.stop(world.alice, session.id)
    with pytest.raises(Conflict):
        await world.sessions.renew(world.alice, session.id)
    attached, _token = await world.sessions.attach(world.alice, name="mine", host="a")
    with pytest.raises(Conflict) as caught:
        await world.sessions.renew(world.alice, attached.id)
    assert caught.value.code == "session_attached"
    assert len(world.cluster.orders) == 1


async def test_stop_ends_the_successor_too(world: World) -> None:
    """Whoever stops a session does not want a second job to come up an hour later."""
    session, _agent, _ = await world.running()
    successor = await world.sessions.renew(world.alice, session.id)
    await world.until(successor.id, "queued", has_job=True)
    await world.sessions.stop(world.alice, session.id)
    assert (await world.until_ended(session.id)).end_reason == EndReason.USER
    await world.until_ended(successor.id)
    await world.pass_time(60)
    assert world.cluster.alive() == []


async def test_stopping_the_successor_leaves_the_session(world: World) -> None:
    """The renewal is off, and can be asked for again."""
    session, _agent, _ = await world.running()
    successor = await world.sessions.renew(world.alice, session.id)
    await world.sessions.stop(world.alice, successor.id)
    await world.until_ended(successor.id)
    assert (await world.get(session.id)).status == "running"
    again = await world.sessions.renew(world.alice, session.id)
    assert again.id != successor.id


async def test_stop_after_the_hand_over_ends_both_jobs(world: World) -> None:
    """The session by its name is what is stopped; what is left of the old job goes with it."""
    old, _agent, new, _younger = await renewed(world)
    await world.sessions.stop(world.alice, new)
    await world.until_ended(new)
    await world.until_ended(old)
    await world.pass_time(60)
    assert world.cluster.alive() == []


async def test_a_successor_that_does_not_come_up_changes_nothing(world: World) -> None:
    """The old job serves on, and its timeline says why there is no other."""
    session, agent, tunnel_id = await world.running()
    world.cluster.faults.rejects = "No such account."
    successor = await world.sessions.renew(world.alice, session.id)
    ended = await world.until_ended(successor.id)
    assert ended.end_reason == EndReason.REJECTED
    assert (await world.get(session.id)).status == "running"
    assert world.registry.link_of(tunnel_id) is agent.link
    timeline = (await world.sessions.show(world.alice, session.id))["timeline"]
    assert any("No such account." in event["text"] for event in timeline)


async def test_it_renews_by_itself_only_if_that_was_chosen(world: World) -> None:
    """Once, ahead of the end: an hour before that of four."""
    session, agent, _ = await world.running(params={"renew": True, "time": "4:00:00"})
    other, its_agent, _ = await world.running(name="other", params={"time": "4:00:00"})
    for one in (agent, its_agent):
        await one.say("session.wall_time", left_s=4 * HOUR)
    await world.pass_time(2.9 * HOUR, steps=2)
    assert "renewed_by" not in (await world.get(session.id)).spec
    await world.pass_time(0.2 * HOUR, steps=3)
    assert "renewed_by" in (await world.get(session.id)).spec
    assert "renewed_by" not in (await world.get(other.id)).spec
    await world.pass_time(0.2 * HOUR, steps=3)
    assert [order.name for order in world.cluster.orders] == ["box", "other", "box-next"]


async def test_a_successor_comes_up_after_the_end(world: World) -> None:
    """The queue was longer than the time that was left: the provider comes back under its name."""
    session, agent, tunnel_id = await world.running()
    await world.sessions.renew(world.alice, session.id)
    await agent.say("session.ended", reason="walltime", exit_code=0, message="")
    await agent.attendant.link_closed("bye")
    world.cluster.end(world.cluster.orders[0].tag)
    assert (await world.until_ended(session.id)).end_reason == EndReason.WALLTIME
    assert (await world.provider())["status"] == "stopped"
    successor, younger = await next_of(world, session.id)
    await answers(world, younger, tunnel_id)
    assert (await world.provider())["status"] == "running"
    assert (await world.get(successor.id)).name == "box"


async def test_a_hub_that_restarts_in_between_goes_on(world: World) -> None:
    """The successor is known for what it is, and takes over once it answers."""
    session, _agent, tunnel_id = await world.running()
    await world.sessions.renew(world.alice, session.id)
    successor, _younger = await next_of(world, session.id)
    await world.restart_hub()
    older = await world.agent(session.id)
    await older.offer("8000", "box", tunnel_id=tunnel_id)
    await older.ready(tunnel_id)
    younger = await world.agent(successor.id)
    await answers(world, younger, tunnel_id)
    await world.until(successor.id, "running")
    assert (await world.get(successor.id)).name == "box"
    assert world.registry.link_of(tunnel_id) is younger.link


async def test_a_tunnel_that_was_stopped_stays_stopped(world: World) -> None:
    """What its owner switched off is not switched on by a renewal."""
    session, _agent, tunnel_id = await world.running()
    await world.sessions.tunnels.stop(
        await world.live(session.id), await world.store.tunnels.get(tunnel_id)
    )
    await world.sessions.renew(world.alice, session.id)
    _successor, younger = await next_of(world, session.id)
    await answers(world, younger, tunnel_id)
    assert (await world.provider())["status"] == "stopped"
    assert younger.link.last("tunnel.stop")["tunnel_id"] == tunnel_id


async def test_a_chain_of_renewals_keeps_one_predecessor(world: World) -> None:
    """For its log; older ones go by themselves."""
    old, agent, new, _younger = await renewed(world)
    agent.link.use = LinkUse(1, 0, 0, 0)
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    await world.until_ended(old)
    await world.pass_time(30)
    await world.sessions.renew(world.alice, new)
    listed, _ = await world.sessions.list_sessions(world.alice)
    assert sorted(one["name"] for one in listed) == ["box", "box-next"]


async def test_a_tunnel_that_got_another_name_meanwhile(world: World) -> None:
    """The successor's job was made with the old one; the provider moves all the same."""
    session, _agent, tunnel_id = await world.running()
    await world.sessions.renew(world.alice, session.id)
    _successor, younger = await next_of(world, session.id)
    await world.sessions.tunnels.change(
        await world.live(session.id),
        await world.store.tunnels.get(tunnel_id),
        name="lab",
        openai=None,
    )
    await answers(world, younger, tunnel_id)
    now = await world.provider("lab")
    assert (now["status"], world.registry.link_of(tunnel_id)) == ("running", younger.link)


async def test_an_old_job_that_comes_back_after_a_restart_takes_nothing(world: World) -> None:
    """Its agent offers the tunnel again; the new job has it."""
    old, _agent, new, _younger = await renewed(world)
    tunnel_id = (await world.store.tunnels.of_session(new))[0].id
    await world.restart_hub()
    younger = await world.agent(new)
    await younger.offer("9000", "box", tunnel_id=tunnel_id)
    await younger.ready(tunnel_id)
    older = await world.agent(old)
    answer = await older.offer("8000", "box", tunnel_id=tunnel_id)
    assert answer["type"] == "tunnel.accepted"
    await older.ready(tunnel_id)
    assert world.registry.link_of(tunnel_id) is younger.link
    await world.pass_time(5)
    assert older.link.last("session.stop")["reason"] == "user"


async def test_stop_and_renew_at_once(world: World) -> None:
    """Whichever comes first: in the end nothing runs, and nothing comes up later."""
    for renew_first in (True, False):
        session, _agent, _ = await world.running(name=f"box{renew_first}".lower())
        verbs = [
            world.sessions.renew(world.alice, session.id),
            world.sessions.stop(world.alice, session.id),
        ]
        await asyncio.gather(*(verbs if renew_first else verbs[::-1]), return_exceptions=True)
        await world.until_ended(session.id)
        await world.pass_time(60)
        assert world.cluster.alive() == []


async def test_the_old_job_does_not_outlive_its_time(world: World) -> None:
    """Also where nobody but the hub watches it, and a request never ends."""
    session, agent, tunnel_id = await world.running(params={"time": "2:00:00"})
    live = await world.live(session.id)
    spec = live.record.spec | {"watches_time": True}
    ends_at = world.clock.now() + 2 * HOUR
    live.record = await world.store.sessions.update(
        session.id, spec=spec, wall_time_ends_at=ends_at
    )
    await world.sessions.renew(world.alice, session.id)
    _successor, younger = await next_of(world, session.id)
    agent.link.request(answering=1)
    await answers(world, younger, tunnel_id)
    await world.pass_time(HOUR)
    assert (await world.get(session.id)).status == "running"
    await world.pass_time(HOUR)
    assert agent.link.last("session.stop")["reason"] == "walltime"
