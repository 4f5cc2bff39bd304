"""States and reasons in plain words."""

import pytest

from underpass.clusters.base import JobPhase
from underpass.clusters.slurm import words
from underpass.core.states import EndReason


@pytest.mark.parametrize(
    ("state", "phase", "reason"),
    [
        ("PENDING", JobPhase.PENDING, None),
        ("REQUEUE_HOLD", JobPhase.PENDING, None),
        ("SUSPENDED", JobPhase.RUNNING, None),
        ("COMPLETING", JobPhase.RUNNING, None),
        ("COMPLETED", JobPhase.ENDED, None),
        ("CANCELLED by 1000", JobPhase.ENDED, EndReason.CANCELLED),
        ("CANCELLED+", JobPhase.ENDED, EndReason.CANCELLED),
        ("TIMEOUT", JobPhase.ENDED, EndReason.WALLTIME),
        ("PREEMPTED", JobPhase.ENDED, EndReason.PREEMPTED),
        ("OUT_OF_MEMORY", JobPhase.ENDED, EndReason.OUT_OF_MEMORY),
        ("NODE_FAIL", JobPhase.ENDED, EndReason.NODE_FAILURE),
        ("BOOT_FAIL", JobPhase.ENDED, EndReason.NODE_FAILURE),
        ("SOMETHING_NEW", JobPhase.PENDING, None),
        ("", JobPhase.PENDING, None),
    ],
)
def test_states(state: str, phase: JobPhase, reason: EndReason | None) -> None:
    """What each means; one that is not known is neither running nor dead."""
    assert words.phase(state) == (phase, reason)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Resources", "machines to become free"),
        ("(Priority)", "higher priority"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "maintenance"),
        ("Nodes required for job are DOWN, DRAINED or reserved", "down or reserved"),
        ("AssocGrpGRES", "as many GPUs"),
        ("QOSMaxJobsPerUserLimit", "as many jobs"),
        ("QOSGrpSomethingNew", "your group"),
        ("PartitionTimeLimit", "less time"),
        ("JobHeldUser", "scontrol release"),
        ("BrandNewReason", "BrandNewReason"),
        ("None", ""),
    ],
)
def test_reasons(reason: str, said: str) -> None:
    """In plain words, with what to do where one can do something; Slurm's own where it is new."""
    assert said in words.reason_words(reason)
    assert bool(words.reason_words(reason)) == bool(said)


def test_an_unknown_state_is_shown() -> None:
    """Slurm gains states with each release."""
    assert "BRAND_NEW" in words.waiting("BRAND_NEW", "", None, 0)


def test_an_estimate_is_an_estimate() -> None:
    """Rounded, relative to now, and left out once it has passed."""
    assert words.waiting("PENDING", "Resources", 1000.0 + 754, 1000.0).endswith("about 13 min")
    assert "expects" not in words.waiting("PENDING", "Resources", 900.0, 1000.0)
    assert words.waiting("PENDING", "", 5000.0, 1000.0).startswith("Slurm expects")
