"""What grows: many streams on one hub, long lines, much that is stored, links that stand idle.

The same number of chunks a second is spread over ever more streams, so what is left is what a stream
itself costs; then a thousand streams at a reader's pace; then one large answer over ever longer
lines; then a hub with years behind it; then links that do nothing at all.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import aiohttp
import uvloop

from benchmarks import stored
from benchmarks.idle import attach
from benchmarks.lines import Line
from benchmarks.load import StreamResult, run_download, run_streams
from benchmarks.measure import percentile
from benchmarks.paths import Carriers, Way
from tests.hub.agents import TinyAgent
from tests.rig.processes import Process, free_port
from tests.rig.sshd import Sshd
from tests.rig.stack import Person, Stack
from tests.rig.stub import ROOT, StubProcess
from tests.rig.waiting import Steady, eventually

TUNNELS = 8
"""Each of a user of its own: a user has 256 calls at once, a tunnel 512 streams."""
CHUNKS_PER_S = 5000
GROWTH = (25, 100, 500, 1000)
PACE = 20.0
OPENED_PER_S = 400
SETTLE_S = 0.5
HELD = (1000, 1500, 2000)
CHUNK_BYTES = 200
ROUND_TRIPS_MS = (0, 40, 200)
BULK_BYTES = {0: 200_000_000, 40: 100_000_000, 200: 40_000_000}
IDLE_LINKS = 10_000
IDLE_WATCH_S = 20.0
DIALLING = 32


def measure(seconds: float) -> list[Line]:
    """All of it; `seconds` of load for each level."""
    return [*_measure_streams(seconds), *_measure_far(), *stored.measure(), *_measure_idle()]


# --- many streams ---------------------------------------------------------------------------------


@contextmanager
def _open_many(folder: Path) -> Iterator[list[Way]]:
    with ExitStack() as ends:
        stub = StubProcess(folder / "stub.log")
        ends.callback(stub.stop)
        stack = Stack(folder)
        ends.callback(stack.stop)
        ways = []
        for number in range(TUNNELS):
            person = stack.add_person(f"bench-{number}")
            agent = stack.open_tunnel(person, str(stub.port), "stub")
            carriers = {"hub": Carriers(stack.hub.pid), "agent": Carriers(agent.pid)}
            ways.append(Way("underpass", stack.port, "stub/stub", person.key, carriers))
        yield ways


def _measure_streams(seconds: float) -> Iterator[Line]:
    with (
        tempfile.TemporaryDirectory(prefix="underpass-bench-") as name,
        _open_many(Path(name)) as ways,
    ):
        first = 0.0
        for count in GROWTH:
            used, _ = _run(ways, count, CHUNKS_PER_S / count, seconds)
            first = first or used
            yield Line(
                f"{CHUNKS_PER_S:,} chunks/s over {count:,} streams: hub and agents",
                used,
                "µs a chunk",
            )
        yield Line(
            f"the last of these by the first ({GROWTH[-1]:,} by {GROWTH[0]} streams)",
            used / first,
            "",
            1.2,
        )
        for count in HELD:
            used, delays = _run(ways, count, PACE, seconds)
            what = f"{count:,} streams at {PACE:g}/s: a chunk's age"
            yield Line(f"{what}, p50", percentile(delays, 0.5), "ms")
            yield Line(
                f"{what}, p99", percentile(delays, 0.99), "ms", 250 if count == HELD[0] else None
            )
            yield Line("hub and agents", used, "µs a chunk")


def _run(ways: Sequence[Way], count: int, rate: float, seconds: float) -> tuple[float, list[float]]:
    """CPU in µs for each chunk while all streams are open, and each chunk's age in ms.

    Raises when a stream is not whole.
    """
    used_s, results = uvloop.run(_streams(ways, count, rate, seconds))
    delays = [delay for one in results for delay in one.delays_ms]
    return 1e6 * used_s / (count * rate * seconds), delays


async def _streams(
    ways: Sequence[Way], count: int, rate: float, seconds: float
) -> tuple[float, list[StreamResult]]:
    each = count // len(ways)
    counts = [each + (number < count % len(ways)) for number in range(len(ways))]
    start_s = max(0.5, count / OPENED_PER_S)
    whole_s = start_s + SETTLE_S + seconds + SETTLE_S
    loads = [
        asyncio.create_task(run_streams(way, share, rate, whole_s, CHUNK_BYTES, start_s=start_s))
        for way, share in zip(ways, counts, strict=True)
    ]
    await asyncio.sleep(start_s + SETTLE_S)
    before = _cpu_s(ways)
    await asyncio.sleep(seconds)
    used_s = _cpu_s(ways) - before
    return used_s, [one for results, _ in await asyncio.gather(*loads) for one in results]


def _cpu_s(ways: Sequence[Way]) -> float:
    """Of the hub, which all ways share, and of each agent."""
    agents = sum(way.carriers["agent"].cpu_s() for way in ways)
    return ways[0].carriers["hub"].cpu_s() + agents


# --- long lines -----------------------------------------------------------------------------------


def _measure_far() -> Iterator[Line]:
    for round_trip in ROUND_TRIPS_MS:
        with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name:
            with _open_far(Path(name), round_trip) as ways:
                found = {way.name: [_download(way, round_trip) for _ in range(3)] for way in ways}
        ssh, ours = (median(found[way]) for way in ("ssh -R", "underpass"))
        where = f"one answer, {round_trip} ms round trip"
        yield Line(f"{where}: ssh -R", ssh, "MB/s")
        yield Line(f"{where}: Underpass", ours, "MB/s")
        least = {0: 0.5, 40: 0.9}.get(round_trip)
        yield Line(f"{where}: of ssh -R's", ours / ssh, "", at_least=least)


def _download(way: Way, round_trip: int) -> float:
    return uvloop.run(run_download(way, BULK_BYTES[round_trip]))


@contextmanager
def _open_far(folder: Path, round_trip: int) -> Iterator[list[Way]]:
    """The line lies between ssh and sshd, and between agent and hub."""
    with ExitStack() as ends:
        stub = StubProcess(folder / "stub.log")
        ends.callback(stub.stop)
        sshd = Sshd(folder)
        ends.callback(sshd.stop)
        stack = Stack(folder)
        ends.callback(stack.stop)
        near, hub_url = sshd.port, stack.url
        if round_trip:
            near = _open_line(folder, sshd.port, round_trip, ends)
            hub_url = f"http://127.0.0.1:{_open_line(folder, stack.port, round_trip, ends)}"
        far = free_port()
        forward = f"127.0.0.1:{far}:127.0.0.1:{stub.port}"
        command = sshd.ssh_command("-N", "-R", forward, port=near)
        ssh = ends.enter_context(Process(command, folder / "ssh.log"))
        ssh.wait_until_listening(far)
        person = stack.add_person("bench")
        stack.open_tunnel(person, str(stub.port), "stub", hub_url=hub_url)
        yield [
            Way("ssh -R", far, "stub"),
            Way("underpass", stack.port, "stub/stub", person.key),
        ]


def _open_line(folder: Path, target: int, round_trip: int, ends: ExitStack) -> int:
    port = free_port()
    words = [str(port), str(target), str(round_trip / 2)]
    command = [sys.executable, "-m", "benchmarks.far", *words]
    line = ends.enter_context(Process(command, folder / f"line-{port}.log", cwd=ROOT))
    line.wait_until_listening(port)
    return port


# --- idle links -----------------------------------------------------------------------------------


def _measure_idle() -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name, ExitStack() as ends:
        stack = Stack(Path(name), hub_environment={"UNDERPASS_LINKS_PER_S": "100000"})
        ends.callback(stack.stop)
        person = stack.add_person("bench")
        each, share, seconds = uvloop.run(_idle(stack, person))
    yield Line(f"{IDLE_LINKS:,} idle links: the hub's memory for each", each / 1024, "KB", 40)
    yield Line("the hub's CPU meanwhile, of one core", 100 * share, "%")
    yield Line("until all were up, sessions made one by one", seconds, "s")


async def _idle(stack: Stack, person: Person) -> tuple[float, float, float]:
    """Bytes of the hub for each link; its CPU as a share of a core; seconds until all were up."""
    hub = Carriers(stack.hub.pid)
    headers = {"Authorization": f"Bearer {person.key}"}
    agents: list[TinyAgent] = []
    async with aiohttp.ClientSession(stack.url, headers=headers) as client:
        try:
            await _attach_all(client, stack, agents, 100)
            before = await _settled(hub)
            began = time.monotonic()
            await _attach_all(client, stack, agents, IDLE_LINKS)
            took = time.monotonic() - began
            each = (await _settled(hub) - before) / IDLE_LINKS
            cpu_s = hub.cpu_s()
            await asyncio.sleep(IDLE_WATCH_S)
            share = (hub.cpu_s() - cpu_s) / IDLE_WATCH_S
            if not all(agent.link.is_up for agent in agents):
                raise RuntimeError("an idle link went down")
            return each, share, took
        finally:
            # Cut, not closed: ten thousand ends of sessions are not what is measured here.
            await asyncio.gather(*(agent.cut() for agent in agents), return_exceptions=True)


async def _attach_all(
    client: aiohttp.ClientSession, stack: Stack, agents: list[TinyAgent], count: int
) -> None:
    numbers = iter(range(len(agents), len(agents) + count))

    async def some() -> None:
        for number in numbers:
            agents.append(await attach(client, stack, f"idle-{number}"))

    await asyncio.gather(*(some() for _ in range(DIALLING)))


async def _settled(hub: Carriers) -> int:
    """Resident bytes once they are steady."""
    await asyncio.to_thread(
        eventually, Steady(hub.rss_bytes, 1.0), 60, "the hub's memory is steady"
    )
    return hub.rss_bytes()
