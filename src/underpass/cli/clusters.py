"""`underpass clusters`: places where sessions run; this machine can join as one."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from typing import Annotated, Any

import typer

from underpass import __version__
from underpass.agent.hold import Holder
from underpass.agent.report import LinkNews, News
from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, one_line, print_fields, print_json, print_table, when
from underpass.clusters.local import LocalCluster
from underpass.clusters.verbs import Verbs
from underpass.config import AgentConfig, default_data_dir
from underpass.core.clock import SystemClock
from underpass.core.errors import AppError, LinkRefused, LocalProtocolError, TunnelError

app = typer.Typer(help="Clusters: places where sessions run.", no_args_is_help=True)

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
                ("joined", when(found["created_at"])),
            ]
        )

    run(work())


@app.command("join")
def join(
    name: Annotated[
        str | None, typer.Option(help="The cluster's name; without it the host's.")
    ] = None,
    kind: Annotated[str, typer.Option(help="How jobs run here: local (processes).")] = "local",
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the name over from where it is connected.")
    ] = False,
    hub: options.Hub = None,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
) -> None:
    """Make this machine a place for your sessions: it dials out and carries five verbs.

    It runs until Ctrl-C; sessions that run here go on without it. Nobody but you can use it.

    Examples:

      underpass clusters join

      underpass sessions start --cluster NAME --template demo     (from anywhere)
    """

    async def work() -> None:
        async with connect(hub=hub, ca_file=ca_file, insecure_http=insecure_http) as client:
            body = {"name": name, "kind": kind, "host": _host(), "replace": replace}
            answer = await client.post("/api/clusters", body)
            note(f"Cluster        {answer['cluster']['name']} on {_host()}, for your sessions only")
            note(f"Start one      underpass sessions start --cluster {answer['cluster']['name']} …")
            ca = ca_file or AgentConfig.of_this_user().ca_file
            await _carry(client, answer, str(ca) if ca else None, insecure_http)

    run(work())


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


async def _carry(
    client: HubClient, answer: dict[str, Any], ca_file: str | None, insecure_http: bool
) -> None:
    """Holds the link and answers the hub's calls until Ctrl-C. Raises Left."""
    cluster = LocalCluster(
        default_data_dir() / "clusters" / answer["cluster"]["id"],
        hub_url=str(client.address),
        ca_file=ca_file,
        insecure_http=insecure_http,
    )
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
        answer["token"],
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


def _host() -> str:
    return socket.gethostname()
