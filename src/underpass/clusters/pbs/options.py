"""An order → the `#PBS` lines of its job. Pure.

Every value is checked against what PBS lets a name be before it is written into a line: nothing that a person
typed can end the line, begin another or be read as a second resource.
"""

from __future__ import annotations

import re

from underpass.clusters.base import JobOrder
from underpass.clusters.script import JOB_VARIABLE
from underpass.clusters.slurm.options import memory_mb
from underpass.core.errors import LaunchRejected

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 15
"""What every version takes."""


def job_name(order: JobOrder) -> str:
    """What the queue shows. The tag has no room in it: it stands in the job's variables."""
    name = _NOT_IN_NAMES.sub("-", order.name)[:_LONGEST_NAME].lstrip("._-")
    return name if name[:1].isalpha() else f"s-{name}"[:_LONGEST_NAME]


def pbs_lines(order: JobOrder, gpu_key: str = "") -> list[str]:
    """PBS's lines. `gpu_key`: the site's resource for the type of a GPU.

    Raises LaunchRejected for a value that cannot be one.
    """
    asked = order.resources
    chunk = [f"{asked.nodes or 1}", f"ncpus={asked.cpus or 1}", "mpiprocs=1"]
    if asked.gpus:
        chunk.append(f"ngpus={asked.gpus}")
    if asked.gpu_type:
        if not gpu_key:
            raise LaunchRejected(
                "This PBS does not say which types of GPU it has.",
                hint="Choose a queue (--partition) that has the right ones.",
            )
        chunk.append(f"{gpu_key}={_checked('GPU type', asked.gpu_type)}")
    if asked.memory:
        chunk.append(f"mem={memory_mb(asked.memory)}mb")
    options = [
        f"-N {job_name(order)}",
        f"-v {JOB_VARIABLE}={order.tag}",
        # The job writes its log itself.
        "-j oe",
        "-o /dev/null",
        "-S /bin/bash",
        # Its machine failed, or it was preempted: it comes back by itself, and its session with it.
        "-r y",
        "-m n",
        f"-l select={':'.join(chunk)}",
    ]
    if (asked.nodes or 1) > 1:
        options.append("-l place=scatter")
    if asked.time_s is not None:
        options.append(f"-l walltime={_time(asked.time_s)}")
    if asked.partition:
        options.append(f"-q {_checked('queue', asked.partition)}")
    if asked.account:
        options.append(f"-A {_checked('account', asked.account)}")
    if asked.qos:
        raise LaunchRejected(
            "PBS has no qualities of service.", hint="Choose a queue (--partition) instead."
        )
    return [f"#PBS {option}" for option in options]


def _checked(what: str, value: str) -> str:
    if _WORD.fullmatch(value) is None:
        raise LaunchRejected(
            f"'{value[:60]}' cannot be the name of a {what}.",
            hint="`underpass clusters show` lists what the cluster offers.",
        )
    return value


def _time(seconds: int) -> str:
    minutes, rest = divmod(max(60, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}"
