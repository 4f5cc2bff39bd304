"""A cluster in memory, with faults to inject: for tests of what stands above clusters.

Jobs move only when told (`run`, `end`, `forget`), so a test decides what the scheduler sees. The faults
are those of real sites: silence, a submit whose answer is lost, a job that exists twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from underpass.clusters.base import Capabilities, JobOrder, JobPhase, JobRef, JobReport
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason


@dataclass
class Faults:
    """What goes wrong; each stays on until it is turned off."""

    is_silent: bool = False
    """No verb is answered, and nothing is done."""
    loses_submit_answers: bool = False
    """The job is started, and the answer never arrives."""
    doubles_jobs: bool = False
    """A submit makes two jobs of one tag."""
    rejects: str | None = None
    """A submit is refused with these words."""
    hides_jobs: bool = False
    """A poll answers and knows no job (a queue that lags)."""


@dataclass
class FakeCluster:
    """What it was asked to do stands in `orders` and `cancels`."""

    faults: Faults = field(default_factory=Faults)
    kind: str = "fake"
    poll_interval_s: float = 10.0
    programs: dict[str, str | None] = field(default_factory=dict)
    orders: list[JobOrder] = field(default_factory=list)
    cancels: list[tuple[JobRef, bool]] = field(default_factory=list)
    polls: int = 0
    _jobs: dict[str, JobReport] = field(default_factory=dict)

    # --- what a test does to it -----------------------------------------------------------------

    def jobs(self, tag: str | None = None) -> list[JobReport]:
        """The jobs there are, of one tag or all."""
        return [job for job in self._jobs.values() if tag in (None, job.tag)]

    def alive(self, tag: str | None = None) -> list[JobReport]:
        """Those that have not ended."""
        return [job for job in self.jobs(tag) if job.phase is not JobPhase.ENDED]

    def run(self, tag: str, host: str = "node-1") -> None:
        """The scheduler starts the tag's jobs."""
        for job in self.alive(tag):
            self._jobs[job.job_id] = replace(
                job, phase=JobPhase.RUNNING, raw_state="RUNNING", text="", host=host
            )

    def end(
        self,
        tag: str,
        reason: EndReason | None = None,
        code: int | None = 0,
        raw: str = "COMPLETED",
    ) -> None:
        """The tag's jobs end."""
        for job in self.alive(tag):
            self._jobs[job.job_id] = replace(
                job,
                phase=JobPhase.ENDED,
                raw_state=raw,
                text="",
                end_reason=reason,
                exit_code=code,
            )

    def forget(self, tag: str) -> None:
        """The scheduler no longer knows the tag."""
        for job in self.jobs(tag):
            del self._jobs[job.job_id]

    # --- the five verbs ---------------------------------------------------------------------------

    async def submit(self, order: JobOrder) -> str:
        """Makes a pending job, or finds the tag's."""
        self._check_silent()
        if self.faults.rejects is not None:
            raise LaunchRejected(self.faults.rejects)
        known = self.jobs(order.tag)
        if not known:
            self.orders.append(order)
            for _ in range(2 if self.faults.doubles_jobs else 1):
                job_id = str(len(self._jobs) + 101)
                self._jobs[job_id] = JobReport(
                    order.tag, job_id, JobPhase.PENDING, "PENDING", text="Resources"
                )
            known = self.jobs(order.tag)
        if self.faults.loses_submit_answers:
            raise SchedulerSilent("The scheduler did not answer.")
        return known[0].job_id

    async def show(self, order: JobOrder) -> str:
        """A line that names the launch, or the refusal."""
        self._check_silent()
        if self.faults.rejects is not None:
            raise LaunchRejected(self.faults.rejects)
        return f"# the job of {order.tag}\n"

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """What is known of the tags."""
        self.polls += 1
        self._check_silent()
        if self.faults.hides_jobs:
            return []
        return [job for job in self._jobs.values() if job.tag in set(tags)]

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """Ends the job at once, as `cancelled`."""
        self._check_silent()
        self.cancels.append((job, kill))
        for one in self.alive(job.tag):
            if job.job_id in (None, one.job_id):
                self._jobs[one.job_id] = replace(
                    one,
                    phase=JobPhase.ENDED,
                    raw_state="CANCELLED",
                    text="",
                    end_reason=EndReason.CANCELLED,
                    exit_code=None,
                )

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """What the test said."""
        self._check_silent()
        found = {name: self.programs.get(name) for name in programs}
        return Capabilities(kind=self.kind, host="fake", user="nobody", programs=found)

    async def logs(self, job: JobRef, lines: int) -> list[str]:
        """One line that names the job."""
        self._check_silent()
        return [f"job {job.tag}"][-lines:]

    def _check_silent(self) -> None:
        if self.faults.is_silent:
            raise SchedulerSilent("The scheduler did not answer.")
