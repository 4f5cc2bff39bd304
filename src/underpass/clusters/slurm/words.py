"""Slurm's states and reasons, and what they mean to a person. Pure.

A state that is not known (Slurm gains some with each release) is shown as it is, and the job counts as
pending: it has neither been seen to run nor to end.
"""

from __future__ import annotations

from underpass.clusters.base import JobPhase
from underpass.core.states import EndReason
from underpass.core.times import in_words

_P, _R = JobPhase, EndReason

_STATES: dict[str, tuple[JobPhase, EndReason | None, str]] = {
    "PENDING": (_P.PENDING, None, ""),
    "CONFIGURING": (_P.PENDING, None, "its machines are being made ready"),
    "POWER_UP_NODE": (_P.PENDING, None, "its machines are being switched on"),
    "REQUEUED": (_P.PENDING, None, "it was put back into the queue"),
    "REQUEUE_FED": (_P.PENDING, None, "it was put back into the queue"),
    "REQUEUE_HOLD": (_P.PENDING, None, "it was put back and is held; release it on the cluster"),
    "SPECIAL_EXIT": (_P.PENDING, None, "it was put back and is held; release it on the cluster"),
    "RESV_DEL_HOLD": (_P.PENDING, None, "its reservation was deleted and it is held"),
    "RUNNING": (_P.RUNNING, None, ""),
    "COMPLETING": (_P.RUNNING, None, "it is ending"),
    "STAGE_OUT": (_P.RUNNING, None, "it is ending"),
    "SIGNALING": (_P.RUNNING, None, ""),
    "RESIZING": (_P.RUNNING, None, ""),
    "SUSPENDED": (
        _P.RUNNING,
        None,
        "the cluster has suspended it; it goes on when others are done",
    ),
    "STOPPED": (_P.RUNNING, None, "the cluster has stopped its processes; it may go on later"),
    "COMPLETED": (_P.ENDED, None, ""),
    "FAILED": (_P.ENDED, None, ""),
    "CANCELLED": (_P.ENDED, _R.CANCELLED, ""),
    "REVOKED": (_P.ENDED, _R.CANCELLED, ""),
    "TIMEOUT": (_P.ENDED, _R.WALLTIME, ""),
    "DEADLINE": (_P.ENDED, _R.WALLTIME, ""),
    "PREEMPTED": (_P.ENDED, _R.PREEMPTED, ""),
    "OUT_OF_MEMORY": (_P.ENDED, _R.OUT_OF_MEMORY, ""),
    "NODE_FAIL": (_P.ENDED, _R.NODE_FAILURE, ""),
    "BOOT_FAIL": (_P.ENDED, _R.NODE_FAILURE, ""),
    "LAUNCH_FAILED": (_P.ENDED, _R.NODE_FAILURE, ""),
    "RECONFIG_FAIL": (_P.ENDED, _R.NODE_FAILURE, ""),
}

# What a job waits for. The first word that a reason begins with counts.
_REASONS: tuple[tuple[str, str], ...] = (
    ("Resources", "for machines to become free"),
    ("Priority", "behind jobs with a higher priority"),
    ("BeginTime", "until it may start (again)"),
    ("DependencyNeverSatisfied", "for a job that will never end well; cancel it"),
    ("Dependency", "for another job"),
    ("JobHeldAdmin", "it is held by an administrator; ask the cluster's support"),
    ("JobHeldUser", "it is held; release it with `scontrol release` on the cluster"),
    ("JobHoldMaxRequeue", "it was started too often and is held"),
    ("PartitionTimeLimit", "its time is more than the partition allows; ask for less time"),
    ("PartitionNodeLimit", "it asks for more machines than the partition allows; ask for fewer"),
    ("PartitionDown", "the partition is closed just now"),
    ("PartitionInactive", "the partition takes no jobs just now"),
    ("PartitionConfig", "the partition cannot run it as asked; ask for less or another partition"),
    ("ReqNodeNotAvail", "the machines that it needs are in maintenance or reserved"),
    ("NodeDown", "a machine that it needs is down"),
    ("BadConstraints", "no machine offers what it asks for; ask for less"),
    ("Licenses", "for a licence"),
    ("Reservation", "for its reservation to begin"),
    ("InvalidAccount", "its account is not valid; choose another"),
    ("InvalidQOS", "its quality of service is not valid; choose another"),
    ("AccountNotAllowed", "its account may not use this partition; choose another"),
    ("QOSNotAllowed", "its quality of service may not be used here; choose another"),
    ("JobArrayTaskLimit", "for others of the same array"),
    ("Maintenance", "for a maintenance to end"),
    ("SystemFailure", "the cluster has a fault"),
    ("Cleaning", "for what is left of its last run to be cleared away"),
    ("Prolog", "its machine is being made ready"),
)
# Limits of accounts and qualities of service come in some eighty spellings.
_LIMITS: tuple[tuple[str, str], ...] = (
    ("GrpTRESRunMin", "your group has used up the computing time that it may hold at once"),
    ("GrpTRESMin", "your group's computing time is used up"),
    ("GrpCPUMin", "your group's computing time is used up"),
    ("GrpGRES", "your group runs as many GPUs as it may at once"),
    ("Grp", "your group runs as much as it may at once"),
    ("MaxWall", "its time is more than you may ask for; ask for less time"),
    ("MaxJobs", "you run as many jobs as you may at once"),
    ("MaxSubmit", "you have as many jobs in the queue as you may"),
    ("MaxGRESPerUser", "you use as many GPUs as you may at once"),
    ("MaxTRESPerUser", "you use as much as you may at once"),
    ("MaxTRESPerJob", "it asks for more than one job may have; ask for less"),
    ("MaxGRESPerJob", "it asks for more GPUs than one job may have; ask for fewer"),
    ("Max", "you use as much as you may at once"),
    ("Min", "it asks for less than the site's smallest job; ask for more"),
)

_LAUNCH_FAILED = "Its machine could not start it."


def phase(state: str) -> tuple[JobPhase, EndReason | None]:
    """What a state means; `CANCELLED by 1000` and `RUNNING+` are the states they begin with."""
    found = _STATES.get(_word(state))
    return (JobPhase.PENDING, None) if found is None else found[:2]


def state_word(state: str) -> str:
    """The state alone, without who cancelled it."""
    return _word(state)


def waiting(state: str, reason: str, starts_at: float | None, now: float) -> str:
    """Why a job waits and until when, as the end of a sentence; empty if Slurm does not say."""
    found = _STATES.get(_word(state))
    words = found[2] if found is not None else f"Slurm calls its state {_word(state)}"
    words = words or reason_words(reason)
    if starts_at is not None and starts_at > now:
        estimate = f"Slurm expects a start in about {in_words(_coarse(starts_at - now))}"
        words = f"{words}; {estimate}" if words else estimate
    return words


def running(state: str) -> str:
    """What is to be said of a job that has its machines; empty for one that simply runs."""
    found = _STATES.get(_word(state))
    return found[2] if found is not None else ""


def reason_words(reason: str) -> str:
    """A pending reason in plain words; one that is not known is shown as it is."""
    # `ReqNodeNotAvail, UnavailableNodes:…` and `(Nodes required for job are DOWN, …)`.
    word = reason.strip("( )").split(",")[0].strip()
    if not word or word == "None":
        return ""
    for start, words in _REASONS:
        if word.startswith(start):
            return words
    if word.startswith("Nodes required for job"):
        return "the machines that it needs are down or reserved"
    for prefix in ("Assoc", "QOS"):
        if word.startswith(prefix):
            for start, words in _LIMITS:
                if word.removeprefix(prefix).startswith(start):
                    return words
    return f"Slurm's reason is {word}"


def ended(reason: str) -> tuple[EndReason | None, str]:
    """What the reason of a job that ended adds to its state."""
    if reason == "JobLaunchFailure":
        return EndReason.NODE_FAILURE, _LAUNCH_FAILED
    if reason == "OutOfMemory":
        return EndReason.OUT_OF_MEMORY, ""
    return None, ""


def _word(state: str) -> str:
    first = state.split()[0] if state.split() else ""
    return first.rstrip("+").upper()


def _coarse(seconds: float) -> float:
    """Rounded so that an estimate does not change its words with each poll."""
    step = 60 if seconds < 3600 else 600 if seconds < 12 * 3600 else 3600
    return max(step, round(seconds / step) * step)
