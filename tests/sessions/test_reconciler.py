"""The mover of session states, over the fake cluster and all its faults."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig.waiting import eventually_async
from tests.sessions.conftest import World
from underpass import store as stores
from underpass.clusters.base import JobOrder, JobPhase, JobRef
from underpass.clusters.fake import FakeCluster
from underpass.core.clock import FakeClock
from underpass.core.errors import StorageError
from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.sessions.room import Live
from underpass.store import SessionRecord, UserRecord


async def test_a_lost_submit_answer_makes_one_job(world: World) -> None:
    """The job is found by its tag and adopted; it is not submitted twice."""
    world.cluster.faults.loses_submit_answers = True
    session = await world.start()
    await world.settle()
    world.cluster.faults.loses_submit_answers = False
    found = await world.until(session.id, "queued", has_job=True)
    assert found.job_id == world.cluster.jobs()[0].job_id
    assert len(world.cluster.orders) == 1


async def test_a_submit_that_never_arrived_is_made_again(world: World) -> None:
    """Only after the tag has stayed unknown for a while, and under the same tag."""
    world.cluster.faults.is_silent = True
    session = await world.start()
    await world.settle()
    world.cluster.faults.is_silent = False
    assert world.cluster.orders == []
    found = await world.until(session.id, "queued", has_job=True)
    assert [order.tag for order in world.cluster.orders] == [f"{session.id}.1"]
    assert found.token_hash is not None


async def test_a_hub_that_dies_while_it_submits_finds_the_job(world: World) -> None:
    """What was meant is written down before it is done."""
    world.cluster.faults.loses_submit_answers = True
    session = await world.start()
    await world.settle()
    world.cluster.faults.loses_submit_answers = False
    await world.restart_hub()
    await world.until(session.id, "queued", has_job=True)
    assert len(world.cluster.jobs()) == 1


async def test_a_job_that_could_not_be_written_down_is_found_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full for the moment in which the cluster answered: no second job is made."""
    real = world.store.sessions.update
    failures: list[dict[str, Any]] = []

    async def full(session_id: str, **changes: Any) -> SessionRecord:
        if changes.get("job_id") is not None and not failures:
            failures.append(changes)
            raise StorageError("The disk is full.")
        return await real(session_id, **changes)

    monkeypatch.setattr(world.store.sessions, "update", full)
    submits = 0
    submit = world.cluster.submit

    async def counted(order: JobOrder) -> str:
        nonlocal submits
        submits += 1
        return await submit(order)

    monkeypatch.setattr(world.cluster, "submit", counted)
    session = await world.start()
    found = await world.until(session.id, "queued", has_job=True)
    assert len(failures) == submits == 1
    assert found.job_id == world.cluster.jobs()[0].job_id


async def test_a_double_job_is_ended(world: World) -> None:
    """Of two jobs with one tag one stays."""
    world.cluster.faults.doubles_jobs = True
    session = await world.start()
    await world.until(session.id, "queued", has_job=True)
    await world.pass_time(5)
    assert len(world.cluster.alive()) == 1
    assert world.cluster.alive()[0].job_id == (await world.get(session.id)).job_id


async def test_a_silent_scheduler_never_ends_a_session(world: World) -> None:
    """Hours of silence, agent away too: unknown, and when it answers all goes on."""
    session, agent, _ = await world.running()
    world.cluster.faults.is_silent = True
    await agent.attendant.link_closed("grace")
    await world.pass_time(4 * 3600, steps=20)
    assert (await world.get(session.id)).status == "running"
    assert "not been heard of" in (await world.get(session.id)).status_reason
    world.cluster.faults.is_silent = False
    back = await world.agent(session.id)
    await back.serve("box")
    await world.until(session.id, "running")
    assert (await world.get(session.id)).status_reason == ""


async def test_a_silent_scheduler_is_asked_less_and_less(world: World) -> None:
    """Polls back off to one a minute."""
    await world.running()
    world.cluster.faults.is_silent = True
    await world.pass_time(600, steps=60)
    before = world.cluster.polls
    await world.pass_time(600, steps=100)
    assert world.cluster.polls - before <= 11


async def test_one_poll_for_all_sessions_of_a_cluster(world: World) -> None:
    """Ten sessions, one question a tick."""
    for number in range(10):
        await world.start(name=f"box-{number}")
    await world.pass_time(3)
    before = world.cluster.polls
    world.clock.advance(1)
    await world.sessions.reconciler.tick()
    await world.sessions.reconciler.idle()
    assert world.cluster.polls == before + 1


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (EndReason.WALLTIME, "stopped", "Its time was up."),
        (EndReason.OUT_OF_MEMORY, "failed", "It ran out of memory."),
        (EndReason.NODE_FAILURE, "failed", "Its machine failed."),
        (EndReason.PREEMPTED, "failed", "Restart it to queue again."),
        (EndReason.CANCELLED, "stopped", "It was cancelled."),
        (None, "failed", "Its agent ended without a word (exit code 137)."),
    ],
)
async def test_each_end_of_a_job_has_its_reason(
    world: World, reason: EndReason | None, status: str, words: str
) -> None:
    """What the scheduler knows becomes a typed reason and a sentence with the next step."""
    session, agent, _ = await world.running()
    await agent.attendant.link_closed("grace")
    world.cluster.end(world.cluster.orders[0].tag, reason, 137)
    ended = await world.until_ended(session.id)
    assert (ended.status, ended.end_reason) == (status, reason or EndReason.AGENT_LOST)
    assert words in (ended.end_message or "")
    assert (await world.provider())["status"] == "stopped"


async def test_the_agent_s_word_goes_before_the_exit_code(world: World) -> None:
    """A server that exits is `server_exited` with the last line that it wrote."""
    session, agent, _ = await world.running()
    lines = [{"t": 1.0, "source": "stderr", "text": "RuntimeError: CUDA out of reach"}]
    await agent.say("session.log", lines=lines)
    await agent.say("session.ended", reason="server_exited", exit_code=3, message="")
    ended = await world.until_ended(session.id)
    assert (ended.status, ended.end_reason) == ("failed", EndReason.SERVER_EXITED)
    assert "exit code 3" in (ended.end_message or "")
    assert "CUDA out of reach" in (ended.end_message or "")


async def test_a_server_that_ends_well_is_stopped(world: World) -> None:
    """Exit code 0 is no failure."""
    session, agent, _ = await world.running()
    await agent.say("session.ended", reason="server_exited", exit_code=0, message="")
    assert (await world.until_ended(session.id)).status == "stopped"


async def test_a_job_that_its_scheduler_forgot_is_lost_after_a_while(world: World) -> None:
    """Not at the first poll: a queue may lag."""
    session, agent, _ = await world.running()
    await agent.attendant.link_closed("grace")
    world.cluster.forget(world.cluster.orders[0].tag)
    await world.pass_time(30)
    assert (await world.get(session.id)).status == "running"
    await world.pass_time(60)
    ended = await world.until_ended(session.id)
    assert ended.end_reason == EndReason.AGENT_LOST
    assert "no longer knows" in (ended.end_message or "")


async def test_a_lost_session_whose_agent_comes_back_lives(world: World) -> None:
    """`agent_lost` was wrong then: the session runs again."""
    session, token = await world.sessions.attach(world.alice, name="box", host="a")
    agent = await world.agent(session.id)
    await world.until(session.id, "running")
    await agent.attendant.link_down()
    await world.pass_time(90, steps=9)
    lost = await world.until_ended(session.id)
    assert lost.end_reason == EndReason.AGENT_LOST
    assert "underpass tunnel" in (lost.end_message or "")
    await world.sessions.admit(token)
    back = await world.agent(session.id)
    await back.serve("box")
    found = await world.until(session.id, "running")
    assert (found.end_reason, found.end_message) == (None, None)


async def test_time_alone_asks_nothing_of_a_connected_agents_session(world: World) -> None:
    """Ten thousand of them cost the hub no look each second; one whose agent is away is looked at."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    live = await world.live(session.id)
    assert not live.is_at_rest
    agent = await world.agent(session.id)
    await world.until(session.id, "running")
    assert live.is_at_rest
    await agent.attendant.link_down()
    assert not live.is_at_rest
    await agent.attendant.link_up_again()
    assert live.is_at_rest
    await world.sessions.stop(world.alice, session.id)
    assert not live.is_at_rest


async def test_an_agent_that_never_dials_in_is_given_up(world: World) -> None:
    """An attached session does not wait for ever."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    await world.pass_time(600)
    assert (await world.get(session.id)).status == "queued"
    await world.pass_time(600)
    assert (await world.until_ended(session.id)).end_reason == EndReason.AGENT_LOST


async def test_a_cluster_that_is_slow_with_a_log_delays_no_other_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last words of an agent that never dialled in are fetched beside everything else."""
    is_answering = asyncio.Event()

    async def slow(job: JobRef, lines: int) -> list[str]:
        await is_answering.wait()
        return ["The hub could not be reached."]

    monkeypatch.setattr(world.cluster, "logs", slow)
    silent = await world.start()
    await world.until(silent.id, "queued", has_job=True)
    world.cluster.end(world.cluster.orders[-1].tag, EndReason.NODE_FAILURE, 1, "NODE_FAIL")
    live = await world.live(silent.id)

    async def is_asked() -> bool:
        await world.sessions.reconciler.tick()
        world.clock.advance(1)
        return live.is_asking and live.ended_at is not None

    await eventually_async(is_asked, 5)
    assert (await world.get(silent.id)).status == "queued"
    other = await world.start(name="other")

    async def is_submitted() -> bool:
        await world.sessions.reconciler.tick()
        return (await world.get(other.id)).job_id is not None

    await eventually_async(is_submitted, 5)
    is_answering.set()
    assert (await world.until_ended(silent.id)).end_reason == EndReason.NODE_FAILURE
    lines = await world.sessions.logs(world.alice, silent.id, tail=10)
    assert lines[-1].text == "The hub could not be reached."


async def test_an_ended_session_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its job is cleared away it is not looked at again, until it is started anew."""
    session, agent, _ = await world.running()
    await agent.say("session.ended", reason="server_exited", exit_code=1, message="")
    await world.until_ended(session.id)
    await world.pass_time(20)
    looked: list[str] = []
    real = world.sessions.reconciler.reconcile

    async def counted(live: Live) -> None:
        looked.append(live.record.id)
        await real(live)

    monkeypatch.setattr(world.sessions.reconciler, "reconcile", counted)
    await world.sessions.reconciler.tick()
    assert looked == []
    await world.sessions.restart(world.alice, session.id)
    await world.until(session.id, "queued", has_job=True)
    assert looked


async def test_a_refused_job_is_said_in_the_cluster_s_words(world: World) -> None:
    """`rejected`, with what the scheduler said and what to do."""
    world.cluster.faults.rejects = "Invalid partition name"
    session = await world.start()
    ended = await world.until_ended(session.id)
    assert (ended.status, ended.end_reason) == ("failed", EndReason.REJECTED)
    assert "Invalid partition name." in (ended.end_message or "")
    assert world.cluster.jobs() == []


async def test_a_requeued_job_is_queued_again(world: World) -> None:
    """Its node was taken: the session waits, with its tunnels and providers."""
    session, agent, _ = await world.running()
    await agent.attendant.link_closed("grace")
    tag = world.cluster.orders[0].tag
    for job in world.cluster.jobs(tag):
        world.cluster._jobs[job.job_id] = replace(
            job, phase=JobPhase.PENDING, raw_state="PENDING", text="BeginTime"
        )
    again = await world.until(session.id, "queued")
    await world.pass_time(2)
    assert "BeginTime" in (await world.get(session.id)).status_reason
    assert again.job_id is not None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("PREEMPTED", EndReason.PREEMPTED), ("NODE_FAIL", EndReason.NODE_FAILURE)],
)
async def test_an_agent_that_was_ended_does_not_know_why(
    world: World, raw: str, reason: EndReason
) -> None:
    """All it saw was a signal: its scheduler is asked, at once, and says more."""
    session, agent, _ = await world.running()
    await agent.say(
        "session.ended", reason="cancelled", exit_code=0, message="The job was cancelled."
    )
    await agent.attendant.link_closed("closed")
    world.cluster.end(world.cluster.orders[-1].tag, reason, None, raw)
    assert (await world.until_ended(session.id)).end_reason is reason


async def test_an_agent_that_was_ended_by_a_requeue_comes_back(world: World) -> None:
    """A signal from the scheduler, and the job is pending again: queued, not cancelled."""
    session, agent, _ = await world.running()
    await agent.say(
        "session.ended", reason="cancelled", exit_code=0, message="The job was cancelled."
    )
    await agent.attendant.link_closed("closed")
    tag = world.cluster.orders[-1].tag
    (job,) = world.cluster.jobs(tag)
    pending = replace(job, phase=JobPhase.PENDING, raw_state="PENDING", text="for its turn")
    world.cluster._jobs[job.job_id] = pending
    await world.until(session.id, "queued")
    world.cluster.run(tag)
    await (await world.agent(session.id)).serve("box")
    assert (await world.until(session.id, "running")).end_reason is None


async def test_a_guess_stands_where_the_scheduler_stays_silent(world: World) -> None:
    """After a while the agent's word is the best there is."""
    session, agent, _ = await world.running()
    world.cluster.faults.is_silent = True
    await agent.say("session.ended", reason="cancelled", exit_code=0, message="x")
    await world.pass_time(20)
    assert (await world.get(session.id)).ended_at is None
    await world.pass_time(30)
    assert (await world.get(session.id)).end_reason is EndReason.CANCELLED


async def test_time_that_is_up_ends_a_session_where_no_scheduler_does(world: World) -> None:
    """On the hub's own machine: asked to finish, ended as `walltime`."""
    world.cluster.kind = "local"
    session, agent, _ = await world.running(params={"time": "10:00"})
    started = await world.get(session.id)
    assert started.wall_time_ends_at == (started.started_at or 0) + 600
    await world.pass_time(500)
    assert (await world.get(session.id)).status == "running"
    await world.pass_time(101)
    assert agent.link.last("session.stop")["reason"] == "walltime"
    await agent.attendant.link_closed("bye")
    assert (await world.until_ended(session.id)).end_reason == EndReason.WALLTIME


async def test_a_removed_cluster_ends_what_waits_for_it(world: World) -> None:
    """Nobody can be asked any more: no session hangs in `stopping` for ever."""
    session, agent, _ = await world.running()
    await agent.attendant.link_closed("grace")
    world.sessions.places._clusters.clear()
    await world.sessions.stop(world.alice, session.id)
    ended = await world.until_ended(session.id)
    assert ended.end_reason in (EndReason.USER, EndReason.AGENT_LOST)


async def test_what_is_left_of_an_ended_job_is_swept(world: World) -> None:
    """The agent said goodbye; what it may have left behind is ended by force."""
    session, agent, _ = await world.running()
    await agent.say("session.ended", reason="server_exited", exit_code=1, message="")
    await world.until_ended(session.id)
    await world.pass_time(20)
    assert world.cluster.alive() == []
    assert any(kill for _, kill in world.cluster.cancels)


# --- any order of events -----------------------------------------------------------------------

EVENTS = st.lists(
    st.sampled_from(
        [
            *("silent", "answering", "losing", "keeping", "doubling", "hiding", "showing"),
            *("run", "end", "kill", "forget", "agent", "serve", "drop", "back", "close", "ended"),
            *("stop", "restart", "hub", "time", "time", "time"),
        ]
    ),
    max_size=18,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(EVENTS)
def test_any_order_of_events_comes_to_rest(events: list[str]) -> None:
    """Whatever goes wrong in whatever order: only legal moves, at most one live job in the end,
    never an end by silence, and a Stop always ends it once the scheduler answers."""
    asyncio.run(_play(events))


_stores: list[bytes] = []


async def _empty_store() -> bytes:
    """A store with alice in it, as bytes: the tables are made once for all examples."""
    if not _stores:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hub.db"
            store = await stores.open(f"sqlite:///{path}")
            await store.users.add(
                UserRecord(id="usr_alice", name="alice", display_name="", created_at=0.0)
            )
            await store.close()
            _stores.append(path.read_bytes())
    return _stores[0]


async def _play(events: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        path.write_bytes(await _empty_store())
        store = await stores.open(f"sqlite:///{path}")
        world = World(store, FakeCluster(poll_interval_s=0.5), FakeClock())
        await world.sessions.load()
        try:
            session = await world.start()
            agent: list[Any] = []
            for event in events:
                before = await world.get(session.id)
                await _happen(world, session.id, agent, event)
                await world.settle()
                after = await world.get(session.id)
                _check(world, event, before.status, after.status)
            await _must_end(world, session.id, agent)
        finally:
            await world.sessions.close()
            await store.close()


async def _happen(world: World, session_id: str, agent: list[Any], event: str) -> None:
    faults, tag = world.cluster.faults, (await world.live(session_id)).tag
    match event:
        case "silent" | "answering":
            faults.is_silent = event == "silent"
        case "losing" | "keeping":
            faults.loses_submit_answers = event == "losing"
        case "doubling":
            faults.doubles_jobs = True
        case "hiding" | "showing":
            faults.hides_jobs = event == "hiding"
        case "run":
            world.cluster.run(tag)
        case "end":
            world.cluster.end(tag)
        case "kill":
            world.cluster.end(tag, EndReason.NODE_FAILURE, None, "NODE_FAIL")
        case "forget":
            world.cluster.forget(tag)
        case "agent" if world.cluster.alive(tag):
            agent[:] = [await world.agent(session_id)]
        case "serve" if agent:
            await agent[0].serve()
        case "drop" if agent:
            await agent[0].attendant.link_down()
        case "back" if agent:
            await agent[0].attendant.link_up_again()
        case "close" if agent:
            await agent.pop().attendant.link_closed("grace")
        case "ended" if agent:
            await agent[0].say("session.ended", reason="server_exited", exit_code=1, message="")
        case "stop":
            await world.sessions.stop(world.alice, session_id)
        case "restart":
            await world.sessions.restart(world.alice, session_id)
        case "hub":
            agent.clear()
            await world.restart_hub()
        case "time":
            await world.pass_time(40)


def _check(world: World, event: str, before: SessionStatus, after: SessionStatus) -> None:
    assert not (event == "silent" and after in SESSION_ENDS and before not in SESSION_ENDS)
    tags = {job.tag for job in world.cluster.alive()}
    assert len(tags) <= 2  # the present launch, and the last one while it is being ended


async def _must_end(world: World, session_id: str, agent: list[Any]) -> None:
    faults = world.cluster.faults
    faults.is_silent = faults.loses_submit_answers = faults.doubles_jobs = False
    faults.hides_jobs = False
    live = await world.live(session_id)
    live.wants_restart = False
    for _ in range(30):
        if (await world.get(session_id)).status in SESSION_ENDS and live.is_swept:
            break
        await world.sessions.stop(world.alice, session_id)
        live.wants_restart = False
        if agent:
            await agent.pop().attendant.link_closed("bye")
        await world.pass_time(20, steps=2)
    found = await world.get(session_id)
    assert found.status in SESSION_ENDS, live
    assert found.end_message
    assert world.cluster.alive() == []
