"""The folders of jobs: one for each launch, mode 0700, with all that its job needs and leaves.

`token`, `spec.json` and `server-key` are secret and are removed once the job has ended; `exit` is
what the job's shell wrote at its end. A folder outlives whoever made it, so a hub or a joined
machine that was restarted finds its jobs again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from underpass.clusters.base import JobOrder
from underpass.clusters.script import END_FILE, Surroundings, launch_file
from underpass.core.errors import LaunchRejected
from underpass.core.ids import new_secret
from underpass.core.states import EndReason

_TAG = re.compile(r"[a-z0-9_.-]{1,80}")
_KEPT_S = 7 * 24 * 3600
_LOG_TAIL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class AgentsEnd:
    """Why an agent ended, in its own words."""

    reason: EndReason
    exit_code: int | None
    message: str


class JobFolders:
    """All of them, below one folder. Several processes may share it one after another."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, tag: str) -> Path:
        """The folder of a launch, there or not. Raises LaunchRejected for what can be no tag."""
        if not _TAG.fullmatch(tag) or tag.startswith("."):
            raise LaunchRejected(f"'{tag[:80]}' cannot name a job.")
        return self.root / tag

    def check(self, order: JobOrder) -> None:
        """Raises LaunchRejected when a file or folder that the order names is not there."""
        for file in order.files:
            if not os.access(os.path.expanduser(file), os.R_OK):
                raise LaunchRejected(
                    f"{file} is not there, or cannot be read, on {socket.gethostname()}.",
                    hint="Check the path; it is read on the machine where the session runs.",
                )
        image, venv = order.software.image, order.software.venv
        # Others are looked for by the job itself: `docker://…`, or a path from where it starts.
        if image is not None and image.startswith("/") and not os.access(image, os.R_OK):
            raise LaunchRejected(
                f"The image {image} is not there, or cannot be read, on {socket.gethostname()}.",
                hint="Check its path, or name one that is fetched: docker://…",
            )
        is_full = venv is not None and venv.startswith("/")
        if is_full and not os.access(f"{venv}/bin/activate", os.R_OK):
            raise LaunchRejected(
                f"{venv} is no virtual environment on {socket.gethostname()}.",
                hint="Check its path: it holds bin/activate.",
            )
        if order.cwd is not None and not os.path.isdir(order.cwd):
            raise LaunchRejected(f"The folder {order.cwd} is not there.", hint="Check the path.")

    def prepare(
        self, order: JobOrder, around: Surroundings, is_live: Callable[[Path], bool]
    ) -> None:
        """Makes the folder with its secrets; those of the session's ended launches go.

        Raises LaunchRejected when it cannot be written.
        """
        folder = self.of(order.tag)
        try:
            self._prune(order.session_id, folder, is_live)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            key = new_secret("sk-") if order.has_key else None
            write_private(around.token_file, order.token + "\n")
            if key is not None:
                write_private(around.key_file, key + "\n")
            write_private(around.spec_file, json.dumps(launch_file(order, around, key), indent=1))
        except OSError as error:
            raise LaunchRejected(
                f"The job's folder {folder} cannot be written: {error.strerror}.",
                hint="Make room there, or check its permissions.",
            ) from error

    def forget_secrets(self, tag: str) -> None:
        """The job has ended: nobody needs them any more."""
        for name in ("token", "server-key", "spec.json"):
            (self.of(tag) / name).unlink(missing_ok=True)

    def agents_end(self, tag: str) -> AgentsEnd | None:
        """What the agent wrote about its end; None if it wrote nothing that is understood."""
        try:
            said = json.loads((self.of(tag) / END_FILE).read_text())
            return AgentsEnd(
                EndReason(said["reason"]), said["exit_code"], str(said["message"])[:1000]
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def tail(self, tag: str, name: str, lines: int) -> list[str]:
        """The last lines of a log in the folder; none if it is not there."""
        try:
            with (self.of(tag) / name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def _prune(self, session_id: str, keep: Path, is_live: Callable[[Path], bool]) -> None:
        now = time.time()
        for folder in self.root.glob("ses_*"):
            is_earlier = folder.name.startswith(f"{session_id}.") and folder != keep
            if not is_earlier and now - folder.stat().st_mtime < _KEPT_S:
                continue
            if not is_live(folder):
                shutil.rmtree(folder, ignore_errors=True)


def write_private(path: str | Path, text: str) -> None:
    """Writes a file that nobody else can read at any moment, whole or not at all."""
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def number_in(path: Path) -> int | None:
    """The number that a file holds; None where there is no such file or no number in it."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
