"""`underpass clusters`: places where sessions run; this machine can join as one."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass import __version__
from underpass.agent.hold import Holder
from underpass.agent.report import LinkNews, News
from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, one_line, print_fields, print_json, print_table, when
from underpass.clusters.base import Cluster
from underpass.clusters.places import Site, checked_kind, open_cluster
from underpass.clusters.relay import RELAY_FILE, Relay, inner_addresses
from underpass.clusters.verbs import Verbs
from underpass.config import AgentConfig, default_data_dir, environment
from underpass.core.clock import SystemClock
from underpass.core.errors import AppError, LinkRefused, LocalProtocolError, TunnelError
from underpass.core.times import in_words
from underpass.tunnel.dial import open_stream

app = typer.Typer(
    help="Clusters: places where sessions run.", no_args_is_help=True, add_completion=False
)

Name = Annotated[str, typer.Argument(help="The cluster's name or id.")]


class Left(AppError):
    """The hub no longer wants this machine."""

    code = "cluster_left"


@app.command("ls")
def list_clusters(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List the clusters that you may use.

    Example:

      underpass clusters ls
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/clusters")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(one[field] for field in ("name", "kind", "status", "host")),
                (one["owner"] or {"name": "the hub"})["name"],
            )
            for one in found
        ]
        empty = "No clusters. Join one: run `underpass clusters join` on a machine of yours."
        print_table(("name", "kind", "status", "host", "owner"), rows, empty=empty)

    run(work())


@app.command("show")
def show(name: Name, as_json: options.Json = False, hub: options.Hub = None) -> None:
    """Show one cluster and what it offers.

    Example:

      underpass clusters show lab
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.get(f"/api/clusters/{name}")
        if as_json:
            print_json(found)
            return
        offer = found["capabilities"]
        programs = [word for word, path in offer["programs"].items() if path]
        print_fields(
            [
                ("name", found["name"]),
                ("kind", found["kind"]),
                ("status", found["status"]),
                ("host", found["host"]),
                ("cpus", offer["cpus"]),
                ("gpus", offer["gpus"]),
                ("programs", programs),
                ("scheduler", offer["extra"].get("scheduler")),
                ("accounts", offer["extra"].get("accounts")),
                ("qos", offer["extra"].get("qos")),
                ("joined", when(found["created_at"])),
            ]
        )
        rows = [_partition(one) for one in offer["extra"].get("partitions", ())]
        if rows:
            print()
            columns = ("partition", "state", "time", "nodes", "cpus", "memory", "gpus")
            print_table(columns, rows, empty="")

    run(work())


@app.command("join")
def join(
    name: Annotated[
        str | None, typer.Option(help="The cluster's name; without it the host's.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="How jobs run here: slurm, pbs, local (processes). Without it: found out."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where jobs keep their files; on a cluster a disk that its nodes share."),
    ] = None,
    scratch: Annotated[
        str | None,
        typer.Option(help="Where model servers keep caches; without it $SCRATCH, if there is one."),
    ] = None,
    relay: Annotated[
        bool | None,
        typer.Option(
            "--relay/--no-relay",
            help="A door to the hub for jobs on nodes without a way out; on with a scheduler.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the name over from where it is connected.")
    ] = False,
    hub: options.Hub = None,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
) -> None:
    """Make this machine a place for your sessions: it dials out and carries five verbs.

    On a login node its scheduler is found, and sessions become jobs of yours. It needs no inbound
    port, and the hub gets no secret of the cluster. It runs until Ctrl-C; sessions that run go on
    without it. Nobody but you can use it.

    Examples:

      underpass clusters join

      underpass sessions start --cluster NAME --template demo     (from anywhere)
    """

    joining = _Joining(name, kind, folder, scratch, relay, replace, hub, ca_file, insecure_http)
    run(_join(joining))


@app.command("rm")
def remove(name: Name, hub: options.Hub = None) -> None:
    """Forget a cluster that joined; its machine is turned away.

    Example:

      underpass clusters rm lab
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            await client.delete(f"/api/clusters/{name}")
        note(f"{name}: removed")

    run(work())


# --- helpers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Joining:
    """What was asked for on the command line of `join`."""

    name: str | None
    kind: str | None
    folder: Path | None
    scratch: str | None
    has_door: bool | None
    replaces: bool
    hub: str | None
    ca_file: Path | None
    insecure_http: bool


async def _join(asked: _Joining) -> None:
    found = checked_kind(asked.kind, environment())
    insecure = asked.insecure_http
    async with connect(hub=asked.hub, ca_file=asked.ca_file, insecure_http=insecure) as client:
        body = {"name": asked.name, "kind": found, "host": _host(), "replace": asked.replaces}
        answer = await client.post("/api/clusters", body)
        itself = answer["cluster"]
        note(f"Cluster        {itself['name']} on {_host()} ({found}), for your sessions only")
        note(f"Start one      underpass sessions start --cluster {itself['name']} …")
        ca = asked.ca_file or AgentConfig.of_this_user().ca_file
        site = Site(
            kind=found,
            folder=asked.folder or default_data_dir() / "clusters" / itself["id"],
            hub_url=str(client.address),
            environment=environment(),
            ca_file=str(ca) if ca else None,
            insecure_http=insecure,
            scratch=asked.scratch,
        )
        is_wanted = found != "local" if asked.has_door is None else asked.has_door
        async with _door(client, site.folder, is_wanted=is_wanted):
            await _carry(client, answer["token"], open_cluster(site))


@asynccontextmanager
async def _door(client: HubClient, folder: Path, *, is_wanted: bool) -> AsyncIterator[None]:
    """For as long as this machine has joined, its jobs may reach the hub through it."""
    address = client.address
    addresses = inner_addresses() if is_wanted and address.is_tls else []
    if not addresses:
        yield
        return
    relay = Relay(address.host, address.port, lambda: open_stream(client.way), folder / RELAY_FILE)
    try:
        places = await relay.start(addresses)
        note(f"Way out        for jobs without one: {', '.join(places)}, to {address.netloc} only")
    except OSError as error:
        note(f"Way out        none for jobs: {error.strerror or error}")
    try:
        yield
    finally:
        await relay.close()


async def _carry(client: HubClient, token: str, cluster: Cluster) -> None:
    """Holds the link and answers the hub's calls until Ctrl-C. Raises Left."""
    hellos: set[asyncio.Task[None]] = set()

    def say(message: dict[str, Any]) -> None:
        with suppress(TunnelError):
            holder.say(message)

    def greet() -> None:
        task = asyncio.get_running_loop().create_task(verbs.hello())
        hellos.add(task)
        task.add_done_callback(hellos.discard)

    leaving = asyncio.ensure_future(_signalled())
    verbs = Verbs(cluster, say, version=__version__)
    holder = Holder(
        client.way,
        token,
        software=f"underpass/{__version__}",
        on_stream=_no_stream,
        on_control=verbs.on_control,
        on_fresh=greet,
        report=lambda news: None if leaving.done() else _report(news),
        clock=SystemClock(),
    )
    holding = asyncio.ensure_future(holder.run())
    try:
        await asyncio.wait({holding, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            await holding
        # Said while the link is still driven, so that the hub need not wait for its grace.
        await holder.close({"type": "cluster.bye"}, "The machine left.")
        note("Left. Sessions that run here go on; join again to start more.")
    except LinkRefused as error:
        raise Left(error.message, hint="Run `underpass clusters join` again.") from error
    finally:
        for task in (holding, leaving):
            task.cancel()
        await asyncio.gather(holding, leaving, return_exceptions=True)
        await verbs.close()


async def _signalled() -> None:
    """Until Ctrl-C or TERM."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


def _no_stream(stream: object) -> None:
    """A joined machine serves no tunnels itself; its sessions' agents do."""
    raise LocalProtocolError(f"The hub opened {stream!r} on a cluster's link.")


def _report(news: News) -> None:
    if isinstance(news, LinkNews):
        note(f"Link           {news.status}  {one_line(news.detail)}".rstrip())


def _partition(one: dict[str, Any]) -> tuple[object, ...]:
    limit = one["time_limit_s"]
    return (
        one["name"] + (" (default)" if one["default"] else ""),
        "up" if one["up"] else "closed",
        "no limit" if limit is None else in_words(limit),
        one["nodes"],
        one["cpus"],
        f"{one['memory_mb'] // 1024}G" if one["memory_mb"] >= 10240 else f"{one['memory_mb']}M",
        ", ".join(f"{gpu['type'] or 'gpu'} ×{gpu['count']}" for gpu in one["gpus"]),
    )


def _host() -> str:
    return socket.gethostname()
