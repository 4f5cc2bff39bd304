"""Stopping what nobody uses: when, with which warning, and what keeps it."""

import pytest

from tests.sessions.conftest import PlayedLink, World
from underpass.core.errors import Conflict, InvalidRequest, NotFound
from underpass.core.states import EndReason
from underpass.sessions.idle import Unused, Use, judge, warning_s
from underpass.tunnel.link import LinkUse

IDLE_S = 1800.0
WARNED_AT = IDLE_S - 300


async def unused(world: World, **params: object) -> tuple[str, PlayedLink]:
    """A session that runs and stops when it is unused for half an hour."""
    session, agent, _ = await world.running(params={"idle": "30m", **params})
    return session.id, agent.link


async def run_out(world: World) -> None:
    """Nobody uses it until it is warned, and then until its time is over."""
    await world.pass_time(WARNED_AT + 30, steps=1)
    await world.pass_time(330, steps=2)


async def shape(world: World, session_id: str) -> dict[str, object]:
    return await world.sessions.show(world.alice, session_id)


def test_the_warning_is_a_fifth_of_the_time_and_five_minutes_at_most() -> None:
    """And always shorter than the time itself."""
    assert [warning_s(s) for s in (60, 600, 1500, 86_400)] == [12, 120, 300, 300]


def test_nothing_stops_that_was_not_warned() -> None:
    """After a long sleep of the hub the warning comes first, and its whole time passes."""
    late = 100 * IDLE_S
    first = judge(0, IDLE_S, None, late)
    assert first == Unused(late + 300)
    assert not judge(0, IDLE_S, first.stops_at, late + 299).is_over
    assert judge(0, IDLE_S, first.stops_at, late + 300).is_over
    assert judge(late + 10, IDLE_S, first.stops_at, late + 11) == Unused()


def test_what_counts_as_use() -> None:
    """A new request, one that is under way, bytes of a raw stream, a message that waits; not an open
    connection."""
    use = Use()
    quiet = LinkUse(opened=3, streams=1, answering=0, raw_bytes=10)
    use.look(quiet, is_wanted=False, now=1)
    assert use.at == 1
    use.look(quiet, is_wanted=False, now=2)
    assert use.at == 1
    for at, seen, is_wanted in (
        (3, LinkUse(4, 1, 0, 10), False),
        (4, LinkUse(4, 2, 1, 10), False),
        (5, LinkUse(4, 1, 0, 11), False),
        (6, LinkUse(4, 1, 0, 11), True),
    ):
        use.look(seen, is_wanted=is_wanted, now=at)
        assert use.at == at


async def test_it_warns_and_then_stops(world: World) -> None:
    """Both are said, the end is typed, and the next step is named."""
    session_id, link = await unused(world)
    await world.pass_time(WARNED_AT - 30, steps=3)
    assert (await shape(world, session_id))["idle_stops_at"] is None
    with world.watch() as page:
        await world.pass_time(60, steps=2)
        event = await anext(page)
        while event.item.get("idle_stops_at") is None:
            event = await anext(page)
        assert event.kind == "session"
        assert "Nobody has used it" in event.item["status_reason"]
    assert (await world.get(session_id)).status == "running"
    await world.pass_time(300, steps=4)
    assert link.drained == ["idle"]
    assert link.last("session.stop")["reason"] == "idle"
    world.cluster.end(world.cluster.orders[0].tag)
    ended = await world.until_ended(session_id)
    assert (ended.status, ended.end_reason) == ("stopped", EndReason.IDLE)
    assert ended.end_message == "Nobody used it, so it was stopped. Restart it to use it again."
    kinds = [e["kind"] for e in (await world.sessions.show(world.alice, session_id))["timeline"]]
    assert "idle_warning" in kinds


async def test_a_request_takes_the_warning_away(world: World) -> None:
    """The time begins anew."""
    session_id, link = await unused(world)
    await world.pass_time(WARNED_AT + 30, steps=2)
    assert (await shape(world, session_id))["idle_stops_at"] is not None
    link.request()
    await world.pass_time(10)
    assert (await shape(world, session_id))["idle_stops_at"] is None
    assert (await world.get(session_id)).status_reason == ""
    await world.pass_time(WARNED_AT - 60, steps=4)
    assert (await world.get(session_id)).status == "running"
    assert link.drained == []


async def test_a_long_stream_is_use_for_as_long_as_it_lasts(world: World) -> None:
    """Hours of one answer; the time begins at its end."""
    session_id, link = await unused(world)
    link.request(answering=1)
    await world.pass_time(10 * IDLE_S, steps=20)
    assert (await world.get(session_id)).status == "running"
    assert (await shape(world, session_id))["idle_stops_at"] is None
    link.use = LinkUse(link.use.opened, 0, 0, 0)
    await world.pass_time(2 * IDLE_S, steps=20)
    assert link.drained == ["idle"]


async def test_a_message_that_waits_is_use(world: World) -> None:
    """While the server loads anew, for instance."""
    session_id, link = await unused(world)
    world.sessions.ask_whether_wanted(lambda one: one == session_id)
    await world.pass_time(4 * IDLE_S, steps=20)
    assert link.drained == []
    assert (await world.get(session_id)).status == "running"


async def test_keep_begins_the_time_anew(world: World) -> None:
    """By its owner alone; not once it is too late."""
    session_id, link = await unused(world)
    await world.pass_time(WARNED_AT + 60, steps=2)
    with pytest.raises(NotFound):
        await world.sessions.keep(world.bob, session_id)
    await world.sessions.keep(world.alice, session_id)
    assert (await shape(world, session_id))["idle_stops_at"] is None
    await world.pass_time(WARNED_AT - 60, steps=4)
    assert (await world.get(session_id)).status == "running"
    await world.pass_time(IDLE_S, steps=10)
    assert link.drained == ["idle"]
    with pytest.raises(Conflict):
        await world.sessions.keep(world.alice, session_id)


async def test_an_agent_that_is_away_is_not_unused(world: World) -> None:
    """Nobody can use it just then; the time begins when it is back."""
    session_id, link = await unused(world)
    live = await world.live(session_id)
    live.link_state = type(live.link_state).DOWN
    await world.pass_time(3 * IDLE_S, steps=6)
    assert (await world.get(session_id)).status == "running"
    assert link.drained == []


async def test_without_the_choice_nothing_is_stopped(world: World) -> None:
    """A session of which nothing was said runs until its time is up."""
    session, agent, _ = await world.running()
    await world.pass_time(100 * IDLE_S, steps=10)
    assert (await world.get(session.id)).status == "running"
    assert agent.link.drained == []


async def test_a_hub_that_restarts_while_it_stops_remembers_why(world: World) -> None:
    """The end is told as it was meant."""
    session_id, _link = await unused(world)
    await run_out(world)
    assert (await world.get(session_id)).status == "stopping"
    await world.restart_hub()
    assert (await world.until_ended(session_id)).end_reason == EndReason.IDLE


async def stopped_for_being_unused(world: World, **params: object) -> str:
    session_id, _link = await unused(world, **params)
    await run_out(world)
    world.cluster.end(world.cluster.orders[0].tag)
    assert (await world.until_ended(session_id)).end_reason == EndReason.IDLE
    await world.pass_time(30)
    return session_id


async def test_a_message_wakes_it_only_if_that_was_chosen(world: World) -> None:
    """Otherwise it stays as it is, for as long as messages wait."""
    session_id = await stopped_for_being_unused(world)
    await world.sessions.wake_up(world.alice, session_id)
    await world.settle()
    assert (await world.get(session_id)).status == "stopped"


async def test_it_wakes_visibly(world: World) -> None:
    """One new launch however often it is asked, said in the timeline; a stranger finds nothing."""
    session_id = await stopped_for_being_unused(world, wake=True)
    assert "The next message starts it again." in ((await world.get(session_id)).end_message or "")
    with pytest.raises(NotFound):
        await world.sessions.wake_up(world.bob, session_id)
    for _ in range(3):
        await world.sessions.wake_up(world.alice, session_id)
    found = await world.until(session_id, "queued", has_job=True)
    assert found.spec["launch"] == 2
    assert found.spec["woken"] is True
    timeline = (await world.sessions.show(world.alice, session_id))["timeline"]
    assert "A message woke it." in [event["text"] for event in timeline]
    assert len(world.cluster.orders) == 2


async def test_what_its_user_stopped_is_not_woken(world: World) -> None:
    """Not even if wake was chosen."""
    session, _agent, _ = await world.running(params={"idle": "30m", "wake": True})
    await world.sessions.stop(world.alice, session.id)
    await world.until_ended(session.id)
    await world.sessions.wake_up(world.alice, session.id)
    await world.settle()
    assert (await world.get(session.id)).status == "stopped"


@pytest.mark.parametrize("params", [{"idle": "soon"}, {"wake": True}, {"idle": "0m"}])
async def test_bad_habits_are_refused(world: World, params: dict[str, object]) -> None:
    """Naming the parameter."""
    with pytest.raises(InvalidRequest) as caught:
        await world.start(params=params)
    assert caught.value.fields["param"] in params
