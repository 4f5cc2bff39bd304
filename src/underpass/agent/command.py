"""The wrapped model server: started, watched, signalled, and ended with its whole group.

It gets a process group of its own, so that Ctrl-C reaches it through the agent (which says first
that it stops), and it is asked to end when the agent dies. `{port}` in its words stands for a
port of 127.0.0.1 that the agent holds until the moment of the start; `{socket}` for a path in a
directory that only this user can enter.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from underpass.core.errors import LaunchRejected
from underpass.core.targets import MAX_SOCKET_PATH_BYTES, Target

MAX_LINE_BYTES = 8 * 1024
# How long after its start a command that ends may have met a port that somebody else took.
PORT_RACE_S = 60.0
PORT_ATTEMPTS = 3
_PR_SET_PDEATHSIG = 1
_IN_USE = re.compile(rb"address already in use|EADDRINUSE|errno 98", re.IGNORECASE)

OnLine = Callable[[str, str], None]
"""(source, text): one line of the command's output; the source is `stdout` or `stderr`."""


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """What to start, with its placeholders still open."""

    argv: tuple[str, ...]
    target: str
    """`{port}`, `{socket}`, or any target."""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    stop_grace_s: float = 30.0

    def wants(self, placeholder: str) -> bool:
        """Whether `{port}` or `{socket}` occurs anywhere."""
        mark = f"{{{placeholder}}}"
        return any(mark in text for text in (*self.argv, self.target, *self.env.values()))


class Command:
    """One run of the command; `start` again gives it another port."""

    def __init__(self, plan: CommandPlan, environ: Mapping[str, str], on_line: OnLine) -> None:
        """`environ` is what the command inherits."""
        self._plan = plan
        self._environ = dict(environ)
        self._on_line = on_line
        self._folder: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._started_at = 0.0
        self._is_port_held = False
        self._saw_address_in_use = False
        self.target: Target | None = None
        self.on_moved: Callable[[Target], None] = lambda _target: None
        """Called when a restart gave the command another port."""
        self.on_part: Callable[[str], None] = lambda _text: None
        """Called with what stands on a line that is not ended yet: bars are drawn over themselves."""

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> Target:
        """Start it; returns where it will listen. Raises LaunchRejected, which says why not."""
        values: dict[str, str] = {}
        held: socket.socket | None = None
        if self._plan.wants("port"):
            held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held.bind(("127.0.0.1", 0))
            values["port"] = str(held.getsockname()[1])
        if self._plan.wants("socket"):
            values["socket"] = self._socket_path()
        self._is_port_held = held is not None
        self.target = _target(self._plan.target, values)
        try:
            # Closed at the last moment: what the kernel gave us it gives to nobody else meanwhile.
            await self._spawn(values, held)
        finally:
            if held is not None:
                held.close()
        return self.target

    async def wait(self) -> int:
        """The exit code (negative: ended by that signal), once all its output was read.

        A command that ends at once because its port was taken is started again, on another one.
        """
        for attempt in range(1, PORT_ATTEMPTS + 1):
            code = await self._wait_once()
            if attempt == PORT_ATTEMPTS or not self._lost_its_port(code):
                return code
            self._on_line("agent", "The port was taken by someone else; starting on another one.")
            self.on_moved(await self.start())
        raise AssertionError("unreachable: the last attempt returns")

    def pass_on(self, number: signal.Signals) -> None:
        """Pass a signal on to the command's whole group."""
        if self.pid is not None:
            _signal_group(self.pid, number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Ask the group to end, kill what is left after the grace; returns the exit code."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            _signal_group(process.pid, number)
            try:
                async with asyncio.timeout(self._plan.stop_grace_s):
                    await process.wait()
            except TimeoutError:
                pass  # it had its time: what follows does not ask
        # The leader may have gone and left workers behind, which hold the GPU.
        _signal_group(process.pid, signal.SIGKILL)
        return await self._wait_once()

    def close(self) -> None:
        """Remove the socket's folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- inside ------------------------------------------------------------------------------

    async def _spawn(self, values: Mapping[str, str], held: socket.socket | None) -> None:
        plan = self._plan
        argv = [_fill(word, values) for word in plan.argv]
        env = {**self._environ, "PYTHONUNBUFFERED": "1"}
        env.update({name: _fill(value, values) for name, value in plan.env.items()})
        if held is not None:
            held.close()
        out, err = _Pipe(), _Pipe()
        try:
            # Pipes of our own: asyncio's `wait` would also wait for a grandchild that keeps them.
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out.write_end,
                stderr=err.write_end,
                env=env,
                cwd=plan.cwd,
                start_new_session=True,
                preexec_fn=_die_with_parent if _LIBC is not None else None,
            )
        except (OSError, ValueError) as error:
            out.close_reading()
            err.close_reading()
            raise _not_started(plan.argv[0], plan.cwd, error) from error
        finally:
            out.close_writing()
            err.close_writing()
        self._started_at = asyncio.get_running_loop().time()
        self._saw_address_in_use = False
        self._readers = [
            asyncio.create_task(self._read(out, "stdout")),
            asyncio.create_task(self._read(err, "stderr")),
        ]

    async def _read(self, pipe: _Pipe, source: str) -> None:
        transport, stream = await pipe.open()
        rest = b""
        try:
            while piece := await stream.read(MAX_LINE_BYTES):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._take(source, line)
                rest = self._parts(rest)
                if (
                    len(rest) >= MAX_LINE_BYTES
                ):  # without an end: in pieces, so that memory is bounded
                    self._take(source, rest)
                    rest = b""
            if rest:
                self._take(source, rest)
        finally:
            transport.close()

    def _parts(self, rest: bytes) -> bytes:
        """Tells of what was drawn over itself; returns what a terminal would still show."""
        *drawn, last = rest.split(b"\r")
        for part in drawn:
            self.on_part(part.decode("utf-8", "replace"))
        return last if last or not drawn else drawn[-1] + b"\r"

    def _take(self, source: str, line: bytes) -> None:
        if self._is_port_held and _IN_USE.search(line):
            self._saw_address_in_use = True
        shown = line.rstrip(b"\r").rpartition(b"\r")[2]
        self._on_line(source, shown.decode("utf-8", "replace"))

    async def _wait_once(self) -> int:
        process = self._process
        assert process is not None
        code = await process.wait()
        # A grandchild may keep the pipes open: it is not waited for.
        _done, still = await asyncio.wait(self._readers, timeout=1.0)
        for reader in still:
            reader.cancel()
        await asyncio.gather(*still, return_exceptions=True)
        return code

    def _lost_its_port(self, code: int) -> bool:
        """Whether it ended because the port that was picked for it was in use."""
        age_s = asyncio.get_running_loop().time() - self._started_at
        return code > 0 and self._saw_address_in_use and age_s < PORT_RACE_S

    def _socket_path(self) -> str:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="underpass-")  # mode 0700
        path = os.path.join(self._folder, "s.sock")
        if len(path.encode()) > MAX_SOCKET_PATH_BYTES:
            # A long TMPDIR: a socket's path has no room for it.
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = tempfile.mkdtemp(prefix="underpass-", dir="/tmp")
            path = os.path.join(self._folder, "s.sock")
        # A server that crashed leaves its socket, and most refuse to bind over one.
        Path(path).unlink(missing_ok=True)
        return path


class _Pipe:
    """A pipe whose writing end the command gets."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()

    async def open(self) -> tuple[asyncio.ReadTransport, asyncio.StreamReader]:
        """Its reading end on the event loop."""
        stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(self._read_end, "rb", 0)
        )
        return transport, stream

    def close_writing(self) -> None:
        """The command has it now: without this the end would never be seen."""
        os.close(self.write_end)

    def close_reading(self) -> None:
        """Nobody will write."""
        os.close(self._read_end)


def program_of(argv: Sequence[str]) -> str:
    """What a command is called; of `sh -c SCRIPT NAME …` the name that it gives itself."""
    program = os.path.basename(argv[0])
    if program in ("sh", "bash") and len(argv) > 3 and argv[1] == "-c":
        program = os.path.basename(argv[3])
    return program


def exit_words(code: int) -> str:
    """An exit code as a person says it: `ended with code 3`, `was ended by SIGKILL`."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _fill(text: str, values: Mapping[str, str]) -> str:
    # Not str.format: any other brace in a command (JSON, shell) means itself.
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _target(template: str, values: Mapping[str, str]) -> Target:
    if template == "{socket}":
        return Target.parse(f"unix:{values['socket']}")
    return Target.parse(_fill(template, values))


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # the group is gone already


def _not_started(program: str, cwd: str | None, error: Exception) -> LaunchRejected:
    if isinstance(error, FileNotFoundError):
        if cwd is not None and not os.path.isdir(cwd):
            return LaunchRejected(f"The folder {cwd} does not exist here.", code="cwd_missing")
        return LaunchRejected(
            f"The program '{program}' is not found on this machine.",
            code="command_missing",
            hint="Give its full path, or load the module or environment that has it first.",
        )
    if isinstance(error, PermissionError):
        return LaunchRejected(f"'{program}' may not be executed.", code="command_forbidden")
    return LaunchRejected(f"'{program}' cannot be started: {error}.", code="command_invalid")


def _load_libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


_LIBC = _load_libc()


def _die_with_parent() -> None:
    """In the child: ask the kernel for SIGTERM when the agent is gone, however it went."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
