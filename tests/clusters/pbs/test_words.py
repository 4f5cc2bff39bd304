"""PBS's words in plain ones."""

import pytest

from underpass.clusters.base import JobPhase
from underpass.clusters.pbs import words


@pytest.mark.parametrize(
    ("state", "comment", "said"),
    [
        (
            "Q",
            "Not Running: Insufficient amount of resource: ngpus ",
            "for machines to become free",
        ),
        ("Q", "Can Never Run: Insufficient amount of resource: mem", "no machine has all"),
        (
            "Q",
            "Not Running: User has reached queue running job limit.",
            "as many jobs in this queue",
        ),
        ("Q", "Not Running: Queue not started.", "the queue is closed"),
        ("Q", "Not Running: Job would cross dedicated time boundary", "a maintenance"),
        ("Q", "Not Running: The moon is full", "PBS says: The moon is full"),
        ("Q", "", ""),
        ("H", "anything", "it is held; release it with `qrls`"),
        ("Z", "", "PBS calls its state Z"),
    ],
)
def test_why_a_job_waits(state: str, comment: str, said: str) -> None:
    """What is not known is shown as it is."""
    assert words.phase(state) is JobPhase.PENDING
    assert said in words.waiting(state, comment, None, 0)


def test_the_estimate() -> None:
    """Rounded, so that it does not change with each poll."""
    assert words.waiting("Q", "", 1000 + 700, 1000) == "PBS expects a start in about 12 min"
