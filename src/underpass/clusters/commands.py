"""Running one command of a scheduler: bounded in time and number, in an environment that formats nothing.

Three ways out: an answer, a refusal in the scheduler's own words, or silence. Some versions say an error and
exit with 0, and some exit with 1 for "there is none", so the words are looked at and not the code alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from underpass.core.errors import SchedulerSilent

TIMEOUT_S = 12.0
"""Less than a third of what the hub waits for a verb, as one verb may ask up to three commands."""
MAX_AT_ONCE = 4
"""A login node is shared."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is one scheduler's own about its commands."""

    name: str
    silence: tuple[str, ...]
    """Its words, in lower case, for "nobody is there to answer"."""
    dropped: tuple[str, ...] = ()
    """Beginnings of variables that would change what commands print or what a job asks for."""
    kept: tuple[str, ...] = ()
    """Those that begin so and stay: the person's own defaults."""
    formatting: Mapping[str, str] = field(default_factory=dict)
    """Variables with which commands print what is read here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    out: str
    err: str
    code: int
    silence: tuple[str, ...] = ()

    @property
    def is_silence(self) -> bool:
        """Whether the scheduler was not there to answer."""
        said = self.err.lower()
        return any(word in said for word in self.silence)

    @property
    def is_error(self) -> bool:
        """Whether it failed, whatever its exit code."""
        return self.code != 0 or ("error:" in self.err.lower() and not self.out.strip())

    @property
    def words(self) -> str:
        """The scheduler's own last word about what was wrong, without the name of the command."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        for mark in ("failed: ", "error: "):
            last = last.rpartition(mark)[2]
        return last


class Commands:
    """The commands of a scheduler on this machine."""

    def __init__(
        self, dialect: Dialect, environ: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._dialect = dialect
        self._environ = environ
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def ask(self, *words: str) -> Answer:
        """A question. Raises SchedulerSilent."""
        answer = await self.run(*words)
        if answer.is_error and answer.is_silence:
            name = self._dialect.name
            raise SchedulerSilent(f"{name} does not answer {words[0]}: {answer.words}.")
        return answer

    async def run(self, *words: str, cwd: Path | None = None, for_job: bool = False) -> Answer:
        """One command to its end; `for_job`: its environment becomes a job's.

        Raises SchedulerSilent when it cannot be run or takes too long.
        """
        environ = self.job_environment() if for_job else self._neutral()
        async with self._places:
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=environ,
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise SchedulerSilent(f"{words[0]} cannot be run: {error.strerror}.") from error
            try:
                async with asyncio.timeout(self._timeout_s):
                    out, err = await process.communicate()
            except BaseException as error:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                if isinstance(error, TimeoutError):
                    raise SchedulerSilent(
                        f"{words[0]} did not answer within {self._timeout_s:g} s."
                    ) from error
                raise
        return Answer(
            out.decode("utf-8", "replace"),
            err.decode("utf-8", "replace"),
            process.returncode or 0,
            self._dialect.silence,
        )

    def job_environment(self) -> dict[str, str]:
        """What a job inherits: the person's own, without a job's around us and without our settings."""
        dialect = self._dialect
        return {
            name: value
            for name, value in self._environ.items()
            if name in dialect.kept or not name.startswith(dialect.dropped)
        }

    def _neutral(self) -> dict[str, str]:
        return self.job_environment() | dict(self._dialect.formatting)
