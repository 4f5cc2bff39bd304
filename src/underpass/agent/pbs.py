"""What is known about the PBS job that the agent runs in: its number and when its time is up.

PBS ends a job without a word ahead, so the job's own script writes down when that will be, and the agent
watches the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from underpass.clusters.script import END_VARIABLE

_LONGEST_WARNING_S, _SHORTEST_WARNING_S = 300.0, 30.0


@dataclass(frozen=True, slots=True)
class PbsJob:
    """The job around this process."""

    job_id: str
    ends_at: float | None
    """Unix seconds; None where it has no limit of its own."""
    kind: str = "pbs"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> PbsJob | None:
        """The job, or None outside of PBS."""
        job_id = environ.get("PBS_JOBID", "")
        if not job_id[:1].isdigit():
            return None
        end = environ.get(END_VARIABLE, "")
        return cls(job_id, float(end) if end.isdigit() else None)

    async def end_of_wall_time(self, now: float) -> float | None:
        """Unix seconds at which the job's limit ends it; None without a limit."""
        del now
        return self.ends_at

    def drain_in_s(self, now: float) -> float | None:
        """In how many seconds no new work is to be taken: as long before the end as Slurm would say."""
        if self.ends_at is None:
            return None
        left_s = self.ends_at - now
        warning_s = max(_SHORTEST_WARNING_S, min(_LONGEST_WARNING_S, left_s / 20))
        return max(0.0, left_s - warning_s)
