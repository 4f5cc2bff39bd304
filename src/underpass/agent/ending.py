"""Why an agent ends, and what that means for its exit code and for the session. Pure but for
one small look at the kernel's counter of processes that were killed for memory."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underpass.agent.command import exit_words
from underpass.agent.shortage import Kind
from underpass.core.errors import AppError
from underpass.core.states import EndReason

_MORE = {
    Kind.HOST: "Ask for more memory, or use a smaller model or context.",
    Kind.GPU: "Ask for more GPUs or larger ones, or use a smaller model or context.",
}

# A job that is ended with less than this left was ended by its limit.
AT_THE_LIMIT_S = 90.0


@dataclass(frozen=True, slots=True)
class End:
    """The end: `reason` None means that this was no end of the session (the link was refused)."""

    reason: EndReason | None
    message: str
    exit_code: int = 0
    command_exit_code: int | None = None
    hint: str | None = None
    signal: signal.Signals = signal.SIGTERM
    """What the wrapped command is asked to end with."""


def by_signal(number: signal.Signals, *, in_job: bool, left_s: float | None) -> End:
    """The user or the scheduler asked for the end."""
    if not in_job or number is signal.SIGINT:
        return End(EndReason.USER, "Stopped.", signal=number)
    if left_s is not None and left_s <= AT_THE_LIMIT_S:
        return End(
            EndReason.WALLTIME,
            "The job reached its time limit.",
            hint="Start it again, with more time if it needs more.",
            signal=number,
        )
    return End(EndReason.CANCELLED, "The job was cancelled.", signal=number)


def by_hub(reason: str) -> End:
    """The hub asked for the end."""
    try:
        known = EndReason(reason)
    except ValueError:
        known = EndReason.USER
    return End(known, "The session was stopped at the hub.")


def by_refusal(error: AppError) -> End:
    """The hub will not have this agent (any more)."""
    if error.code in ("stopped", "replaced"):  # somebody wanted it so: nothing has failed
        return End(None, error.message, 0)
    return End(None, error.message, 1, hint=error.hint)


def by_command(program: str, code: int, *, short_of: Kind | None = None) -> End:
    """The wrapped command ended by itself; `short_of`: the memory that it did not get, if that was it."""
    exit_code = code if code >= 0 else 128 - code
    if short_of is not None:
        by_kernel = code == -signal.SIGKILL
        what = "was ended by the kernel: the session ran out of" if by_kernel else "ran out of"
        return End(
            EndReason.OUT_OF_MEMORY,
            f"{program} {what} {short_of.value}.",
            exit_code,
            code,
            hint=_MORE[short_of],
        )
    return End(
        EndReason.SERVER_EXITED,
        f"{program} {exit_words(code)}.",
        exit_code,
        code,
        hint=None if code == 0 else "Its last lines say why.",
    )


def write_down(file: str | None, last_words: Mapping[str, Any]) -> None:
    """The last words, where the job's cluster finds them if no hub was there to hear them."""
    if file is None:
        return
    kept = {name: last_words[name] for name in ("reason", "exit_code", "message")}
    try:
        # Whole or not at all: a poll may read it at any moment.
        Path(f"{file}.new").write_text(json.dumps(kept))
        Path(f"{file}.new").replace(file)
    except OSError:
        return  # a full disk: the exit code is still there


def memory_kills(proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """How often the kernel has killed in this cgroup (v2) for memory; 0 where it cannot be read."""
    try:
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            hierarchy, _, path = line.split(":", 2)
            if hierarchy == "0":
                events = (root / path.lstrip("/") / "memory.events").read_text()
                counts = dict(row.split() for row in events.splitlines())
                return int(counts.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0
    return 0
