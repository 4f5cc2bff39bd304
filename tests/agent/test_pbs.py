"""The PBS job around an agent."""

import pytest

from underpass.agent.pbs import PbsJob


def test_outside_of_pbs_there_is_none() -> None:
    """A strange value is none, either."""
    assert PbsJob.from_environ({}) is None
    assert PbsJob.from_environ({"PBS_JOBID": "$(x)"}) is None


@pytest.mark.parametrize(
    ("left_s", "drain_s"), [(36_000, 35_700), (2_000, 1_900), (100, 70), (5, 0)]
)
async def test_it_watches_the_clock(left_s: int, drain_s: float) -> None:
    """The warning is a twentieth of the time, from half a minute to five."""
    job = PbsJob.from_environ({"PBS_JOBID": "4101.pbs01", "UNDERPASS_ENDS_AT": str(1000 + left_s)})
    assert job is not None
    assert job.job_id == "4101.pbs01"
    assert await job.end_of_wall_time(0) == 1000 + left_s
    assert job.drain_in_s(1000) == drain_s


def test_without_a_limit_it_never_drains() -> None:
    """The queue's own default may end it; PBS says nothing ahead of that."""
    job = PbsJob.from_environ({"PBS_JOBID": "4101.pbs01"})
    assert job is not None
    assert job.drain_in_s(0) is None
