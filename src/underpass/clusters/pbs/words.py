"""PBS's states, comments and exit codes, and what they mean to a person. Pure.

A state that is not known is shown as it is, and the job counts as pending: it has neither been seen to
run nor to end.
"""

from __future__ import annotations

from underpass.clusters.base import JobPhase
from underpass.core.states import EndReason
from underpass.core.times import in_words

_P, _R = JobPhase, EndReason

_STATES: dict[str, tuple[JobPhase, str, str]] = {
    "Q": (_P.PENDING, "QUEUED", ""),
    "W": (_P.PENDING, "WAITING", "until it may start (again)"),
    "H": (_P.PENDING, "HELD", "it is held; release it with `qrls` on the cluster"),
    "T": (_P.PENDING, "TRANSIT", "it is being moved to another server"),
    "M": (_P.PENDING, "MOVED", "it was moved to another server"),
    "R": (_P.RUNNING, "RUNNING", ""),
    "B": (_P.RUNNING, "BEGUN", ""),
    "E": (_P.RUNNING, "EXITING", "it is ending"),
    "S": (_P.RUNNING, "SUSPENDED", "the cluster has suspended it; it goes on when others are done"),
    "U": (_P.RUNNING, "SUSPENDED", "it is suspended while somebody works at its machine"),
    "F": (_P.ENDED, "FINISHED", ""),
    "X": (_P.ENDED, "FINISHED", ""),
    "C": (_P.ENDED, "COMPLETED", ""),
}

# What a comment holds, in lower case → what the job waits for.
_COMMENTS: tuple[tuple[str, str], ...] = (
    ("can never run: insufficient", "no machine has all that it asks for; ask for less"),
    ("can never run", "it can never run as it was asked for; ask for less or another queue"),
    ("insufficient amount of resource", "for machines to become free"),
    ("not enough", "for machines to become free"),
    ("no available resources on nodes", "for machines to become free"),
    ("insufficient amount of server resource", "for resources of the cluster to become free"),
    ("queue running job limit", "you run as many jobs in this queue as you may at once"),
    ("per-user limit", "you use as much as you may at once"),
    ("running job limit", "you run as many jobs as you may at once"),
    ("user has reached", "you use as much as you may at once"),
    ("group has reached", "your group uses as much as it may at once"),
    ("project has reached", "your project uses as much as it may at once"),
    ("would exceed", "you or your group use as much as you may at once"),
    ("queue not started", "the queue is closed just now"),
    ("queue is not", "the queue is closed just now"),
    ("dedicated time", "for a maintenance to end"),
    ("cross dedicated", "its time would reach into a maintenance; ask for less time"),
    ("reservation", "for a reservation of others to end"),
    ("ineligible", "the machines that it needs are down or reserved"),
    ("job is in wait", "until it may start (again)"),
    ("dependency", "for another job"),
    ("fairshare", "behind jobs of those who have used less"),
    ("higher priority", "behind jobs with a higher priority"),
    ("strict ordering", "behind jobs that came before it"),
    ("waiting for provisioning", "its machines are being made ready"),
)

# PBS's own exit codes are negative (OpenPBS's job.h).
_EXITS: dict[int, tuple[EndReason, str]] = {
    -1: (_R.NODE_FAILURE, "Its machine could not start it."),
    -2: (_R.NODE_FAILURE, "Its machine could not start it."),
    -3: (_R.NODE_FAILURE, "Its machine could not start it."),
    -4: (_R.NODE_FAILURE, "Its machine was restarted."),
    -5: (_R.NODE_FAILURE, "Its machine was restarted."),
    -6: (_R.NODE_FAILURE, "Its machine was restarted."),
    -26: (_R.OUT_OF_MEMORY, ""),
    -27: (_R.OUT_OF_MEMORY, ""),
    -28: (_R.WALLTIME, "Its CPU time was up."),
    -29: (_R.WALLTIME, ""),
}
_SIGNALS_FROM = 256
_TERM, _KILL = 15, 9


def phase(state: str) -> JobPhase:
    """What a state means."""
    found = _STATES.get(state)
    return JobPhase.PENDING if found is None else found[0]


def state_word(state: str) -> str:
    """The state in a word, as PBS itself has a letter only."""
    found = _STATES.get(state)
    return state if found is None else found[1]


def waiting(state: str, comment: str, starts_at: float | None, now: float) -> str:
    """Why a job waits and until when, as the end of a sentence; empty if PBS does not say."""
    found = _STATES.get(state)
    words = found[2] if found is not None else f"PBS calls its state {state[:20]}"
    words = words or _comment_words(comment)
    if starts_at is not None and starts_at > now:
        step = 60 if starts_at - now < 3600 else 600
        left_s = max(step, round((starts_at - now) / step) * step)
        estimate = f"PBS expects a start in about {in_words(left_s)}"
        words = f"{words}; {estimate}" if words else estimate
    return words


def running(state: str) -> str:
    """What is to be said of a job that has its machines; empty for one that simply runs."""
    found = _STATES.get(state)
    return found[2] if found is not None else ""


def ended(
    status: int | None, *, used_s: int | None, asked_s: int | None
) -> tuple[EndReason | None, int | None, str]:
    """(why, exit code, words) of a job that is over, from its Exit_status."""
    if status is None:
        return None, None, ""
    if status < 0:
        reason, words = _EXITS.get(status, (_R.NODE_FAILURE, f"PBS ended it (code {status})."))
        return reason, None, words
    if status < _SIGNALS_FROM:
        return None, status, ""
    is_at_limit = used_s is not None and asked_s is not None and used_s >= asked_s
    if is_at_limit:
        return _R.WALLTIME, None, ""
    number = status - _SIGNALS_FROM
    return (_R.CANCELLED if number in (_TERM, _KILL) else None), 128 + number, ""


def _comment_words(comment: str) -> str:
    said = comment.lower()
    for mark, words in _COMMENTS:
        if mark in said:
            return words
    text = comment.removeprefix("Not Running:").strip()
    return f"PBS says: {text[:200]}" if text else ""
