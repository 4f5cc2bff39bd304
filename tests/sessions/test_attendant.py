"""What a hostile or broken agent says: the hub takes what can be and goes on."""

import asyncio

import pytest

from tests.sessions.conftest import PlayedAgent, World


async def attached(world: World, name: str = "box") -> tuple[str, PlayedAgent]:
    session, _ = await world.sessions.attach(world.alice, name=name, host="gpu-17")
    return session.id, await world.agent(session.id)


@pytest.mark.parametrize("left_s", [1e300, float("inf"), float("nan"), 10**400, True, "9", [1]])
async def test_a_time_that_cannot_be_is_not_believed(world: World, left_s: object) -> None:
    """And does not keep the hub from starting again: what an agent says is stored."""
    session_id, agent = await attached(world)
    await agent.serve("box")
    await agent.say("session.wall_time", left_s=left_s)
    assert (await world.get(session_id)).wall_time_ends_at is None
    await world.restart_hub()
    assert (await world.provider())["session"]["wall_time_ends_at"] is None


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e300, -1, 10**400, True, "now"])
async def test_odd_log_lines_do_not_end_the_others_logs(world: World, at: object) -> None:
    """A line's time is the hub's where the agent's is none; whoever else logs is not touched."""
    session_id, agent = await attached(world)
    other_id, other = await attached(world, "other")
    await agent.say("session.log", lines=[{"t": at, "source": "stdout", "text": "odd"}])
    no_lines: tuple[object, ...] = (None, "abc", 5, {"a": 1}, [1, None, "x", []])
    for lines in no_lines:
        await agent.say("session.log", lines=lines)
    await other.say("session.log", lines=[{"t": 5.0, "source": "stdout", "text": "fine"}])
    follow = await world.sessions.follow(world.alice, other_id, after=0)
    async with asyncio.timeout(5):
        assert (await anext(follow)).text == "fine"
    (line,) = await world.sessions.logs(world.alice, session_id, tail=10)
    assert (line.text, line.at) == ("odd", world.clock.now())
