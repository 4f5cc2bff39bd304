"""An order → the `#SBATCH` lines of its job. Pure.

Every value is checked against what Slurm lets a name be before it is written into a line: nothing that a
person typed can end the line, begin another or be read as a second option.
"""

from __future__ import annotations

import re

from underpass.clusters.base import JobOrder, Resources
from underpass.core.errors import LaunchRejected

COMMENT = "underpass:"
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@:-]{0,127}")
_PARTITION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@:,-]{0,255}")
_MEMORY = re.compile(r"(\d{1,9}) ?([KMGT]?)i?B?", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

_LONGEST_WARNING_S = 300
_SHORTEST_WARNING_S = 30
_LEAST_WARNED_S = 180


def job_name(order: JobOrder) -> str:
    """What the queue shows: the session's name, then the tag, by which the job is found again."""
    return f"{_NOT_IN_NAMES.sub('-', order.name)[:40]}.{order.tag}"


def sbatch_lines(order: JobOrder) -> list[str]:
    """The scheduler's lines. Raises LaunchRejected for a value that cannot be one."""
    asked = order.resources
    options = [
        f"--job-name={job_name(order)}",
        f"--comment={COMMENT}{order.tag}",
        # The job writes its log itself: Slurm would read a `%` in the folder's path as a pattern.
        "--output=/dev/null",
        # Preempted, or its machine failed: it comes back by itself, and its session with it.
        "--requeue",
        f"--nodes={asked.nodes or 1}",
        "--ntasks-per-node=1",
    ]
    if warning := warning_s(asked.time_s):
        options.append(f"--signal=B:USR1@{warning}")
    if asked.time_s is not None:
        options.append(f"--time={_time(asked.time_s)}")
    if asked.gpus:
        kind = f"{_checked('GPU type', asked.gpu_type)}:" if asked.gpu_type else ""
        options.append(f"--gres=gpu:{kind}{asked.gpus}")
    if asked.cpus:
        options.append(f"--cpus-per-task={asked.cpus}")
    if asked.memory:
        options.append(f"--mem={memory_mb(asked.memory)}M")
    if asked.partition:
        options.append(f"--partition={_checked('partition', asked.partition, _PARTITION)}")
    if asked.account:
        options.append(f"--account={_checked('account', asked.account)}")
    if asked.qos:
        options.append(f"--qos={_checked('quality of service', asked.qos)}")
    return [f"#SBATCH {option}" for option in options]


def warning_s(time_s: int | None) -> int | None:
    """How long before its limit a job is told: a twentieth of its time, from half a minute to five.

    Slurm may tell it up to a minute earlier (sbatch's manual, --signal), which would end a short
    job as soon as it began: that one (None) hears of its limit when it is there.
    """
    if time_s is None:
        return 120
    if time_s < _LEAST_WARNED_S:
        return None
    return max(_SHORTEST_WARNING_S, min(_LONGEST_WARNING_S, time_s // 20))


def memory_mb(text: str) -> int:
    """`64G`, `64 GiB`, `64000` (megabytes) → megabytes. Raises LaunchRejected."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise LaunchRejected(
            f"'{text[:40]}' is no amount of memory.", hint="Write it like 64G or 512M."
        )
    amount, unit = int(match[1]), match[2].upper()
    if unit == "K":
        return max(1, amount // 1024)
    return amount * {"": 1, "M": 1, "G": 1024, "T": 1024 * 1024}[unit]


def check_numbers(asked: Resources) -> None:
    """Numbers that come over a link are numbers. Raises LaunchRejected."""
    for name in ("gpus", "nodes", "cpus", "time_s"):
        value = getattr(asked, name)
        if value is not None and (type(value) is not int or not 0 <= value <= 10**8):
            raise LaunchRejected(f"'{name}' must be a whole number.")


def _checked(what: str, value: str, pattern: re.Pattern[str] = _WORD) -> str:
    if pattern.fullmatch(value) is None:
        raise LaunchRejected(
            f"'{value[:60]}' cannot be the name of a {what}.",
            hint="`underpass clusters show` lists what the cluster offers.",
        )
    return value


def _time(seconds: int) -> str:
    """`1-02:03:04`. Slurm counts in minutes and rounds up."""
    minutes, rest = divmod(max(60, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
