"""The processes of a local job: is it this one, which are left over, end them all.

A number alone proves nothing, since it is given out again. The leader of a job is known by its
command line, which names the job's own launch file; what it left behind by the job's tag in its
environment. Where there is no /proc (macOS) `ps` is asked, and what left the group is not found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from underpass.clusters.script import JOB_VARIABLE

_PROC = Path("/proc")
_EXEC_LOOKS = 50


def is_leader(pid: int, spec_file: str) -> bool:
    """Whether the process is alive and runs this launch file."""
    if not _PROC.is_dir():
        return spec_file in _from_ps(pid)
    folder = _PROC / str(pid)
    try:
        # Nothing: it ended and was not collected yet, or it is between two programs (exec).
        for _ in range(_EXEC_LOOKS):
            line = (folder / "cmdline").read_bytes()
            if line or (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] in b"ZX":
                return spec_file.encode() in line.split(b"\0")
            time.sleep(0.002)
    except OSError:
        return False
    return False


def members(tag: str) -> list[int]:
    """The processes of this user whose environment carries the job's tag."""
    marker = f"{JOB_VARIABLE}={tag}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*"):
        # Not ours to read, or gone by now: then it is not one of ours.
        with suppress(OSError):
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def send(pid: int, number: signal.Signals) -> None:
    """A signal to the job's whole group; none is left there is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def kill_all(pid: int | None, tag: str) -> int:
    """Ends the group and every process that carries the tag; how many carried it."""
    if pid is not None:
        send(pid, signal.SIGKILL)
    left = members(tag)
    for member in left:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)
    return len(left)


def collect(pid: int) -> None:
    """Takes the exit status of a child of ours that has ended, so that it does not stay a zombie."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_gone(pid: int, within_s: float) -> bool:
    """Waits for a killed child of ours to be gone, and takes its exit status."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:
            return True  # of an earlier hub: whoever adopted it takes its status
        time.sleep(0.01)
    return False


def _from_ps(pid: int) -> str:
    done = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout
