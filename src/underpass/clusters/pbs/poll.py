"""Which job is whose, and where one that PBS no longer shows is looked up.

qstat with its history → the job's own folder → unknown. One question for all sessions. A server that does not
answer proves nothing: then the job's last known state stands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from underpass.clusters.base import JobPhase, JobReport
from underpass.clusters.commands import Answer, Commands
from underpass.clusters.folder import JobFolders, number_in
from underpass.clusters.pbs import text, words
from underpass.clusters.pbs.text import JobRow
from underpass.core.errors import SchedulerSilent

MAX_IDS = 500
_FORGOTTEN_S = 60 * 24 * 3600


class Watch:
    """What is known about this machine's jobs."""

    def __init__(self, commands: Commands, folders: JobFolders, user: str) -> None:
        self._commands = commands
        self._folders = folders
        self._user = user
        self._last: dict[str, JobReport] = {}
        self._history: tuple[str, ...] = ("-x",)
        """The option that shows finished jobs, too."""

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """What is known of these launches. Raises SchedulerSilent when PBS does not answer."""
        wanted = set(tags)
        known = {tag: job_id for tag in wanted if (job_id := self.job_of(tag)) is not None}
        ids = list(known.values())
        if len(known) < len(wanted):
            # A launch whose submit got no answer: its job is found among all of the person's.
            ids += await self.own_jobs()
        by_id = {job_id: tag for tag, job_id in known.items()}
        reports = []
        for row in await self.show(ids):
            tag = by_id.get(row.job_id) or row.tag
            if tag in wanted:
                assert tag is not None
                reports.append(self._report(tag, row))
        shown = {report.tag for report in reports}
        reports += [
            r for tag, job_id in known.items() if tag not in shown if (r := self._gone(tag, job_id))
        ]
        self._keep(wanted, reports)
        return reports

    async def own_jobs(self) -> list[str]:
        """The ids of the person's jobs, finished ones among them where PBS keeps them."""
        answer = await self._commands.ask("qselect", "-x", "-u", self._user)
        if answer.is_error:
            answer = await self._commands.ask("qselect", "-u", self._user)
        if answer.is_error:
            raise SchedulerSilent(f"qselect failed: {answer.words}.")
        return answer.out.split()

    async def show(self, job_ids: Sequence[str]) -> list[JobRow]:
        """The rows of these jobs; those that PBS does not know are left out."""
        ids = list(dict.fromkeys(job_ids))[:MAX_IDS]
        if not ids:
            return []
        answer = await self._commands.ask("qstat", *self._history, "-f", "-F", "json", *ids)
        if self._history and "history" in answer.err.lower():
            self._history = ()  # this server keeps none: ended jobs are looked up in their folders
            return await self.show(ids)
        if text.is_json(answer.out):
            return text.jobs(answer.out)
        if not _is_none_known(answer):
            # Some versions escape nothing in a job's variables: then it is no JSON.
            answer = await self._commands.ask("qstat", *self._history, "-f", *ids)
            rows = text.jobs(answer.out)
            if not rows and not _is_none_known(answer):
                raise SchedulerSilent(f"qstat failed: {answer.words or 'it said nothing'}.")
            return rows
        return []

    def job_of(self, tag: str) -> str | None:
        """The job's id, as the job itself or the submit has claimed it; None: not known."""
        try:
            return os.readlink(self._folders.of(tag) / "job")
        except OSError:
            return None

    def claim(self, tag: str, job_id: str) -> str:
        """This job is the launch's, unless another was first; the one that is."""
        with suppress(OSError):
            os.symlink(job_id, self._folders.of(tag) / "job")
        return self.job_of(tag) or job_id

    def is_live(self, folder: os.PathLike[str]) -> bool:
        """Whether a launch's folder may still be needed; what is not known counts as alive."""
        name = os.path.basename(folder)
        last = self._last.get(name)
        if last is not None:
            return last.phase is not JobPhase.ENDED
        is_old = time.time() - os.stat(folder).st_mtime > _FORGOTTEN_S
        return not (os.path.exists(os.path.join(folder, "exit")) or is_old)

    # --- inside --------------------------------------------------------------------------------------

    def _report(self, tag: str, row: JobRow) -> JobReport:
        phase = words.phase(row.state)
        host = row.host if phase is not JobPhase.PENDING else None
        report = JobReport(tag, row.job_id, phase, words.state_word(row.state), host=host)
        if phase is JobPhase.PENDING:
            said = words.waiting(row.state, row.comment, row.starts_at, time.time())
            return replace(report, text=said)
        if phase is JobPhase.RUNNING:
            return replace(report, text=words.running(row.state))
        reason, code, said = words.ended(row.exit_status, used_s=row.used_s, asked_s=row.asked_s)
        own = number_in(self._folders.of(tag) / "exit")
        ended = replace(
            report, end_reason=reason, exit_code=code if own is None else own, text=said
        )
        return self._with_agents_words(ended)

    def _gone(self, tag: str, job_id: str) -> JobReport | None:
        """A job that PBS does not show: over, if its own shell wrote so; else the last word stands."""
        last = self._last.get(tag)
        if last is not None and last.phase is JobPhase.ENDED:
            return last
        code = number_in(self._folders.of(tag) / "exit")
        if code is None:
            return None
        ended = JobReport(tag, job_id, JobPhase.ENDED, "FINISHED", exit_code=code)
        return self._with_agents_words(ended)

    def _with_agents_words(self, ended: JobReport) -> JobReport:
        """A job that ended by itself: its agent knows why, and PBS does not."""
        said = self._folders.agents_end(ended.tag) if ended.end_reason is None else None
        if said is None:
            return ended
        code = ended.exit_code if said.exit_code is None else said.exit_code
        return replace(ended, end_reason=said.reason, exit_code=code, text=said.message)

    def _keep(self, wanted: set[str], reports: list[JobReport]) -> None:
        """The last word about each; ended jobs need their secrets no more."""
        alive = {one.tag for one in reports if one.phase is not JobPhase.ENDED}
        for one in reports:
            if one.phase is JobPhase.ENDED and one.tag not in alive:
                with suppress(OSError):
                    self._folders.forget_secrets(one.tag)
            elif self.job_of(one.tag) is None:
                self.claim(one.tag, one.job_id)
        self._last = {tag: one for tag, one in self._last.items() if tag in wanted}
        self._last |= {one.tag: one for one in reports}


def _is_none_known(answer: Answer) -> bool:
    said = answer.err.lower()
    return "unknown job" in said or "has finished" in said
