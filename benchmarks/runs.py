"""`python -m benchmarks.runs`: many chat runs at once on one hub process, each with a watcher.

Every chunk carries the moment at which the model server wrote it; the watcher says how old it was
when it came through agent, tunnel, gateway, run, log and SSE. Then the stored text is compared
with what was sent, and the hub's transactions are counted by the growth of its heartbeat.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.lines import Line, as_table
from benchmarks.paths import Carriers
from tests.rig.stack import Person, Stack
from tests.rig.stub import StubProcess
from underpass.core.sse import SseDecoder

STAMP = re.compile(r"@(\d+) ")
NUMBER = re.compile(r"(\d{9}) @")
PEOPLE = 4
WARM_UP_S = 4.0


@dataclass
class Found:
    """What was measured."""

    delays_ms: list[float] = field(default_factory=list)
    texts_equal: int = 0
    runs: int = 0
    hub_cpu_s: float = 0.0
    hub_rss_bytes: int = 0
    wall_s: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="chunks per second and run")
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    print(as_table(measure(arguments.runs, arguments.rate, arguments.seconds)))


def measure(runs: int = 200, rate: float = 20.0, seconds: float = 15.0) -> list[Line]:
    """So many runs at once, on a hub of their own."""
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name:
        return lines_of(_with_hub(Path(name), runs, rate, seconds), rate)


def lines_of(found: Found, rate: float) -> list[Line]:
    """The figures, one per line."""
    delays = sorted(found.delays_ms)
    chunks = len(delays)

    def age(part: float) -> float:
        return delays[int(chunks * part)]

    runs = f"{found.runs} chat runs at {rate:g} chunks/s, each watched"
    return [
        Line(f"{runs}: age of a chunk, p50", age(0.5), "ms"),
        Line("the same, p99", age(0.99), "ms", 250),
        Line("the same, p99.9", age(0.999), "ms"),
        Line("runs whose stored text is not what was sent", found.runs - found.texts_equal, "", 0),
        Line("hub CPU per chunk", 1e6 * found.hub_cpu_s / chunks, "µs"),
        Line("hub CPU, of one core", 100 * found.hub_cpu_s / found.wall_s, "%"),
        Line("hub memory", found.hub_rss_bytes / 1e6, "MB"),
    ]


def _with_hub(folder: Path, runs: int, rate: float, seconds: float) -> Found:
    stack = Stack(folder)
    stub = StubProcess(folder / "stub.log")
    try:
        people = [stack.add_person(f"user{number}") for number in range(PEOPLE)]
        for person in people:
            stack.open_tunnel(person, str(stub.port), "stub")
        return asyncio.run(_measure(stack, people, runs, rate, seconds))
    finally:
        stack.stop()
        stub.stop()


async def _measure(
    stack: Stack, people: list[Person], runs: int, rate: float, seconds: float
) -> Found:
    found = Found(runs=runs)
    chunks = int(rate * seconds)
    hub = Carriers(stack.hub.pid)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(stack.url, connector=connector) as http:
        began = time.monotonic()
        cpu = hub.cpu_s()
        await asyncio.gather(
            *(
                _one_run(http, people[number % len(people)], chunks, rate, number, found, began)
                for number in range(runs)
            )
        )
        found.wall_s = time.monotonic() - began
        found.hub_cpu_s = hub.cpu_s() - cpu
        found.hub_rss_bytes = hub.rss_bytes()
    return found


async def _one_run(
    http: aiohttp.ClientSession,
    person: Person,
    chunks: int,
    rate: float,
    number: int,
    found: Found,
    began: float,
) -> None:
    headers = {"Authorization": f"Bearer {person.key}"}
    # Spread over the first seconds, as people are.
    await asyncio.sleep(WARM_UP_S * number / found.runs)
    chat = await _post(http, "/api/chats", {"model": "stub/stub"}, headers)
    stub = {"chunks": chunks, "rate": rate, "stamp": True}
    sent = await _post(
        http,
        f"/api/chats/{chat['id']}/messages",
        {"content": "go", "settings": {"stub": stub}},
        headers,
    )
    text = ""
    decoder = SseDecoder()
    timeout = aiohttp.ClientTimeout(total=None)
    url = f"/api/runs/{sent['run']['id']}/events"
    async with http.get(url, headers=headers, timeout=timeout) as answer:
        async for piece in answer.content.iter_any():
            now_ns = time.monotonic_ns()
            for event in decoder.feed(piece):
                if event.name != "delta":
                    continue
                said = json.loads(event.data).get("text", "")
                text += said
                if time.monotonic() - began > WARM_UP_S:
                    found.delays_ms += [(now_ns - int(s)) / 1e6 for s in STAMP.findall(said)]
    async with http.get(f"/api/chats/{chat['id']}", headers=headers) as answer:
        message = (await answer.json())["messages"][-1]
    numbers = [int(one) for one in NUMBER.findall(message["content"])]
    is_whole = numbers == list(range(chunks)) and message["status"] == "complete"
    found.texts_equal += is_whole and message["content"] == text


async def _post(
    http: aiohttp.ClientSession, path: str, body: dict[str, Any], headers: dict[str, str]
) -> dict[str, Any]:
    async with http.post(path, json=body, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


if __name__ == "__main__":
    main()
