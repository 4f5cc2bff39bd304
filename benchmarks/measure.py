"""Rounds of load on each way in turn, so that a slow minute of the machine hits all of them; medians."""

import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

import uvloop

from benchmarks.idle import measure_idle_tunnels
from benchmarks.load import run_calls, run_download, run_streams, run_upload
from benchmarks.paths import Carriers, Way, Ways, seconds_to_ready
from tests.rig.stack import UNDERPASS

BULK_DOWN_BYTES = 200_000_000
BULK_UP_BYTES = 60_000_000
CALLERS = 16


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    seconds: float = 4.0
    rate: float = 200.0
    chunk_bytes: int = 200
    levels: tuple[int, ...] = (1, 25, 100)


@dataclass
class Figures:
    """Of one way: figure name → one value per round."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        found = self.values.get(name)
        return median(found) if found else None


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of all are below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_ways(ways: Ways, plan: Plan) -> dict[str, Figures]:
    """Every load on every way, `plan.rounds` times over."""
    found = {way.name: Figures() for way in ways}
    for _ in range(plan.rounds):
        for count in plan.levels:
            for way in ways:
                _measure_streams(way, count, plan, found[way.name])
        for way in ways:
            _measure_calls_and_bulk(way, plan, found[way.name])
    return found


def _cpu_s(way: Way) -> dict[str, float]:
    return {name: carriers.cpu_s() for name, carriers in way.carriers.items()}


def _measure_streams(way: Way, count: int, plan: Plan, figures: Figures) -> None:
    before = _cpu_s(way)
    load = (way, count, plan.rate, plan.seconds, plan.chunk_bytes)
    results, _ = uvloop.run(run_streams(*load))
    after = _cpu_s(way)
    _, firsts = uvloop.run(run_streams(*load, is_probing=True))
    delays = [delay for r in results for delay in r.delays_ms]
    figures.add(f"first byte p50 @{count}", percentile(firsts, 0.5))
    figures.add(f"first byte p99 @{count}", percentile(firsts, 0.99))
    figures.add(f"chunk delay p50 @{count}", percentile(delays, 0.5))
    figures.add(f"chunk delay p99 @{count}", percentile(delays, 0.99))
    for name in before:
        used = (after[name] - before[name]) / len(delays) * 1e6
        figures.add(f"cpu {name} @{count}", used)
    if before:
        used = (sum(after.values()) - sum(before.values())) / len(delays) * 1e6
        figures.add(f"cpu both @{count}", used)


def _measure_calls_and_bulk(way: Way, plan: Plan, figures: Figures) -> None:
    before = _cpu_s(way)
    count, took = uvloop.run(run_calls(way, CALLERS, plan.seconds))
    for name, cpu_s in _cpu_s(way).items():
        figures.add(f"cpu {name} a call", (cpu_s - before[name]) / count * 1e6)
    figures.add("calls per second", count / plan.seconds)
    figures.add("call p50", percentile(took, 0.5))
    figures.add("call p99", percentile(took, 0.99))
    count, took = uvloop.run(run_calls(way, 1, plan.seconds / 2))
    figures.add("lone call p50", percentile(took, 0.5))
    figures.add("bulk down", uvloop.run(run_download(way, BULK_DOWN_BYTES)))
    figures.add("bulk up", uvloop.run(run_upload(way, BULK_UP_BYTES)))


@dataclass(frozen=True)
class Footprint:
    """What Underpass takes when nothing happens, and how soon a hub is ready."""

    ready_first_s: float
    ready_again_s: Sequence[float]
    help_s: float
    hub_rss_bytes: int
    hub_rss_after_load_bytes: int
    agent_rss_bytes: int
    per_idle_tunnel_bytes: float


def measure_footprint(ways: Ways, ready_first_s: float, hub_rss_bytes: int) -> Footprint:
    """After the load: memory as it is, idle tunnels, and restarts of the hub."""
    loaded = Carriers(ways.stack.hub.pid).rss_bytes()
    agent = ways.underpass.carriers["agent"].rss_bytes()
    per_tunnel = measure_idle_tunnels(ways.stack, ways.person)
    again = [seconds_to_ready(ways.stack) for _ in range(3)]
    help_s = median(_seconds_of_help() for _ in range(7))
    return Footprint(ready_first_s, again, help_s, hub_rss_bytes, loaded, agent, per_tunnel)


def _seconds_of_help() -> float:
    began = time.monotonic()
    subprocess.run([*UNDERPASS, "--help"], check=True, capture_output=True)
    return time.monotonic() - began
