"""A session's log: gathered, kept, followed."""

import asyncio
from typing import Any

from tests.sessions.conftest import World


def line(text: str, source: str = "stdout", t: Any = 1.0) -> dict[str, Any]:
    return {"t": t, "source": source, "text": text}


async def attached(world: World) -> tuple[str, Any]:
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    return session.id, await world.agent(session.id)


async def test_lines_are_there_at_once_and_stay_after_the_end(world: World) -> None:
    """What an agent just said is in the answer, and the log outlives the session."""
    session_id, agent = await attached(world)
    await agent.say("session.log", lines=[line("one"), line("two", "stderr")])
    found = await world.sessions.logs(world.alice, session_id, tail=10)
    assert [(one.source, one.text) for one in found] == [("stdout", "one"), ("stderr", "two")]
    await agent.say("session.ended", reason="user", exit_code=0, message="")
    await world.until_ended(session_id)
    assert len(await world.sessions.logs(world.alice, session_id, tail=10)) == 2


async def test_a_follower_gets_each_line_once_and_in_order(world: World) -> None:
    """Across several batches, from a cursor on."""
    session_id, agent = await attached(world)
    await agent.say("session.log", lines=[line("0"), line("1")])
    (_, last) = await world.sessions.logs(world.alice, session_id, tail=10)
    follower = await world.sessions.follow(world.alice, session_id, after=last.seq)

    async def take(count: int) -> list[str]:
        return [(await anext(follower)).text for _ in range(count)]

    taking = asyncio.ensure_future(take(6))
    for number in range(2, 8, 2):
        await agent.say("session.log", lines=[line(str(number)), line(str(number + 1))])
        await world.sessions._logs.flush()
    assert await asyncio.wait_for(taking, 5) == ["2", "3", "4", "5", "6", "7"]


async def test_a_flood_is_bounded_and_strange_lines_do_no_harm(world: World) -> None:
    """The newest lines win; what is no line is passed over."""
    session_id, agent = await attached(world)
    for start in range(0, 4000, 1000):
        await agent.say("session.log", lines=[line(str(start + n)) for n in range(1000)])
    await agent.say("session.log", lines=[None, 3, {}, line("last", "shell", "yesterday")])
    found = await world.sessions.logs(world.alice, session_id, tail=5000)
    assert len(found) <= 4002
    assert (found[-1].text, found[-1].source) == ("last", "agent")
