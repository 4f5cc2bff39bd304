"""What Slurm says about the job that the agent runs in: its number and the time that is left."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

ASK_TIMEOUT_S = 10.0
_SPAN = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """The job around this process."""

    job_id: str
    ends_at: float | None
    """Unix seconds; None where Slurm does not export it (before 23.02)."""
    kind: str = "slurm"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> SlurmJob | None:
        """The job, or None outside of Slurm."""
        job_id = environ.get("SLURM_JOB_ID", "")
        if not job_id.isdigit():
            return None
        end = environ.get("SLURM_JOB_END_TIME", "")
        return cls(job_id, float(end) if end.isdigit() else None)

    async def end_of_wall_time(self, now: float) -> float | None:
        """Unix seconds at which the job's limit ends it; None without a limit.

        Asked for anew each time, as an administrator may extend a job; what was exported at the
        start stands where nobody answers.
        """
        left_s = parse_left(await self._ask_squeue())
        return self.ends_at if left_s is None else now + left_s

    def drain_in_s(self, now: float) -> float | None:
        """None: Slurm itself says when, with a signal."""
        del now
        return None

    async def _ask_squeue(self) -> str:
        """Slurm's own words for the time that is left, or nothing."""
        program = shutil.which("squeue")
        if program is None:
            return ""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                process = await asyncio.create_subprocess_exec(
                    program,
                    *("-h", "-j", self.job_id, "-o", "%L"),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                try:
                    out, _ = await process.communicate()
                except BaseException:
                    process.kill()
                    raise
        except (OSError, TimeoutError):
            return ""
        return out.decode("utf-8", "replace") if process.returncode == 0 else ""


def parse_left(text: str) -> float | None:
    """Seconds in `1-02:03:04`, `2:03:04` or `03:04`; None for UNLIMITED, INVALID and the like."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
