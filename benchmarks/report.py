"""The one table, and docs/performance.md with the machine and the date."""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.measure import Figures, Footprint, Plan

HEADER = ["", "direct", "ssh -R", "underpass", "added by underpass", "bar"]
MB = 1_000_000


@dataclass(frozen=True)
class Bar:
    """A promise of the issue: the figure may not be worse."""

    text: str
    limit: float


BARS = {
    "cpu both @100": Bar("≤ 30 µs", 30),
    "first byte p50 @1": Bar("≤ 2 ms", 2),
    "first byte p50 @25": Bar("≤ 0.7 ms", 0.7),
    "first byte p99 @25": Bar("≤ 5 ms", 5),
}
TIMES_SSH = {"cpu both @100": Bar("≤ 1.0", 1.0)}


def make_rows(found: dict[str, Figures], plan: Plan) -> list[list[str]]:
    """One row per figure: the medians of each way, and what Underpass adds to direct."""
    names: list[tuple[str, str]] = []
    for count in plan.levels:
        for part in ("hub", "agent", "sshd", "ssh", "both"):
            names.append((f"cpu {part} @{count}", "µs a chunk"))
        for what in ("first byte", "chunk delay"):
            names += [(f"{what} p50 @{count}", "ms"), (f"{what} p99 @{count}", "ms")]
    names += [(f"cpu {part} a call", "µs") for part in ("hub", "agent", "sshd", "ssh")]
    names += [("calls per second", "/s"), ("lone call p50", "ms"), ("call p50", "ms")]
    names += [("call p99", "ms"), ("bulk down", "MB/s"), ("bulk up", "MB/s")]
    rows = []
    for name, unit in names:
        if _is_known(name, found):
            rows.append(_row(name, unit, found))
        if name.startswith("cpu both"):
            rows.append(_times_ssh(name, found))
    return rows


def _times_ssh(name: str, found: dict[str, Figures]) -> list[str]:
    """The figure as a multiple of `ssh -R`'s, which is what holds on another machine too."""
    ssh, ours = found["ssh -R"].median(name), found["underpass"].median(name)
    if not ssh or ours is None:
        return [f"{name}, of ssh -R's", "", "1.00", "", "", ""]
    ratio = round(ours / ssh, 2)
    verdict = _verdict(TIMES_SSH.get(name), ratio)
    return [f"{name}, of ssh -R's", "", "1.00", f"{ratio:.2f}", "", verdict]


def _is_known(name: str, found: dict[str, Figures]) -> bool:
    return any(figures.median(name) is not None for figures in found.values())


def _row(name: str, unit: str, found: dict[str, Figures]) -> list[str]:
    values = [found[way].median(name) for way in ("direct", "ssh -R", "underpass")]
    direct, ours = values[0], values[2]
    is_time = unit == "ms"
    added = ours - direct if is_time and ours is not None and direct is not None else None
    verdict = _verdict(BARS.get(name), added if added is not None else ours)
    cells = ["" if value is None else _number(value) for value in values]
    return [f"{name}, {unit}", *cells, "" if added is None else _number(added), verdict]


def _verdict(bar: Bar | None, value: float | None) -> str:
    if bar is None or value is None:
        return ""
    return f"{bar.text} {'ok' if value <= bar.limit else 'MISSED'}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def footprint_rows(foot: Footprint) -> list[list[str]]:
    """What it takes at rest; same columns as the table."""
    again = median(foot.ready_again_s)

    def row(name: str, value: float, bar: str, limit: float) -> list[str]:
        return [name, "", "", _number(value), "", _verdict(Bar(bar, limit), value)]

    return [
        row("hub ready, first start, s", foot.ready_first_s, "≤ 1 s", 1),
        row("hub ready, later starts, s", again, "≤ 1 s", 1),
        row("underpass --help, ms", 1e3 * foot.help_s, "≤ 150 ms", 150),
        row("hub memory at rest, MB", foot.hub_rss_bytes / MB, "≤ 150 MB", 150),
        row("hub memory after the load, MB", foot.hub_rss_after_load_bytes / MB, "≤ 150 MB", 150),
        row("agent memory after the load, MB", foot.agent_rss_bytes / MB, "≤ 60 MB", 60),
        row("hub memory per idle tunnel, KB", foot.per_idle_tunnel_bytes / 1000, "≤ 100 KB", 100),
    ]


def as_markdown(rows: list[list[str]]) -> str:
    """Aligned, so that it reads in a terminal too."""
    table = [HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]

    def line(row: list[str]) -> str:
        first, rest = row[0].ljust(widths[0]), row[1:]
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        return "| " + " | ".join([first, *cells]) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    return "\n".join([line(HEADER), rule, *(line(row) for row in rows)])


def machine() -> str:
    """This machine in a few words, without its name."""
    model = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.split(":", 1)[1].strip() for x in info.read_text().splitlines() if "model name" in x
        ]
        model = names[0] if names else model
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    python = platform.python_version()
    return f"{os.cpu_count()} cores ({model}), {pages:.0f} GiB, {system}, Python {python}"


PAGE = """# Performance

Figures of this page are printed and written by `make bench`: `make bench ARGS="--only chat"` for one part,
`make bench ARGS="--rounds 1 --seconds 2"` for a quick look; `--write` renews what was measured.

Client, stub model server, browser and what carries the bytes share one machine, so the figures compare
ways with each other; on machines of their own all of them are faster. "Bar" is what the project
promises. The bars are absolute, and shared machines are not: the same `ssh -R` has been seen at 28 and
at 45 µs a chunk on two days, so compare by the ratios, which one run makes side by side.
"""

TUNNEL = """Each figure is the median over {rounds} rounds, and the ways take
turns within a round. A stream is {rate:.0f} events a second of {chunk} bytes; `@25` means 25 streams at once.
*First byte* is from sending the request to the first event, for streams that come and go one by one while
the others flow; *chunk delay* is from the server's write to the client's read, one way. CPU is user and
system time of the carrying processes divided by the chunks they carried. `ssh -R` carries one TCP
connection per request, without sign-in, routes, resuming or HTTP. The client opens a connection per
stream. A time is compared with its bar by what Underpass adds to direct."""

CHAT = """Runs are watched by programs, pages by a real Chromium that draws without a GPU. CPU is that of the
processes named; a frame is judged by the longest task of the page's main thread, in CPU time. The long
answer is mixed Markdown: each 300 bytes hold a heading, a formula, a table, a list and coloured code."""


SESSIONS = """On the cluster `local`, whose jobs are processes of this machine, with a stub in the place of
the model server: what is left is Underpass. Each time is the median of seven; *shown* and *in an open page*
are as the feed of an open page tells it. A job is looked at by its agent, else by polls 15 s apart."""


SCALE = """Streams come through eight tunnels of eight users. A chunk's age is from the server's write to
the client's read; that a stream lost nothing is checked. The line of so many milliseconds is a forwarder
between ssh and sshd, and between agent and hub. Idle links have an agent's hello behind them and then
only the protocol's pings; 10,000 of them are held by one other process. What is stored belongs to the
person who calls, each ended session with a tunnel and its provider. Medians of three where two are
compared."""


PEERS = """What people would take instead, beside Underpass in one run; `make bench ARGS="--only peers"`
installs it once, about 300 MB, and `--with-open-webui` several GB more. `ssh -R` and asyncssh carry bytes;
LiteLLM's proxy and Open WebUI's pass-through are put in front of such a tunnel to have keys and models. CPU
is that of all processes on the way: of the proxy, sshd and ssh; of hub and agent; with TLS, of nginx too,
which ends it in front of the hub."""


def tunnel_section(plan: Plan) -> str:
    """What the figures of the tunnel mean."""
    return TUNNEL.format(rounds=plan.rounds, rate=plan.rate, chunk=plan.chunk_bytes)


def renewed(page: str, title: str, words: str, table: str) -> str:
    """docs/performance.md with one section measured anew; the others stay as they were measured."""
    date = datetime.now(UTC).strftime("%d %B %Y")
    section = f"## {title}\n\nMeasured on {date}, on {machine()}. {words}\n\n{table}\n"
    _, *others = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    kept = {_title(other): other.rstrip() + "\n" for other in others}
    return "\n".join([PAGE, *(kept | {title: section}).values()])


def _title(section: str) -> str:
    return section.partition("\n")[0].removeprefix("## ").strip()
