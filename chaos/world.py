"""A hub, agents behind lines, a stub server: real processes, and the places where streams go."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.line import Line
from chaos.packets import Wire
from chaos.streams import Place, Stream, both_ways, bulk_down, events_down, upload
from tests.rig.processes import Process
from tests.rig.stack import Person, Stack
from tests.rig.stub import ROOT, StubProcess
from tests.rig.waiting import eventually_async

STEP_S = 0.01
RAW_EVERY = 4
"""Of so many links one carries raw bytes both ways, the others requests."""
START_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How much of everything: `seed` decides all that chance does here."""

    seed: str
    folder: Path
    links: int = 16
    seconds: float = 600.0
    """At most, for one fault."""
    times: int | None = None
    """Injections of each fault; None: the fault's own number."""

    def rng(self, *words: object) -> random.Random:
        """Chance for one purpose."""
        return random.Random(" ".join(map(str, (self.seed, *words))))

    def sub(self, name: str) -> Path:
        """A folder for one fault's processes."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class Site:
    """One agent, the line to its hub, and the streams that its tunnel carries."""

    place: Place
    agent: Process
    kinds: list[Stream]
    line: Line | None = None
    wire: Wire | None = None

    @property
    def is_raw(self) -> bool:
        """Whether it carries bytes both ways instead of requests."""
        return both_ways in self.kinds


class World:
    """Everything that a fault may touch."""

    def __init__(self, stack: Stack, person: Person, sites: list[Site]) -> None:
        self.stack = stack
        self.person = person
        self.sites = sites


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(STEP_S)
    return True


@asynccontextmanager
async def open_stack(
    folder: Path, host: str = "127.0.0.1", options: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Stack, Person]]:
    """A hub of its own and one person."""
    stack = await asyncio.to_thread(Stack, folder, options, host)
    try:
        yield stack, await asyncio.to_thread(stack.add_person, "alice")
    finally:
        await asyncio.to_thread(stack.stop)


@asynccontextmanager
async def open_stub(folder: Path) -> AsyncIterator[StubProcess]:
    """The numbered-bytes server as a process of its own."""
    stub = await asyncio.to_thread(StubProcess, folder / "stub.log")
    try:
        yield stub
    finally:
        await asyncio.to_thread(stub.stop)


@asynccontextmanager
async def open_lines(plan: Plan, folder: Path) -> AsyncIterator[World]:
    """Agents that reach their hub through lines of user space."""
    async with AsyncExitStack() as ends:
        stack, person = await ends.enter_async_context(open_stack(folder))
        stub = await ends.enter_async_context(open_stub(folder))
        echo = await ends.enter_async_context(await asyncio.start_server(_echo, "127.0.0.1", 0))
        echo_port = echo.sockets[0].getsockname()[1]
        sites = []
        for number in range(plan.links):
            line = await ends.enter_async_context(Line(stack.port))
            is_raw = number % RAW_EVERY == RAW_EVERY - 1
            name = f"{'raw' if is_raw else 'stub'}-{number}"
            target = str(echo_port if is_raw else stub.port)
            agent = start_agent(stack, person, target, name, line.url, is_raw=is_raw)
            sites.append(_site(stack, person, name, agent, is_raw=is_raw, line=line))
        yield World(stack, person, await _ready(stack, person, sites))


@asynccontextmanager
async def open_wires(plan: Plan, folder: Path, count: int) -> AsyncIterator[World]:
    """Agents in network namespaces, whose packets go through wires of ours."""
    async with AsyncExitStack() as ends:
        wires = [
            await ends.enter_async_context(Wire(plan.rng("wire", number)))
            for number in range(count)
        ]
        socket_path = folder / "stub.sock"
        command = [sys.executable, "-m", "tests.fakes.stub_server", "--socket", str(socket_path)]
        stub = Process(command, folder / "stub.log", cwd=ROOT)
        ends.push_async_callback(asyncio.to_thread, stub.stop)
        await eventually_async(socket_path.exists, 10, "the stub's socket")
        # The hub listens on the wires' ends alone: no other machine can reach them.
        stack, person = await ends.enter_async_context(open_stack(folder, wires[0].hub_ip))
        sites = []
        for number, wire in enumerate(wires):
            name = f"wire-{number}"
            words = ["tunnel", f"unix:{socket_path}", "--openai", "--name", name, "--insecure-http"]
            agent = _start_inside(stack, person, wire, words)
            sites.append(_site(stack, person, name, agent, is_raw=False, wire=wire))
        yield World(stack, person, await _ready(stack, person, sites))


def start_agent(
    stack: Stack, person: Person, target: str, name: str, hub_url: str, *, is_raw: bool = False
) -> Process:
    """`underpass tunnel` with this hub's address."""
    signed_in = {"UNDERPASS_HUB": hub_url, "UNDERPASS_KEY": person.key}
    flag = [] if is_raw else ["--openai"]
    return stack.start_agent("tunnel", target, *flag, "--name", name, **signed_in)


def _start_inside(stack: Stack, person: Person, wire: Wire, words: list[str]) -> Process:
    environment = stack.environment(UNDERPASS_HUB=stack.url, UNDERPASS_KEY=person.key)
    executable = str(Path(sys.executable).with_name("underpass"))
    log = stack.folder / f"agent-{len(stack.agents)}.log"
    agent = Process(wire.command(executable, *words), log, environment)
    stack.agents.append(agent)
    return agent


def _site(
    stack: Stack,
    person: Person,
    name: str,
    agent: Process,
    *,
    is_raw: bool,
    line: Line | None = None,
    wire: Wire | None = None,
) -> Site:
    if is_raw:
        return Site(Place(stack.url, person.key, tunnel_id=name), agent, [both_ways], line, wire)
    kinds: list[Stream] = [events_down, events_down, bulk_down, upload]
    return Site(Place(stack.url, person.key, f"{name}/stub"), agent, kinds, line, wire)


async def _ready(stack: Stack, person: Person, sites: list[Site]) -> list[Site]:
    """Until every site answers; raw ones learn their tunnel's id here."""
    api = stack.api(person)
    models = {site.place.model for site in sites if not site.is_raw}
    names = {site.place.tunnel_id for site in sites if site.is_raw}
    ids: dict[str, str] = {}

    def all_run() -> bool:
        ended = [site.agent for site in sites if not site.agent.is_alive]
        if ended:
            raise RuntimeError(f"an agent ended: {ended[0].tail()}")
        tunnels = api.items("/api/tunnels")
        ids.update({one["name"]: one["id"] for one in tunnels if one["status"] == "running"})
        found = {one["id"] for one in api.get("/v1/models").json()["data"]}
        return models <= found and names <= set(ids)

    await eventually_async(lambda: asyncio.to_thread(all_run), START_S, "all sites run")

    def named(site: Site) -> Site:
        place = Place(site.place.url, site.place.key, tunnel_id=ids[site.place.tunnel_id])
        return Site(place, site.agent, site.kinds, site.line, site.wire)

    return [named(site) if site.is_raw else site for site in sites]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass
    finally:
        writer.close()
