"""How far a start is, and how long starts like it took. Pure.

Like it: the same user's, with the same template, model and cluster. The median of the newest counts, as one
start that had to fetch its model first says little about the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from underpass.core.states import SessionStatus
from underpass.core.times import in_words
from underpass.store import SessionEventRecord, SessionRecord

MAX_SESSIONS = 20
MAX_STARTS = 9

_WORDS = {
    "image": "Preparing its image",
    "download": "Downloading the model",
    "weights": "Loading weights",
    "compile": "Compiling",
    "graphs": "Capturing CUDA graphs",
    "warmup": "Warming up",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a start is, as its agent reads it in the server's log."""

    phase: str
    percent: int | None = None

    def words(self) -> str:
        """For people, without an end."""
        percent = "" if self.percent is None else f", {self.percent} %"
        return f"{_WORDS[self.phase]}{percent}"

    def shape(self) -> dict[str, Any]:
        """For the API."""
        return {"phase": self.phase, "percent": self.percent}


def read_progress(said: Mapping[str, Any]) -> Progress | None:
    """What `session.progress` says; None for what is not understood."""
    phase, percent = said.get("phase"), said.get("percent")
    if not isinstance(phase, str) or phase not in _WORDS:
        return None
    return Progress(phase, percent if type(percent) is int and 0 <= percent <= 100 else None)


def start_words(progress: Progress | None, otherwise: str, usual_s: float | None) -> str:
    """What is said of a start: where it is, and how long it usually takes."""
    said = f"{progress.words()}." if progress is not None else otherwise
    return f"{said} It usually takes {in_words(usual_s)}." if usual_s is not None else said


def is_like(one: SessionRecord, other: SessionRecord) -> bool:
    """Whether a start of one tells something about a start of the other."""
    return _likeness(one) == _likeness(other)


def durations_s(events: Sequence[SessionEventRecord]) -> list[float]:
    """How long each start on a timeline took, oldest first; one that did not come up is left out."""
    found, began_at = [], None
    for event in events:
        if event.kind == SessionStatus.STARTING:
            began_at = event.at
        elif event.kind == SessionStatus.RUNNING and began_at is not None:
            found.append(event.at - began_at)
            began_at = None
        elif event.kind in ("ended", "restarted", SessionStatus.QUEUED):
            began_at = None
    return found


def usual_s(found: Sequence[float]) -> float | None:
    """The median of the newest; None where there is none. `found`: newest first."""
    return median(found[:MAX_STARTS]) if found else None


def _likeness(record: SessionRecord) -> tuple[Any, ...]:
    spec = record.spec
    model = (spec.get("params") or {}).get("model") or spec.get("command")
    return record.template, record.cluster_id, model
