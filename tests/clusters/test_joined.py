"""A machine that joined: both ends of its link, in memory."""

import asyncio
from typing import Any

import pytest

from tests.clusters.conftest import order
from tests.rig.waiting import eventually_async
from underpass.clusters.base import JobPhase, JobRef, Resources
from underpass.clusters.fake import FakeCluster
from underpass.clusters.joined import OFFLINE, JoinedCluster
from underpass.clusters.messages import ANSWER
from underpass.clusters.verbs import Verbs
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason


class Joined:
    """A fake cluster behind its verbs, and the hub's side of it; messages go through JSON."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self.fake = FakeCluster(programs={"vllm": "/opt/vllm"})
        self.hub = JoinedCluster("lab", answer_timeout_s=timeout_s)
        self.said: list[dict[str, Any]] = []
        self.is_cut = False
        self.verbs = Verbs(self.fake, self.to_hub, version="1")
        self.hub.bind(self.to_machine)

    def to_machine(self, message: dict[str, Any]) -> None:
        self.verbs.on_control(message)

    def to_hub(self, message: dict[str, Any]) -> None:
        self.said.append(message)
        if message["type"] == ANSWER and not self.is_cut:
            self.hub.on_answer(message)


async def test_the_five_verbs_cross_the_link() -> None:
    """What is asked at the hub is done on the machine, and its answer comes back whole."""
    pair = Joined()
    made = order(files=("/m",), resources=Resources(gpus=2), env={"A": "b"})
    job_id = await pair.hub.submit(made)
    assert pair.fake.orders == [made]
    pair.fake.end(made.tag, EndReason.OUT_OF_MEMORY, 137, "OUT_OF_MEMORY")
    (report,) = await pair.hub.poll([made.tag, "other"])
    assert report == pair.fake.jobs()[0]
    assert (report.phase, report.end_reason) == (JobPhase.ENDED, EndReason.OUT_OF_MEMORY)
    await pair.hub.cancel(JobRef(made.tag, job_id), kill=True)
    assert pair.fake.cancels == [(JobRef(made.tag, job_id), True)]
    assert await pair.hub.logs(JobRef(made.tag), 5) == [f"job {made.tag}"]
    offer = await pair.hub.capabilities(["vllm", "ollama"])
    assert offer.programs == {"vllm": "/opt/vllm", "ollama": None}


async def test_a_refusal_stays_a_refusal_and_all_else_is_silence() -> None:
    """Only a clear no is one; an error of the machine leaves the job's state unknown."""
    pair = Joined()
    pair.fake.faults.rejects = "no such partition"
    with pytest.raises(LaunchRejected, match="no such partition"):
        await pair.hub.submit(order())
    pair.fake.faults.is_silent = True
    with pytest.raises(SchedulerSilent):
        await pair.hub.poll(["x"])
    with pytest.raises(SchedulerSilent):
        await pair.hub._call("shell", {"words": ["rm"]})


async def test_without_a_link_nothing_is_asked() -> None:
    """`cluster_offline`: certainly nothing was sent."""
    pair = Joined()
    pair.hub.unbind()
    assert not pair.hub.is_online
    with pytest.raises(SchedulerSilent) as caught:
        await pair.hub.submit(order())
    assert caught.value.code == OFFLINE
    assert pair.fake.orders == []


async def test_a_link_that_goes_while_it_is_asked_is_doubt() -> None:
    """The call may have been carried out: it ends as silence, not as offline."""
    pair = Joined()
    pair.is_cut = True
    call = asyncio.ensure_future(pair.hub.submit(order()))
    await eventually_async(lambda: bool(pair.fake.orders))
    pair.hub.unbind_if(pair.to_hub)
    assert pair.hub.is_online
    pair.hub.unbind_if(pair.to_machine)
    with pytest.raises(SchedulerSilent) as caught:
        await call
    assert caught.value.code != OFFLINE


async def test_an_answer_that_never_comes_ends_by_itself() -> None:
    """After the time limit; an answer that comes later is dropped."""
    pair = Joined(timeout_s=0.05)
    pair.is_cut = True
    with pytest.raises(SchedulerSilent, match="did not answer"):
        await pair.hub.poll([])
    pair.hub.on_answer(pair.said[0])
    pair.hub.on_answer({"call": "strange"})


async def test_hello_says_what_the_machine_is() -> None:
    """The first message of a new link."""
    pair = Joined()
    await pair.verbs.hello()
    assert pair.said[0]["type"] == "cluster.hello"
    assert pair.said[0]["capabilities"]["host"] == "fake"
    await pair.verbs.close()
