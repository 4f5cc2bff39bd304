"""Which job is whose, and where one that left the queue is looked up.

queue → accounting → controller → the job's own folder → unknown. The queue is one question for all
sessions; the rest is asked only for jobs that are missing from it or have ended. A source that does not
answer proves nothing: then the job's last known state stands.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from underpass.clusters.base import JobPhase, JobReport
from underpass.clusters.folder import JobFolders, number_in
from underpass.clusters.slurm import text, words
from underpass.clusters.slurm.commands import Commands
from underpass.clusters.slurm.options import COMMENT
from underpass.clusters.slurm.text import ACCOUNT_FIELDS, SEPARATOR, QueueRow
from underpass.core.errors import SchedulerSilent
from underpass.core.states import EndReason

MAX_CONTROLLER_LOOKS = 20
"""Each is a question of its own; the others have their turn at the next poll."""
MAX_ACCOUNT_IDS = 500
_FORGOTTEN_S = 60 * 24 * 3600
_TAG_IN_COMMENT = re.compile(re.escape(COMMENT) + r"([a-z0-9_.-]+)")
_TAG_IN_NAME = re.compile(r"\.(ses_[a-z0-9]+\.\d+)$")
_OUT_OF_MEMORY_SIGNAL = 125


@dataclass
class _Missing:
    """A job that the queue does not show."""

    tag: str
    job_id: str


class Watch:
    """What is known about this machine's jobs."""

    def __init__(self, commands: Commands, folders: JobFolders, user: str) -> None:
        self._commands = commands
        self._folders = folders
        self._user = user
        self._last: dict[str, JobReport] = {}
        self._is_accounting_off = False

    async def queue(self) -> list[QueueRow]:
        """The user's jobs, those that ended some minutes ago among them. Raises SchedulerSilent."""
        answer = await self._commands.ask(
            *("squeue", "--noheader", "--states=all", f"--user={self._user}"),
            f"--format={text.QUEUE_FORMAT}",
        )
        if answer.is_error:
            raise SchedulerSilent(f"squeue failed: {answer.words}.")
        return text.queue(answer.out)

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """What is known of these launches. Raises SchedulerSilent when the queue is not shown."""
        wanted = set(tags)
        known = {tag: job_id for tag in wanted if (job_id := self.job_of(tag)) is not None}
        by_id = {job_id: tag for tag, job_id in known.items()}
        reports: list[JobReport] = []
        for row in await self.queue():
            tag = by_id.get(row.job_id) or tag_of(row)
            if tag in wanted:
                assert tag is not None
                reports.append(self._report(tag, row))
        shown = {report.job_id for report in reports}
        absent = [_Missing(tag, job_id) for tag, job_id in known.items() if job_id not in shown]
        reports += await self._look_up(absent)
        reports = await self._with_ends(reports)
        self._keep(wanted, reports)
        return reports

    def job_of(self, tag: str) -> str | None:
        """The job's number, as the job itself or the submit has claimed it; None: not known."""
        try:
            return os.readlink(self._folders.of(tag) / "job")
        except OSError:
            return None

    def claim(self, tag: str, job_id: str) -> str:
        """This job is the launch's, unless another was first; the one that is."""
        with suppress(OSError):
            os.symlink(job_id, self._folders.of(tag) / "job")
        return self.job_of(tag) or job_id

    # --- jobs that the queue does not show -------------------------------------------------------

    async def _look_up(self, absent: Iterable[_Missing]) -> list[JobReport]:
        found: list[JobReport] = []
        left = []
        for one in absent:
            last = self._last.get(one.tag)
            if last is not None and last.job_id == one.job_id and last.phase is JobPhase.ENDED:
                found.append(last)
            else:
                left.append(one)
        if not left:
            return found
        rows, is_sure = await self._accounted([one.job_id for one in left])
        for number, one in enumerate(left):
            row, is_known = rows.get(one.job_id), number < MAX_CONTROLLER_LOOKS
            controlled = None
            # An accounting that has not heard of the end may be behind.
            if (row is None or not _is_end(row)) and is_known:
                controlled, is_known = await self._controlled(one.job_id)
            if controlled is not None or (row is not None and _is_end(row)):
                found.append(self._report(one.tag, controlled or rows[one.job_id]))
                continue
            report = self._by_folder(one)
            # Who does not answer proves nothing, and a late accounting less than the last poll.
            if report is None and (row is not None or not (is_sure and is_known)):
                report = self._last.get(one.tag) or (self._report(one.tag, row) if row else None)
            if report is not None:
                found.append(report)
        return found

    async def _accounted(self, job_ids: list[str]) -> tuple[dict[str, QueueRow], bool]:
        """The accounting's rows by id, and whether it answered (one that is off has answered)."""
        rows: dict[str, QueueRow] = {}
        if self._is_accounting_off or not job_ids:
            return rows, True
        try:
            answer = await self._commands.ask(
                *("sacct", "--noheader", "--allocations", "--parsable2"),
                *(f"--delimiter={SEPARATOR}", f"--format={ACCOUNT_FIELDS}"),
                f"--jobs={','.join(job_ids[:MAX_ACCOUNT_IDS])}",
            )
        except SchedulerSilent:
            return rows, False
        if answer.is_error:
            self._is_accounting_off = "disabled" in answer.err.lower()
            return rows, self._is_accounting_off
        # A job that was requeued has several rows; the last is the present one.
        return {row.job_id: row for row in text.accounting(answer.out)}, True

    async def _controlled(self, job_id: str) -> tuple[QueueRow | None, bool]:
        """What the controller still knows, and whether it answered."""
        try:
            answer = await self._commands.ask("scontrol", "show", "job", "--oneliner", job_id)
        except SchedulerSilent:
            return None, False
        if answer.is_error:
            return None, "invalid job id" in answer.err.lower()
        return text.job_of_controller(answer.out), True

    def _by_folder(self, one: _Missing) -> JobReport | None:
        """What the job's own shell wrote at its end, where nobody else remembers it."""
        code = number_in(self._folders.of(one.tag) / "exit")
        if code is None:
            return None
        return JobReport(one.tag, one.job_id, JobPhase.ENDED, "ENDED", exit_code=code)

    # --- what a row means -----------------------------------------------------------------------------

    def _report(self, tag: str, row: QueueRow) -> JobReport:
        phase, reason = words.phase(row.state)
        said = ""
        if phase is JobPhase.PENDING:
            said = words.waiting(row.state, row.reason, row.starts_at, time.time())
        elif phase is JobPhase.RUNNING:
            said = words.running(row.state)
        else:
            better, said = words.ended(row.reason)
            reason = better or reason
            if row.signal == _OUT_OF_MEMORY_SIGNAL:  # how Slurm writes an OOM kill of the step
                reason = reason or EndReason.OUT_OF_MEMORY
        return JobReport(
            tag,
            row.job_id,
            phase,
            words.state_word(row.state),
            said,
            row.host if phase is not JobPhase.PENDING else None,
            reason,
            row.exit_code,
        )

    async def _with_ends(self, reports: list[JobReport]) -> list[JobReport]:
        """The queue shows no exit codes: that of a job that has just ended is asked for once."""
        found, new = [], []
        for one in reports:
            last = self._last.get(one.tag)
            if one.phase is not JobPhase.ENDED or one is last:
                found.append(one)
            elif last is not None and (last.job_id, last.phase) == (one.job_id, one.phase):
                found.append(last)
            else:
                new.append(one)
        rows, _ = await self._accounted([one.job_id for one in new])
        for number, one in enumerate(new):
            row = rows.get(one.job_id)
            # The accounting may be some seconds behind: then the controller knows it.
            if (row is None or not _is_end(row)) and number < MAX_CONTROLLER_LOOKS:
                row = (await self._controlled(one.job_id))[0]
            code = number_in(self._folders.of(one.tag) / "exit")
            if code is None and row is not None:
                code = row.exit_code
            found.append(self._with_agents_words(replace(one, exit_code=code)))
        return found

    def _with_agents_words(self, ended: JobReport) -> JobReport:
        """A job that ended by itself: its agent knows why, and Slurm does not."""
        said = self._folders.agents_end(ended.tag) if ended.end_reason is None else None
        if said is None:
            return ended
        code = ended.exit_code if said.exit_code is None else said.exit_code
        return replace(ended, end_reason=said.reason, exit_code=code, text=said.message)

    def is_live(self, folder: Path) -> bool:
        """Whether a launch's folder may still be needed; what is not known counts as alive."""
        last = self._last.get(folder.name)
        if last is not None:
            return last.phase is not JobPhase.ENDED
        is_old = time.time() - folder.stat().st_mtime > _FORGOTTEN_S
        return not ((folder / "exit").exists() or is_old)

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


def tag_of(row: QueueRow) -> str | None:
    """The launch that a job says it belongs to: by its comment, else by its name."""
    match = _TAG_IN_COMMENT.search(row.comment) or _TAG_IN_NAME.search(row.name)
    return match[1] if match else None


def _is_end(row: QueueRow) -> bool:
    return words.phase(row.state)[0] is JobPhase.ENDED
