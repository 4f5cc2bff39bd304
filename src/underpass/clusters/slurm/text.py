"""What Slurm's commands print → rows. Pure, and tolerant: a line that is not understood is left out.

Formats are always given, with a separator that no name holds (ASCII's unit separator), so neither a
site's defaults nor a name with blanks moves a column.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass

SEPARATOR = "\x1f"
ROW_END = "\x1e"
QUEUE_FORMAT = SEPARATOR.join(("%i", "%T", "%r", "%B", "%S", "%j", "%k")) + ROW_END
ACCOUNT_FIELDS = "JobIDRaw,State,ExitCode,NodeList,Reason"
PARTITION_FORMAT = SEPARATOR.join(("%P", "%a", "%l", "%L", "%D", "%c", "%m", "%G"))

_GPU = re.compile(r"gpu(?::([A-Za-z0-9_.-]+?))?:(\d+)(?:\(|$)")
_FIELD = re.compile(r"(?:^| )([A-Za-z:/]+)=")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One job in the queue; ended ones stand there for some minutes, too."""

    job_id: str
    state: str
    reason: str = ""
    host: str | None = None
    starts_at: float | None = None
    name: str = ""
    comment: str = ""
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """One row of sinfo: the nodes of a partition that are alike."""

    name: str
    is_default: bool
    is_up: bool
    time_limit_s: int | None
    default_time_s: int | None
    nodes: int
    cpus: int
    memory_mb: int
    gpus: tuple[tuple[str, int], ...]
    """(type, how many on one node); the type is empty where the site names none."""


def queue(text: str) -> list[QueueRow]:
    """The rows of `squeue -o QUEUE_FORMAT`."""
    rows = []
    for line in text.split(ROW_END):
        fields = line.strip("\n").split(SEPARATOR)
        if len(fields) < 7:
            continue
        job_id, state, reason, host, start, name = (field.strip() for field in fields[:6])
        if not job_id[:1].isdigit():
            continue
        rows.append(
            QueueRow(
                job_id,
                state,
                _or_empty(reason),
                _or_empty(host) or None,
                moment(start),
                name,
                SEPARATOR.join(fields[6:]).strip(),
            )
        )
    return rows


def accounting(text: str) -> list[QueueRow]:
    """The rows of `sacct -P --delimiter=SEPARATOR --format=ACCOUNT_FIELDS`."""
    rows = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(SEPARATOR)]
        if len(fields) < 5 or not fields[0].isdigit():
            continue
        code, number = exit_code(fields[2])
        rows.append(
            QueueRow(
                fields[0],
                fields[1],
                _or_empty(fields[4]),
                _or_empty(fields[3]) or None,
                exit_code=code,
                signal=number,
            )
        )
    return rows


def job_of_controller(text: str) -> QueueRow | None:
    """The first job of `scontrol show job -o`; None if it shows none."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    # NAME=VALUE pairs between blanks; values hold blanks, too, so names are what the line is cut at.
    marks = list(_FIELD.finditer(line))
    ends = [mark.start() for mark in marks[1:]] + [len(line)] * bool(marks)
    fields: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=True):
        # The first of a name counts: a comment could hold something that looks like a field.
        fields.setdefault(mark[1], line[mark.end() : end].strip())
    if not fields.get("JobId", "").isdigit() or "JobState" not in fields:
        return None
    code, number = exit_code(fields.get("ExitCode", ""))
    return QueueRow(
        fields["JobId"],
        fields["JobState"],
        _or_empty(fields.get("Reason", "")),
        _or_empty(fields.get("BatchHost", "")) or None,
        moment(fields.get("StartTime", "")),
        name=fields.get("JobName", ""),
        comment=fields.get("Comment", ""),
        exit_code=code,
        signal=number,
    )


def partitions(text: str) -> list[Partition]:
    """The rows of `sinfo -o PARTITION_FORMAT`."""
    rows = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(SEPARATOR)]
        if len(fields) != 8 or not fields[0]:
            continue
        name, up, limit, default, nodes, cpus, memory, gres = fields
        rows.append(
            Partition(
                name.removesuffix("*"),
                name.endswith("*"),
                up.startswith("up"),
                span(limit),
                span(default),
                _first_number(nodes),
                _first_number(cpus),
                _first_number(memory),
                tuple((kind or "", int(count)) for kind, count in _GPU.findall(gres)),
            )
        )
    return rows


def exit_code(text: str) -> tuple[int | None, int | None]:
    """`3:0` → code 3; `0:9` → ended by signal 9; anything else → nothing is known."""
    code, _, number = text.partition(":")
    if not code.isdigit():
        return None, None
    return int(code), int(number) if number.isdigit() and int(number) else None


def span(text: str) -> int | None:
    """Seconds of `2-00:00:00`, `1:00:00`, `30:00` or `15` (minutes); None for `infinite`, `n/a`."""
    days, has_days, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in (*parts, *([days] if has_days else []))):
        return None
    numbers = [int(part) for part in parts]
    if has_days:  # days-hours, days-hours:minutes, days-hours:minutes:seconds
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return ((int(days) * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(numbers) == 1:
        return numbers[0] * 60
    total = 0
    for number in numbers[:3]:
        total = total * 60 + number
    return total


def moment(text: str) -> float | None:
    """Unix seconds of a time in UTC as Slurm writes it; None for `N/A`, `Unknown` and the like."""
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return None


def _or_empty(text: str) -> str:
    """What Slurm writes for nothing becomes nothing."""
    return "" if text in ("None", "none", "n/a", "N/A", "(null)", "None assigned", "NULL") else text


def _first_number(text: str) -> int:
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0
