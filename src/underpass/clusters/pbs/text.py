"""What PBS's commands print → rows. Pure, and tolerant.

`-F json` came with version 13 and is not always JSON (some versions escape nothing in a job's variables), so
what cannot be read so is read in the older form, `NAME = value` with continued lines.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from underpass.clusters.script import JOB_VARIABLE

_UNIT = {"b": 1 / 1024 / 1024, "kb": 1 / 1024, "mb": 1, "gb": 1024, "tb": 1024 * 1024}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?b)", re.IGNORECASE)
_OLD_JOB = re.compile(r"Job Id: *(\S+)")
_OLD_FIELD = re.compile(r" {4}([\w.-]+) = ?(.*)")
_TAG = re.compile(r"ses_[a-z0-9]+\.\d+")
GPU_TYPES = ("gpu_type", "gpu_model", "gputype", "gpumodel", "gpu_mod")
"""What sites call the type of a GPU; PBS has no name for it."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as qstat shows it."""

    job_id: str
    state: str
    comment: str = ""
    host: str | None = None
    tag: str | None = None
    exit_status: int | None = None
    used_s: int | None = None
    asked_s: int | None = None
    starts_at: float | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue."""

    name: str
    is_up: bool
    time_limit_s: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """One machine."""

    cpus: int
    memory_mb: int
    gpus: int
    gpu_type: str
    gpu_key: str
    """The resource that holds the type; empty where there is none."""
    is_up: bool


def jobs(text: str) -> list[JobRow]:
    """The rows of `qstat -x -f -F json`, or of `qstat -x -f`."""
    document = _json(text)
    if document is None:
        return [_job(job_id, fields) for job_id, fields in _old_jobs(text)]
    found = document.get("Jobs")
    listed = found.items() if isinstance(found, dict) else ()
    return [_job(job_id, fields) for job_id, fields in listed if isinstance(fields, dict)]


def is_json(text: str) -> bool:
    """Whether a `-F json` was understood."""
    return _json(text) is not None


def queues(text: str) -> list[Queue]:
    """The execution queues of `qstat -Q -f -F json`."""
    found = (_json(text) or {}).get("Queue")
    rows = []
    for name, fields in found.items() if isinstance(found, dict) else ():
        if not isinstance(fields, dict) or "route" in str(fields.get("queue_type", "")).lower():
            continue
        most = fields.get("resources_max")
        limit = most.get("walltime") if isinstance(most, dict) else None
        is_up = all(str(fields.get(key, "True")) == "True" for key in ("enabled", "started"))
        rows.append(Queue(str(name), is_up, span(str(limit or ""))))
    return rows


def nodes(text: str) -> list[Node]:
    """The machines of `pbsnodes -a -F json`."""
    found = (_json(text) or {}).get("nodes")
    rows = []
    for fields in found.values() if isinstance(found, dict) else ():
        has = fields.get("resources_available") if isinstance(fields, dict) else None
        if not isinstance(has, dict):
            continue
        key = next((name for name in GPU_TYPES if has.get(name)), "")
        state = str(fields.get("state", ""))
        rows.append(
            Node(
                cpus=_whole(has.get("ncpus")) or 0,
                memory_mb=memory_mb(str(has.get("mem", ""))),
                gpus=_whole(has.get("ngpus")) or 0,
                gpu_type=str(has[key]) if key else "",
                gpu_key=key,
                is_up=not any(word in state for word in ("down", "offline", "unknown")),
            )
        )
    return rows


def default_queue(text: str) -> str | None:
    """The default of `qstat -B -f -F json`."""
    found = (_json(text) or {}).get("Server")
    for fields in found.values() if isinstance(found, dict) else ():
        if isinstance(fields, dict) and fields.get("default_queue"):
            return str(fields["default_queue"])
    return None


def version(text: str) -> str:
    """PBS's own version, where a document tells it."""
    return str((_json(text) or {}).get("pbs_version", ""))[:60]


def span(text: str) -> int | None:
    """Seconds of `48:00:00`, `30:00` or `3600`; None for what is no time."""
    parts = text.strip().split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 3:
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total


def memory_mb(text: str) -> int:
    """Megabytes of `263974436kb` or `64gb`; 0 for what is no amount."""
    match = _AMOUNT.fullmatch(text.strip())
    return int(float(match[1]) * _UNIT[match[2].lower()]) if match else 0


def moment(value: Any) -> float | None:
    """Unix seconds of a number, or of a time in UTC as ctime writes it."""
    if type(value) in (int, float):
        return float(value)
    try:
        return float(calendar.timegm(time.strptime(str(value), "%a %b %d %H:%M:%S %Y")))
    except ValueError:
        return None


# --- inside ------------------------------------------------------------------------------------------


def _json(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text, strict=False)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _job(job_id: str, fields: Mapping[str, Any]) -> JobRow:
    asked, used = _table(fields, "Resource_List"), _table(fields, "resources_used")
    variables = fields.get("Variable_List")
    said = variables.get(JOB_VARIABLE) if isinstance(variables, dict) else None
    if said is None and isinstance(variables, str):
        match = re.search(rf"(?:^|,){JOB_VARIABLE}=([^,]+)", variables)
        said = match[1] if match else None
    estimated = fields.get("estimated")
    start = estimated.get("start_time") if isinstance(estimated, dict) else None
    return JobRow(
        job_id=job_id,
        state=str(fields.get("job_state", "")),
        comment=str(fields.get("comment", "")),
        host=_first_host(str(fields.get("exec_host", ""))),
        tag=said if isinstance(said, str) and _TAG.fullmatch(said) else None,
        exit_status=_whole(fields.get("Exit_status")),
        used_s=span(str(used.get("walltime", ""))),
        asked_s=span(str(asked.get("walltime", ""))),
        starts_at=moment(start if start is not None else fields.get("estimated.start_time")),
    )


def _table(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table as JSON has it, or as the older form has it: `Resource_List.walltime`."""
    found = fields.get(name)
    if isinstance(found, dict):
        return found
    start = f"{name}."
    return {key[len(start) :]: v for key, v in fields.items() if key.startswith(start)}


def _first_host(text: str) -> str | None:
    """`gpu17/0*8+gpu18/0*8` → `gpu17`."""
    return text.split("+")[0].split("/")[0].split(".")[0] or None


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _old_jobs(text: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    name = ""
    for line in text.splitlines():
        begin, field = _OLD_JOB.match(line), _OLD_FIELD.match(line)
        if begin is not None:
            found.append((begin[1], {}))
        elif field is not None and found:
            name = field[1]
            found[-1][1][name] = field[2]
        elif line.startswith("\t") and found and name:
            found[-1][1][name] += line.strip()
    return found
