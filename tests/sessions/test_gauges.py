"""Points for charts: rates of counts, bounded, whatever an agent says."""

import math
from typing import Any

import pytest

from tests.sessions.conftest import World
from underpass.core.errors import NotFound
from underpass.sessions.gauges import MAX_POINTS, Gauges

GPU = {"name": "A100", "percent": 50.0, "memory_used_bytes": 20, "memory_total_bytes": 80}


def said(tokens: float | None = None, **more: Any) -> dict[str, Any]:
    server = None if tokens is None else {"generated_tokens": tokens, "running": 2}
    return {"gpus": [GPU, GPU | {"percent": 100.0}], "server": server, "events": 0} | more


def test_rates_are_made_of_two_counts() -> None:
    """None for the first; none over a restart of the server, which counts anew."""
    gauges = Gauges()
    for at, tokens in ((100, 1000), (115, 2500), (130, 30), (145, 180)):
        gauges.add(said(tokens), at)
    assert [point["tokens_per_s"] for point in gauges.points()] == [None, 100, None, 10]
    assert gauges.points()[1]["running"] == 2
    assert gauges.points()[1]["gpu_percent"] == 75
    assert gauges.points()[1]["gpu_memory_percent"] == 25


def test_without_counters_the_events_of_answers_count() -> None:
    """Nearly all servers send a token in each."""
    gauges = Gauges()
    gauges.add(said(events=0), 100)
    gauges.add(said(events=150), 115)
    assert gauges.latest("tokens_per_s") == 10


def test_the_series_is_bounded() -> None:
    """The oldest points go."""
    gauges = Gauges()
    for at in range(3 * MAX_POINTS):
        gauges.add(said(at), at)
    points = gauges.points()
    assert len(points) == MAX_POINTS
    assert points[0]["t"] == "1970-01-01T00:08:00.000Z"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"gpus": "many", "server": [1], "events": "x"},
        {"gpus": [None, {"percent": math.nan, "name": "x" * 5000}] * 500, "events": -1},
        {"gpus": [{"percent": 1e99}], "server": {"generated_tokens": True, "running": math.inf}},
    ],
)
def test_odd_messages_make_empty_points(message: dict[str, Any]) -> None:
    """Never an error, never more than there is room for."""
    gauges = Gauges()
    gauges.add(message, 1.0)
    (point,) = gauges.points()
    assert {value for name, value in point.items() if name != "t"} == {None}
    assert len(gauges.gpus) <= 64
    assert all(len(gpu["name"]) <= 100 for gpu in gauges.gpus)


async def test_they_are_the_owner_s(world: World) -> None:
    """Told by the agent, read by its owner, not there for a stranger."""
    session, agent, _ = await world.running()
    await agent.say("session.gauges", **said(10))
    assert (await world.sessions.gauges(world.alice, session.id)).gpus[0]["name"] == "A100"
    with pytest.raises(NotFound):
        await world.sessions.gauges(world.bob, session.id)
