"""One job for each launch, even when sbatch's answer is lost.

Before sbatch is called a marker stands in the launch's folder; a second call for the same launch first
looks whether the first one made a job after all. Should two exist in spite of that, the job's own shell
lets only one of them go on.
"""

from __future__ import annotations

from pathlib import Path

from underpass.clusters.base import JobOrder
from underpass.clusters.folder import JobFolders, write_private
from underpass.clusters.script import Surroundings, batch_script
from underpass.clusters.slurm.commands import Answer, Commands
from underpass.clusters.slurm.options import sbatch_lines
from underpass.clusters.slurm.poll import Watch, tag_of
from underpass.core.errors import LaunchRejected, SchedulerSilent

SCRIPT = "job.sh"
_ASKED = "asked"

# Slurm's words for a refusal → what to do.
_HINTS: tuple[tuple[str, str], ...] = (
    ("invalid partition", "Choose another partition; `underpass clusters show` lists them."),
    ("invalid account", "Choose another account; `underpass clusters show` lists yours."),
    ("invalid qos", "Choose another quality of service, or none."),
    ("not permitted to use", "Choose a partition that you may use."),
    ("generic resource", "Choose another GPU type; `underpass clusters show` lists them."),
    ("node configuration is not available", "Ask for less: no machine there has all of that."),
    ("memory", "Ask for less memory."),
    ("time limit", "Ask for less time."),
    ("job violates accounting/qos policy", "You ask for more than you may have: less of it."),
    ("node count", "Ask for fewer nodes."),
    ("cpu count", "Ask for fewer CPUs."),
)


def script_of(order: JobOrder, around: Surroundings) -> str:
    """The exact text that is given to sbatch. Raises LaunchRejected."""
    return batch_script(order, around, sbatch_lines(order), job_id="$SLURM_JOB_ID")


class Submitter:
    """Gives jobs to Slurm."""

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
        for row in await self._watch.queue():
            if tag_of(row) == tag:
                return self._watch.claim(tag, row.job_id)
        return None

    async def submit(self, order: JobOrder, around: Surroundings) -> str:
        """The new job's number; the launch's folder is ready.

        Raises LaunchRejected with Slurm's own words, SchedulerSilent when it may have been taken.
        """
        folder = self._folders.of(order.tag)
        write_private(folder / SCRIPT, script_of(order, around))
        write_private(folder / _ASKED, "")
        answer = await self._commands.run("sbatch", "--parsable", SCRIPT, cwd=folder, for_job=True)
        job_id = _job_id(answer)
        if job_id is None:
            self._not_taken(answer, folder)
            raise SchedulerSilent(f"sbatch gave no job: {answer.words or 'it said nothing'}.")
        return self._watch.claim(order.tag, job_id)

    def _not_taken(self, answer: Answer, folder: Path) -> None:
        """Raises LaunchRejected if that is what the answer says."""
        if answer.is_silence or not answer.err.strip():
            return
        (folder / _ASKED).unlink(missing_ok=True)
        self._folders.forget_secrets(folder.name)
        said = answer.words
        raise LaunchRejected(f"Slurm says: {said}.", hint=_hint(answer.err))


def _job_id(answer: Answer) -> str | None:
    """`123` or `123;cluster`, on a line of its own: sites print greetings, too."""
    for line in reversed(answer.out.splitlines()):
        number = line.strip().split(";")[0]
        if number.isdigit():
            return number
    return None


def _hint(said: str) -> str:
    for words, hint in _HINTS:
        if words in said.lower():
            return hint
    return "Change what it asks for, or ask the cluster's support what these words mean."
