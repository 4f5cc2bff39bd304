"""A command on a real terminal: what a person types, and what the person sees."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.rig.processes import clean_environment
from tests.rig.waiting import eventually_async

CTRL_C = "\x03"
CTRL_D = "\x04"


class PseudoTerminal:
    """`async with PseudoTerminal(words, environment) as screen:`; ends the command by itself."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._words = list(words)
        self._environment = {"TERM": "xterm", "COLUMNS": "100", **environment}
        self._seen = bytearray()
        self._fd = -1
        self._process: subprocess.Popen[bytes]

    async def __aenter__(self) -> Self:
        self._fd, own = pty.openpty()
        # The terminal becomes the command's own, so that Ctrl-C is a signal to it and to nobody else.
        take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        take += "os.execv(sys.argv[1], sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", take, *self._words],
            stdin=own,
            stdout=own,
            stderr=own,
            env=clean_environment(self._environment),
            start_new_session=True,
        )
        os.close(own)
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)
        os.close(self._fd)

    @property
    def seen(self) -> str:
        """Everything that came to the screen."""
        return self._seen.decode(errors="replace")

    async def sees(self, text: str, within_s: float = 20.0) -> None:
        """Returns once the text is on the screen, below what was seen before it last."""
        await eventually_async(
            lambda: text in self.seen or self._fail(), within_s, f"{text!r} in {self.seen!r}"
        )

    async def waits_for_input(self, prompts: int = 1) -> None:
        """Returns once the prompt has come so many times."""
        await eventually_async(
            lambda: self.seen.count("> ") >= prompts or self._fail(), 20, "a prompt"
        )

    def types(self, text: str) -> None:
        """As somebody at the keyboard."""
        os.write(self._fd, text.encode())

    async def ends(self, within_s: float = 20.0) -> int:
        """The exit code, once the command ended."""
        await eventually_async(
            lambda: self._process.poll() is not None, within_s, f"an end: {self.seen!r}"
        )
        self._read()
        code = self._process.returncode
        assert code is not None
        return code

    def _fail(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the command ended: {self.seen!r}")
        return False

    def _read(self) -> None:
        try:
            while data := os.read(self._fd, 65_536):
                self._seen += data
        except BlockingIOError:
            pass
        except OSError:  # Linux says so when the last process that had the terminal is gone
            asyncio.get_running_loop().remove_reader(self._fd)
