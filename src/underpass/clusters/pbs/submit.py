"""One job for each launch, even when qsub's answer is lost; as for Slurm."""

from __future__ import annotations

import re
from pathlib import Path

from underpass.clusters.base import JobOrder
from underpass.clusters.commands import Answer, Commands
from underpass.clusters.folder import JobFolders, write_private
from underpass.clusters.pbs.options import pbs_lines
from underpass.clusters.pbs.poll import Watch
from underpass.clusters.script import Surroundings, batch_script
from underpass.core.errors import LaunchRejected, SchedulerSilent

SCRIPT = "job.sh"
_ASKED = "asked"
JOB_ID = re.compile(r"\d+(?:\[\])?(?:\.[A-Za-z0-9_.-]+)?")

# PBS's words for a refusal → what to do.
_HINTS: tuple[tuple[str, str], ...] = (
    ("unknown queue", "Choose another queue; `underpass clusters show` lists them."),
    ("queue is not enabled", "Choose another queue; `underpass clusters show` lists them."),
    ("access to queue is denied", "Choose a queue that you may use."),
    ("unauthorized", "Choose a queue or an account that you may use."),
    ("account", "Choose another account (--account)."),
    ("project", "Choose another account (--account)."),
    ("resource limits", "Ask for less: fewer GPUs, less memory or less time."),
    ("exceeds", "Ask for less: fewer GPUs, less memory or less time."),
    ("illegal attribute", "Leave out what this cluster does not know."),
    ("unknown resource", "Leave out what this cluster does not know."),
    ("would exceed", "You ask for more than you may have: less of it, or wait for other jobs."),
)


def script_of(order: JobOrder, around: Surroundings, gpu_key: str) -> str:
    """The exact text that is given to qsub. Raises LaunchRejected."""
    return batch_script(
        order,
        around,
        pbs_lines(order, gpu_key),
        job_id="$PBS_JOBID",
        ends_in_s=order.resources.time_s,
    )


class Submitter:
    """Gives jobs to PBS."""

    def __init__(self, commands: Commands, folders: JobFolders, watch: Watch) -> None:
        self._commands = commands
        self._folders = folders
        self._watch = watch

    async def known_job(self, tag: str) -> str | None:
        """The job that an earlier call made; None: there was none. Raises SchedulerSilent."""
        claimed = self._watch.job_of(tag)
        if claimed is not None:
            return claimed
        if not (self._folders.of(tag) / _ASKED).exists():
            return None
        for row in await self._watch.show(await self._watch.own_jobs()):
            if row.tag == tag:
                return self._watch.claim(tag, row.job_id)
        return None

    async def submit(self, order: JobOrder, around: Surroundings, gpu_key: str) -> str:
        """The new job's id; the launch's folder is ready.

        Raises LaunchRejected with PBS's own words, SchedulerSilent when it may have been taken.
        """
        folder = self._folders.of(order.tag)
        write_private(folder / SCRIPT, script_of(order, around, gpu_key))
        write_private(folder / _ASKED, "")
        answer = await self._commands.run("qsub", SCRIPT, cwd=folder, for_job=True)
        job_id = _job_id(answer)
        if job_id is None:
            self._not_taken(answer, folder)
            raise SchedulerSilent(f"qsub gave no job: {answer.words or 'it said nothing'}.")
        return self._watch.claim(order.tag, job_id)

    def _not_taken(self, answer: Answer, folder: Path) -> None:
        """Raises LaunchRejected if that is what the answer says."""
        if answer.is_silence or not answer.err.strip():
            return
        (folder / _ASKED).unlink(missing_ok=True)
        self._folders.forget_secrets(folder.name)
        said = answer.words.removeprefix("qsub: ")
        raise LaunchRejected(f"PBS says: {said}.", hint=_hint(answer.err))


def _job_id(answer: Answer) -> str | None:
    """`1234.pbs01`, on a line of its own: sites print greetings, too."""
    for line in reversed(answer.out.splitlines()):
        if JOB_ID.fullmatch(line.strip()):
            return line.strip()
    return None


def _hint(said: str) -> str:
    for words, hint in _HINTS:
        if words in said.lower():
            return hint
    return "Change what it asks for, or ask the cluster's support what these words mean."
