"""Processes on this machine, as a cluster.

Each job has a folder (mode 0700) with its launch file, its token, its pid, its log and, once it
ended, its exit code. All that is known of a job is in its folder and in the process table, so a hub
that was restarted finds its jobs again, and a job outlives the hub that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from underpass.clusters import processes
from underpass.clusters.base import Capabilities, JobOrder, JobPhase, JobRef, JobReport
from underpass.clusters.folder import JobFolders, number_in, write_private
from underpass.clusters.script import (
    Surroundings,
    agent_words,
    child_environment,
    shown_command,
    wrapper_words,
)
from underpass.core.errors import LaunchRejected

_GONE_WITHIN_S = 2.0


class LocalCluster:
    """Runs jobs as processes of this user. Several may share one folder one after another.

    `hub_url` is where the jobs' agents dial to, or a function that says so once it is known.
    """

    kind = "local"
    poll_interval_s = 1.0

    def __init__(
        self,
        folder: Path,
        *,
        hub_url: str | Callable[[], str],
        ca_file: str | None = None,
        insecure_http: bool = False,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folders = JobFolders(folder)
        self._hub_url = hub_url
        self._ca_file = ca_file
        self._insecure_http = insecure_http
        self._python = python
        self._environment = environment

    def __repr__(self) -> str:
        return f"LocalCluster({self._folders.root})"

    async def submit(self, order: JobOrder) -> str:
        """Starts the job's agent; the job's id is its process id."""
        return await asyncio.to_thread(self._submit, order)

    async def show(self, order: JobOrder) -> str:
        """The command that starts the agent; there is no other script here."""
        return shown_command(agent_words(self._around(order.tag))) + "\n"

    async def poll(self, tags: Sequence[str]) -> list[JobReport]:
        """Looks at each tag's folder and process."""
        found = await asyncio.to_thread(lambda: [self._look(tag) for tag in tags])
        return [report for report in found if report is not None]

    async def cancel(self, job: JobRef, *, kill: bool = False) -> None:
        """TERM to the job's group; with `kill` KILL to it and to all that carries its tag."""
        await asyncio.to_thread(self._cancel, job.tag, kill)

    async def capabilities(self, programs: Sequence[str]) -> Capabilities:
        """This machine, and where its programs are."""
        return await asyncio.to_thread(self._capabilities, programs)

    async def logs(self, job: JobRef, lines: int) -> list[str]:
        """The end of what the agent wrote."""
        return await asyncio.to_thread(self._folders.tail, job.tag, "agent.log", lines)

    # --- in a thread: files and the process table ----------------------------------------------

    def _submit(self, order: JobOrder) -> str:
        folder = self._folders.of(order.tag)
        pid = self._pid(folder)
        if pid is not None:
            return str(pid)
        if order.others:
            raise LaunchRejected(
                "This is one machine, and the session asks for several.",
                hint="Leave `nodes` out, or start it on a cluster with Slurm.",
            )
        self._folders.check(order)
        if order.software.is_plain:
            self._check_program(order)
        self._folders.prepare(order, self._around(order.tag), self._is_live)
        return str(self._spawn(order))

    def _check_program(self, order: JobOrder) -> None:
        program = order.command[0] if order.command else "{python}"
        where = {**self._environ(), **order.env}.get("PATH")
        found = shutil.which(
            os.path.join(order.cwd or "", program) if "/" in program else program, path=where
        )
        if program != "{python}" and found is None:
            raise LaunchRejected(
                f"The program {program} is not installed on {socket.gethostname()}.",
                hint="Install it, or give its full path.",
            )

    def _spawn(self, order: JobOrder) -> int:
        folder = self._folders.of(order.tag)
        words = wrapper_words(self._around(order.tag))
        log = os.open(folder / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            # A session of its own: the hub's Ctrl-C and its end do not reach the job.
            pid = os.posix_spawn(
                words[0],
                words,
                child_environment(self._environ(), order.tag),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, nothing, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(log)
            os.close(nothing)
        # The job writes the same number; this one is there before the first poll.
        write_private(folder / "pid", f"{pid}\n")
        return pid

    def _look(self, tag: str) -> JobReport | None:
        folder = self._folders.of(tag)
        pid = self._pid(folder)
        if pid is None:
            return None
        processes.collect(pid)
        host = socket.gethostname()
        if processes.is_leader(pid, self._around(tag).spec_file):
            return JobReport(tag, str(pid), JobPhase.RUNNING, "running", host=host)
        processes.collect(pid)  # it may have ended between the two looks
        code = number_in(folder / "exit")
        state = "killed" if code is None else f"exited ({code})"
        self._folders.forget_secrets(tag)
        return JobReport(tag, str(pid), JobPhase.ENDED, state, host=host, exit_code=code)

    def _cancel(self, tag: str, kill: bool) -> None:
        pid = self._pid(self._folders.of(tag))
        is_alive = pid is not None and processes.is_leader(pid, self._around(tag).spec_file)
        if kill:
            processes.kill_all(pid if is_alive else None, tag)
            if pid is not None:
                processes.wait_gone(pid, _GONE_WITHIN_S)
        elif is_alive and pid is not None:
            processes.send(pid, signal.SIGTERM)

    def _capabilities(self, programs: Sequence[str]) -> Capabilities:
        where = self._environ().get("PATH")
        return Capabilities(
            kind=self.kind,
            host=socket.gethostname(),
            user=_user(),
            cpus=os.cpu_count(),
            gpus=tuple(sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))),
            programs={name: shutil.which(name, path=where) for name in programs},
        )

    def _is_live(self, folder: Path) -> bool:
        pid = self._pid(folder)
        return pid is not None and processes.is_leader(pid, self._around(folder.name).spec_file)

    def _pid(self, folder: Path) -> int | None:
        return number_in(folder / "pid")

    def _around(self, tag: str) -> Surroundings:
        url = self._hub_url if isinstance(self._hub_url, str) else self._hub_url()
        return Surroundings(
            hub_url=url,
            job_dir=str(self._folders.of(tag).absolute()),
            python=self._python,
            kind=self.kind,
            ca_file=self._ca_file,
            insecure_http=self._insecure_http,
        )

    def _environ(self) -> Mapping[str, str]:
        return os.environ if self._environment is None else self._environment


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
