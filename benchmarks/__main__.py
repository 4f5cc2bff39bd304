"""`python -m benchmarks`: measures, prints the table, and with `--write` renews docs/performance.md."""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import browser, opening, peers, runs, scale, sessions
from benchmarks.lines import as_table
from benchmarks.measure import Footprint, Plan, measure_footprint, measure_ways
from benchmarks.paths import Carriers, open_ways
from benchmarks.report import (
    CHAT,
    PEERS,
    SCALE,
    SESSIONS,
    as_markdown,
    footprint_rows,
    make_rows,
    renewed,
    tunnel_section,
)
from tests.rig.stack import Stack

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--only", choices=["tunnel", "scale", "chat", "sessions", "peers"], help="one part of it"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument(
        "--with-open-webui", action="store_true", help="among the peers: several GB"
    )
    parser.add_argument("--write", action="store_true", help="renew docs/performance.md")
    arguments = parser.parse_args()
    plan = Plan(rounds=arguments.rounds, seconds=arguments.seconds)
    if arguments.only == "peers":  # only when it is asked for: it installs 300 MB at the first time
        table = peers.measure(plan.rounds, with_open_webui=arguments.with_open_webui)
        _tell("Peers", PEERS, table, is_kept=arguments.write)
        return
    if arguments.only in (None, "tunnel"):
        table = as_markdown(_measure(plan))
        _tell("Tunnel", tunnel_section(plan), table, is_kept=arguments.write)
    if arguments.only in (None, "scale"):
        table = as_table(scale.measure(plan.seconds))
        _tell("Scale", SCALE, table, is_kept=arguments.write)
    if arguments.only in (None, "sessions"):
        table = as_table(sessions.measure())
        _tell("Sessions", SESSIONS, table, is_kept=arguments.write)
    if arguments.only in (None, "chat"):
        table = as_table([*runs.measure(), *opening.measure(), *browser.measure()])
        _tell("AI Chat", CHAT, table, is_kept=arguments.write)


def _tell(title: str, words: str, table: str, *, is_kept: bool) -> None:
    print(f"{title}\n\n{table}\n", flush=True)
    if is_kept:
        PAGE.write_text(renewed(PAGE.read_text(), title, words, table))


def _measure(plan: Plan) -> list[list[str]]:
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name:
        folder = Path(name)
        ready_first_s, hub_rss_bytes = _measure_fresh_hub(folder)
        with open_ways(folder) as ways:
            found = measure_ways(ways, plan)
            foot: Footprint = measure_footprint(ways, ready_first_s, hub_rss_bytes)
    return make_rows(found, plan) + footprint_rows(foot)


def _measure_fresh_hub(folder: Path) -> tuple[float, int]:
    """The very first start, with its migrations; and the hub's memory once it is ready."""
    fresh = folder / "fresh"
    fresh.mkdir()
    began = time.monotonic()
    stack = Stack(fresh)
    took = time.monotonic() - began
    rss = Carriers(stack.hub.pid).rss_bytes()
    stack.stop()
    return took, rss


if __name__ == "__main__":
    main()
