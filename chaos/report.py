"""The one table, and docs/reliability.md with the machine, the versions, the date and the command."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.report import machine
from chaos.tally import Row

HEADER = [
    *("fault", "times", "streams", "bytes", "lost", "doubled", "cut off", "worst pause, s"),
    "besides",
]
VERSIONS = ("underpass", "aiohttp", "uvicorn", "websockets", "uvloop", "sqlalchemy")


def as_markdown(rows: list[Row]) -> str:
    """Aligned, so that it reads in a terminal too; the last line is the sum."""
    table = [HEADER, *(_cells(row) for row in rows)]
    if len(rows) > 1:
        table.append(_cells(_sum(rows)))
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]

    def line(row: list[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        return (
            "| " + " | ".join([row[0].ljust(widths[0]), *numbers, row[-1].ljust(widths[-1])]) + " |"
        )

    rule = [":" + "-" * (widths[0] + 1), *("-" * (w + 1) + ":" for w in widths[1:-1])]
    rule.append(":" + "-" * (widths[-1] + 1))
    return "\n".join([line(HEADER), "|" + "|".join(rule) + "|", *map(line, table[1:])])


def _cells(row: Row) -> list[str]:
    counts = [row.times, row.streams, row.bytes, row.lost, row.doubled, row.cut_off]
    cells = [f"{count:,}" for count in counts]
    pause = f"{row.worst_pause_s:.1f}" if row.worst_pause_s else ""
    return [row.fault, *cells, pause, "; ".join(row.notes).replace("|", "/")]


def _sum(rows: list[Row]) -> Row:
    whole = Row("all")
    for row in rows:
        whole.times += row.times
        whole.streams += row.streams
        whole.bytes += row.bytes
        whole.lost += row.lost
        whole.doubled += row.doubled
        whole.cut_off += row.cut_off
        whole.pause(row.worst_pause_s)
    return whole


def trouble_of(rows: list[Row]) -> list[str]:
    """What should not have happened, line by line."""
    return [f"{row.fault}: {what}" for row in rows for what in row.trouble]


PAGE = """# Reliability

What is lost when things break, as `make chaos` found it on {date}, on {machine}, with
{versions}:

{commands}

Real processes run (hub, agents, model server); faults are injected while streams run; every byte is
numbered, downwards in answers and upwards in requests, and is compared where it arrives. *Lost* and
*doubled* are bytes. *Cut off* are streams that ended though they should have lived: whose agent was
away for less than its grace of 60 s. *Worst pause* is the longest time that a client waited for its
next byte.

{table}

{trouble}

How it is done: quick faults of the connection go through a TCP forwarder in front of each agent's hub
(`chaos/line.py`) and hit many links at once; loss, delay and packets that vanish are decided packet by
packet between network namespaces (`chaos/packets.py`), so both kernels' TCP meets them as on a real
line. A seed repeats a run's choices, not the machine's timing. `make chaos ARGS="--faults
reset,blackhole-10 --times 50"` runs a part of it, `--soak 30m` all of it at random, `--list` names the
faults, `--write` renews this page.
"""


def as_page(rows: list[Row], commands: list[str]) -> str:
    """docs/reliability.md; `commands` are those whose rows these are."""
    found = trouble_of(rows)
    said = "\n".join(["What went wrong:", "", *(f"- {what}" for what in found)])
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return PAGE.format(
        date=datetime.now(UTC).strftime("%d %B %Y"),
        machine=machine(),
        versions=f"{versions}, {platform.python_implementation()}",
        commands="\n".join(f"    {command}" for command in commands),
        table=as_markdown(rows),
        trouble=said if found else "Nothing went wrong.",
    )
