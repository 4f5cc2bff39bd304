"""Processes on this machine, as a cluster.

Each job has a folder (mode 0700) with its launch file, its token, its pid, its log and, once it
ended, its exit code. All that is known of a job is in its folder and in the process table, so a hub
that was restarted finds its jobs again, and a job outlives the hub that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from underpass.clusters import processes
from underpass.clusters.base import Capabilities, JobOrder, JobPhase, JobRef, JobReport
from underpass.clusters.script import (
    Surroundings,
    child_environment,
    launch_file,
    wrapper_words,
)
from underpass.core.errors import LaunchRejected
from underpass.core.ids import new_secret

_TAG = re.compile(r"[a-z0-9_.-]{1,80}")
_KEPT_FOLDER_S = 7 * 24 * 3600
_GONE_WITHIN_S = 2.0
_LOG_TAIL_BYTES = 256 * 1024


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
        self._folder = folder
        self._hub_url = hub_url
        self._ca_file = ca_file
        self._insecure_http = insecure_http
        self._python = python
        self._environment = environment

    def __repr__(self) -> str:
        return f"LocalCluster({self._folder})"

    async def submit(self, order: JobOrder) -> str:
        """Starts the job's agent; the job's id is its process id."""
        return await asyncio.to_thread(self._submit, order)

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
        return await asyncio.to_thread(self._logs, job.tag, lines)

    # --- in a thread: files and the process table ----------------------------------------------

    def _submit(self, order: JobOrder) -> str:
        folder = self._dir(order.tag)
        pid = self._pid(folder)
        if pid is not None:
            return str(pid)
        for file in order.files:
            if not os.access(os.path.expanduser(file), os.R_OK):
                raise LaunchRejected(
                    f"{file} is not there, or cannot be read, on {socket.gethostname()}.",
                    hint="Check the path; it is read on the machine where the session runs.",
                )
        if order.cwd is not None and not os.path.isdir(order.cwd):
            raise LaunchRejected(f"The folder {order.cwd} is not there.", hint="Check the path.")
        self._check_program(order)
        try:
            self._prepare(folder, order)
        except OSError as error:
            raise LaunchRejected(
                f"The job's folder {folder} cannot be written: {error.strerror}."
            ) from error
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

    def _prepare(self, folder: Path, order: JobOrder) -> None:
        self._prune(order.session_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        around = self._around(order.tag)
        key = new_secret("sk-") if order.has_key else None
        _write_private(around.token_file, order.token + "\n")
        if key is not None:
            _write_private(around.key_file, key + "\n")
        _write_private(around.spec_file, json.dumps(launch_file(order, around, key), indent=1))

    def _spawn(self, order: JobOrder) -> int:
        folder = self._dir(order.tag)
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
        _write_private(folder / "pid", f"{pid}\n")
        return pid

    def _look(self, tag: str) -> JobReport | None:
        folder = self._dir(tag)
        pid = self._pid(folder)
        if pid is None:
            return None
        processes.collect(pid)
        host = socket.gethostname()
        if processes.is_leader(pid, self._around(tag).spec_file):
            return JobReport(tag, str(pid), JobPhase.RUNNING, "running", host=host)
        processes.collect(pid)  # it may have ended between the two looks
        code = _number_in(folder / "exit")
        state = "killed" if code is None else f"exited ({code})"
        _forget_secrets(self._around(tag))
        return JobReport(tag, str(pid), JobPhase.ENDED, state, host=host, exit_code=code)

    def _cancel(self, tag: str, kill: bool) -> None:
        pid = self._pid(self._dir(tag))
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

    def _logs(self, tag: str, lines: int) -> list[str]:
        try:
            with (self._dir(tag) / "agent.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def _prune(self, session_id: str) -> None:
        """Removes the folders of a session's earlier launches and those of long ago."""
        now = time.time()
        for folder in self._folder.glob("*"):
            is_earlier = folder.name.startswith(f"{session_id}.")
            if not is_earlier and now - folder.stat().st_mtime < _KEPT_FOLDER_S:
                continue
            pid = self._pid(folder)
            if pid is None or not processes.is_leader(pid, self._around(folder.name).spec_file):
                shutil.rmtree(folder, ignore_errors=True)

    def _dir(self, tag: str) -> Path:
        if not _TAG.fullmatch(tag) or tag.startswith("."):
            raise LaunchRejected(f"'{tag[:80]}' cannot name a job.")
        return self._folder / tag

    def _pid(self, folder: Path) -> int | None:
        return _number_in(folder / "pid")

    def _around(self, tag: str) -> Surroundings:
        url = self._hub_url if isinstance(self._hub_url, str) else self._hub_url()
        return Surroundings(
            hub_url=url,
            job_dir=str(self._dir(tag).absolute()),
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


def _write_private(path: str | Path, text: str) -> None:
    """Writes a file that nobody else can read at any moment, whole or not at all."""
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _forget_secrets(around: Surroundings) -> None:
    for path in (around.token_file, around.key_file, around.spec_file):
        Path(path).unlink(missing_ok=True)


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
