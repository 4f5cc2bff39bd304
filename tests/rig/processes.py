"""Real processes for tests: started in their own group, logged to a file, ended by their id.

Nothing here ends a process by name. `left_over()` is what the end of the session checks: a test that
leaves a process behind is a failing test.
"""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from tests.rig.waiting import eventually

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The few variables a child needs, so that a developer's own settings change no test."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default", **(extra or {})}


def free_port() -> int:
    """A loopback port that nothing holds now; for programs that cannot take port 0."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """True when something accepts on this port, of loopback if nothing else is said."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


class Process:
    """One child process and everything it wrote (both streams, in one file)."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = list(command)
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=clean_environment(env),
                cwd=cwd,
                start_new_session=True,
            )

    def __repr__(self) -> str:
        return f"<Process {Path(self.command[0]).name} pid={self.pid} rc={self.returncode}>"

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    @property
    def is_alive(self) -> bool:
        return self.returncode is None

    def output(self) -> str:
        """Everything written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def wait_for_output(self, text: str, within_s: float = 15.0) -> str:
        """Until `text` was written; fails at once, with the tail, if the process ended without it."""

        def is_written() -> bool:
            if text in self.output():
                return True
            if not self.is_alive and text not in self.output():
                raise RuntimeError(f"{self!r} ended before it wrote {text!r}:\n{self.tail()}")
            return False

        try:
            eventually(is_written, within_s, f"{text!r} in the output of {self!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        return self.output()

    def wait_until_listening(
        self, port: int, within_s: float = 15.0, host: str = "127.0.0.1"
    ) -> None:
        """Until the port accepts; fails at once, with the tail, if the process ended."""

        def accepts() -> bool:
            if not self.is_alive:
                raise RuntimeError(f"{self!r} ended:\n{self.tail()}")
            return is_listening(port, host)

        eventually(accepts, within_s, f"port {port} of {self!r}")

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, within_s: float = 15.0) -> int:
        """The exit code, once it ended by itself."""
        try:
            return self._popen.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self!r} did not end in {within_s:g} s:\n{self.tail()}"
            ) from None

    def stop(self, grace_s: float = 10.0) -> int:
        """SIGTERM, then after the grace SIGKILL, to the whole group of this one process."""
        if self.is_alive:
            self._signal_group(signal.SIGTERM)
            try:
                self._popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                pass
        self._signal_group(signal.SIGKILL)
        return self._popen.wait(5)

    def kill(self) -> None:
        """As a power cut would: SIGKILL to the group."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait(5)

    def cpu_s(self) -> float:
        """CPU time that this process has used, user and system."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def left_over() -> list[str]:
    """Children of this test process that still run, each with its command."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in str(
                child.cmdline()
            ):
                found.append(f"{child.pid}: {' '.join(child.cmdline())[:200]}")
    return found
