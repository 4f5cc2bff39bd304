"""The command line, run in this process against a hub in this process."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from underpass.cli import main


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


class Terminal:
    """A user's shell: its own home folder, no proxies, the hub and key of the test."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
        home: Path,
    ) -> None:
        self.home = home
        self._patch = patch
        self._capture = capture
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        for name in ("UNDERPASS_HUB", "UNDERPASS_KEY", "UNDERPASS_CA_FILE"):
            patch.delenv(name, raising=False)
        patch.setenv("XDG_CONFIG_HOME", str(home))

    def sign_in(self, url: str, key: str) -> None:
        """From now on commands find the hub and the key in the environment."""
        self._patch.setenv("UNDERPASS_HUB", url)
        self._patch.setenv("UNDERPASS_KEY", key)

    async def run(self, *words: str, stdin: str = "") -> Said:
        """One command to its end, in a thread: the hub goes on in this one."""
        self._capture.readouterr()
        self._patch.setattr("sys.stdin", io.StringIO(stdin))
        code = await asyncio.to_thread(main.run, words)
        said = self._capture.readouterr()
        return Said(code, said.out, said.err)
