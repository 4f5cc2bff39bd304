"""How far a start is, and how long it will take, learnt from earlier ones."""

import pytest

from tests.sessions.conftest import World
from underpass.sessions.starting import Progress, durations_s, read_progress, usual_s
from underpass.store import SessionEventRecord


def timeline(*events: tuple[float, str]) -> list[SessionEventRecord]:
    return [SessionEventRecord("ses_x", n, at, kind, "") for n, (at, kind) in enumerate(events)]


def test_only_starts_that_came_up_count() -> None:
    """Each launch for itself; one that ended, or was put back into the queue, says nothing."""
    events = timeline(
        *((0, "created"), (10, "starting"), (70, "running"), (99, "ended"), (100, "restarted")),
        *((110, "starting"), (120, "ended"), (130, "restarted"), (140, "starting")),
        *((150, "queued"), (160, "starting"), (190, "running"), (200, "running")),
    )
    assert durations_s(events) == [60, 30]


def test_the_median_of_the_newest() -> None:
    """One that had to fetch its model first moves it little."""
    assert usual_s([30, 32, 600]) == 32
    assert usual_s([10.0] * 9 + [1000.0] * 50) == 10
    assert usual_s([]) is None


@pytest.mark.parametrize("said", [{}, {"phase": "magic"}, {"phase": ["weights"]}])
def test_a_phase_that_is_not_known_is_left_out(said: dict[str, object]) -> None:
    """A newer agent may say more."""
    assert read_progress(said) is None


def test_progress_in_words() -> None:
    """With the percentage where there is one, and one that is none left out."""
    assert Progress("weights", 63).words() == "Loading weights, 63 %"
    found = read_progress({"phase": "graphs", "percent": 1e9})
    assert found is not None
    assert found.words() == "Capturing CUDA graphs"


async def start_of(world: World, took_s: float, **more: object) -> str:
    """A session whose start took so long; its id."""
    session = await world.start(**more)
    await world.until(session.id, "queued", has_job=True)
    world.cluster.run(world.cluster.orders[-1].tag)
    await world.until(session.id, "starting")
    await world.pass_time(took_s, steps=1)
    agent = await world.agent(session.id)
    await agent.serve(world.cluster.orders[-1].tunnel)
    await world.until(session.id, "running")
    return session.id


async def test_it_learns_from_starts_of_the_same_kind(world: World) -> None:
    """Another template teaches nothing; the first start of a kind has no estimate."""
    for name, took_s in (("a", 60.0), ("b", 90.0), ("c", 600.0)):
        await start_of(world, took_s, name=name)
    command = {"command": "serve {port}"}
    session = await world.start(name="other", template="custom", params=command)
    await world.until(session.id, "queued", has_job=True)
    world.cluster.run(world.cluster.orders[-1].tag)
    await world.until(session.id, "starting")
    shown = await world.sessions.show(world.alice, session.id)
    assert shown["expected_running_at"] is None
    session = await world.start(name="d")
    await world.until(session.id, "queued", has_job=True)
    world.cluster.run(world.cluster.orders[-1].tag)
    started = await world.until(session.id, "starting")
    assert started.spec["usual_start_s"] == pytest.approx(90, abs=10)
    shown = await world.sessions.show(world.alice, session.id)
    assert shown["expected_running_at"] is not None
    agent = await world.agent(session.id)
    await agent.hello()
    await world.settle()
    assert "It usually takes 1 min." in (await world.get(session.id)).status_reason


async def test_progress_is_shown_while_it_starts(world: World) -> None:
    """In the reason, as a field, on the timeline by its phases, at the provider; not after it runs."""
    session = await world.start()
    await world.until(session.id, "queued", has_job=True)
    world.cluster.run(world.cluster.orders[-1].tag)
    agent = await world.agent(session.id)
    await agent.hello()
    offer = await agent.offer("8000", "box")
    await agent.ready(offer["tunnel_id"], "starting", reason="Nothing listens yet.", models=())
    for percent in (None, 40, 63):
        await agent.say("session.progress", phase="weights", percent=percent)
    await world.settle()
    shown = await world.sessions.show(world.alice, session.id)
    assert shown["status_reason"] == "Loading weights, 63 %."
    assert shown["progress"] == {"phase": "weights", "percent": 63}
    assert (await world.provider())["status_reason"] == "Loading weights, 63 %."
    assert [e["text"] for e in shown["timeline"] if e["kind"] == "progress"] == ["Loading weights."]
    await agent.ready(offer["tunnel_id"], "running")
    await world.until(session.id, "running")
    shown = await world.sessions.show(world.alice, session.id)
    assert (shown["progress"], shown["expected_running_at"]) == (None, None)
