"""Run once and go: the user submits the job, and its agent reports."""

import pytest

from tests.sessions.conftest import PlayedAgent, World
from underpass.clusters.messages import order_from_json
from underpass.core.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from underpass.core.ids import hash_secret
from underpass.core.states import EndReason


async def submitted(world: World, job_id: str | None = "77") -> str:
    """A session that alice submits on her login node; its id."""
    record, document = await world.sessions.direct.start(
        world.alice, kind="slurm", host="login1", template="demo", name="box"
    )
    order = order_from_json(document)
    assert (order.session_id, order.tag, order.tunnel) == (record.id, f"{record.id}.1", "box")
    assert (await world.get(record.id)).token_hash == hash_secret(order.token)
    if job_id is not None:
        await world.sessions.direct.submitted(world.alice, record.id, job_id=job_id, rejected=None)
    return record.id


async def running(world: World) -> tuple[str, PlayedAgent]:
    session_id = await submitted(world)
    agent = await world.agent(session_id)
    await agent.serve("box")
    await world.until(session_id, "running")
    return session_id, agent


async def test_from_the_queue_to_its_end(world: World) -> None:
    """It waits for as long as it takes; its agent makes it run and ends it; the hub submits nothing."""
    session_id = await submitted(world)
    await world.pass_time(5 * 86_400)
    queued = await world.get(session_id)
    assert (queued.status, queued.job_id) == ("queued", "77")
    assert "Job 77 waits on login1" in queued.status_reason
    agent = await world.agent(session_id)
    await agent.serve("box")
    await world.until(session_id, "running")
    await world.sessions.stop(world.alice, session_id)
    await world.settle()
    assert agent.link.last("session.stop")["reason"] == "user"
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    await agent.attendant.link_closed("bye")
    assert (await world.until_ended(session_id)).end_reason == EndReason.USER
    assert world.cluster.orders == []
    assert world.cluster.cancels == []


async def test_an_agent_that_is_faster_than_the_word_on_its_submit(world: World) -> None:
    """Both are known in the end."""
    session_id = await submitted(world, job_id=None)
    agent = await world.agent(session_id)
    await agent.serve("box")
    await world.until(session_id, "running")
    await world.sessions.direct.submitted(world.alice, session_id, job_id="78", rejected=None)
    assert (await world.get(session_id)).job_id == "78"
    assert (await world.get(session_id)).status == "running"


async def test_a_refusal_is_the_session_s_end(world: World) -> None:
    """In the scheduler's words."""
    session_id = await submitted(world, job_id=None)
    words = "Slurm says: Invalid account. Choose another account."
    await world.sessions.direct.submitted(world.alice, session_id, job_id=None, rejected=words)
    ended = await world.until_ended(session_id)
    assert ended.end_reason == EndReason.REJECTED
    assert "Invalid account" in (ended.end_message or "")


async def test_stopped_in_the_queue(world: World) -> None:
    """Its user is told what nobody here can do; a job that starts all the same is turned away."""
    session_id = await submitted(world)
    await world.sessions.stop(world.alice, session_id)
    ended = await world.until_ended(session_id)
    assert ended.end_reason == EndReason.USER
    assert "Job 77 on login1 ends by itself if it starts" in (ended.end_message or "")
    with pytest.raises(NotAllowed):
        await _admit(world, session_id)


async def test_a_requeued_job_comes_back(world: World) -> None:
    """Its first agent was ended by the scheduler, which put it back; nobody told the hub."""
    session_id, agent = await running(world)
    await agent.say("session.ended", reason="cancelled", exit_code=0, message="Cancelled.")
    await agent.attendant.link_closed("bye")
    assert (await world.until_ended(session_id)).end_reason == EndReason.CANCELLED
    await world.pass_time(600)
    again = await world.agent(session_id)
    await again.serve("box")
    await world.until(session_id, "running")
    assert (await world.provider())["status"] == "running"


async def test_an_agent_that_does_not_come_back_is_lost(world: World) -> None:
    """There is no scheduler to ask; if it comes back after all, it was not."""
    session_id, agent = await running(world)
    await agent.attendant.link_closed("grace")
    assert (await world.until_ended(session_id)).end_reason == EndReason.AGENT_LOST
    again = await world.agent(session_id)
    await again.serve("box")
    await world.until(session_id, "running")


async def test_the_hub_cannot_start_it_again(world: World) -> None:
    """Neither restart nor renew, and both say what to do."""
    session_id, _agent = await running(world)
    for verb in (world.sessions.renew, world.sessions.restart):
        with pytest.raises(Conflict) as caught:
            await verb(world.alice, session_id)
        assert caught.value.code == "cluster_gone"
        assert "login1" in caught.value.message


async def test_who_may_not(world: World) -> None:
    """A stranger finds nothing; a word on a submit counts once, and for such sessions alone."""
    session_id = await submitted(world)
    with pytest.raises(NotFound):
        await world.sessions.direct.submitted(world.bob, session_id, job_id="9", rejected=None)
    with pytest.raises(Conflict):
        await world.sessions.direct.submitted(world.alice, session_id, job_id="9", rejected=None)
    other = await world.start(name="other")
    with pytest.raises(Conflict):
        await world.sessions.direct.submitted(world.alice, other.id, job_id="9", rejected=None)
    with pytest.raises(InvalidRequest):
        await world.sessions.direct.start(world.alice, kind="at", host="x", template="demo")


async def _admit(world: World, session_id: str) -> None:
    """As its job's agent would dial in."""
    token = "ups_played"
    await world.store.sessions.update(session_id, token_hash=hash_secret(token))
    await world.sessions.admit(token)
