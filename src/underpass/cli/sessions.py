"""`underpass sessions`: compute that one asks for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli import session_options as its
from underpass.cli.client import HubClient, connect, run
from underpass.cli.direct import submit_here
from underpass.cli.output import (
    note,
    one_line,
    print_fields,
    print_json,
    print_table,
    when,
)
from underpass.config import environment
from underpass.core.errors import AppError, NotFound
from underpass.core.names import close_matches

app = typer.Typer(
    help="Sessions: compute with a model server in it.", no_args_is_help=True, add_completion=False
)

LOOK_S = 0.5
ENDS = ("stopped", "failed")


class SessionEnded(AppError):
    """A session that was waited for ended instead."""

    code = "session_ended"


@app.command("start")
def start(
    template: its.Template = None,
    model: its.Model = None,
    command: its.Command = None,
    name: its.NewName = None,
    cluster: its.Cluster = None,
    gpus: its.Gpus = None,
    memory: its.Memory = None,
    partition: its.Partition = None,
    account: its.Account = None,
    time: its.Time = None,
    idle: its.Idle = None,
    wake: its.Wake = False,
    renew: its.Renew = False,
    target: its.Target = None,
    arg: its.Arg = None,
    env: its.Env = None,
    cwd: its.Cwd = None,
    param: its.Param = None,
    openai: its.OpenAi = True,
    wait: its.Wait = False,
    here: its.Here = False,
    show_script: Annotated[
        bool, typer.Option("--show-script", help="Print the exact script and start nothing.")
    ] = False,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """Start a session.

    Examples:

      underpass sessions start --template vllm --model Qwen/Qwen3-8B --gpus 1 --time 4:00:00

      underpass sessions start --template llama.cpp --model /models/small.gguf --wait

      underpass sessions start --command 'my-server --port {port}' --name box
    """
    if template is None and command is None:
        raise typer.BadParameter("name a --template, or give a --command")
    given = {
        "model": _here(model, cluster),
        "command": command,
        "target": target,
        "gpus": gpus,
        "memory": memory,
        "partition": partition,
        "account": account,
        "time": time,
        "idle": idle,
        "wake": wake or None,
        "renew": renew or None,
        "cwd": cwd,
        "args": arg or None,
        "env": _variables(env or []) or None,
    }
    where = {"name": name, "cluster": cluster, "openai": openai}
    body = {"template": template or "custom", **where, "params": _params(given, param or [])}
    run(_preview(body, hub) if show_script else _start(body, hub, wait, here, as_json=as_json))


@app.command("ls")
def list_sessions(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List your sessions.

    Example:

      underpass sessions ls --json
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/sessions")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                one["name"],
                one["status"],
                one["end_reason"] or one["status_reason"],
                _place(one),
                "attached" if one["attached"] else one["template"],
                when(one["created_at"]),
            )
            for one in found
        ]
        empty = "No sessions. Start one: underpass sessions start --template demo --wait"
        print_table(("name", "status", "reason", "where", "template", "since"), rows, empty=empty)

    run(work())


@app.command("show")
def show(
    name: its.Name,
    script: Annotated[
        bool, typer.Option("--script", help="Print the script that its cluster was given.")
    ] = False,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """Show one session with its timeline.

    Example:

      underpass sessions show box
    """

    async def ask(client: HubClient) -> Any:
        return await client.get(f"/api/sessions/{await _id_of(client, name)}/script")

    async def work() -> None:
        if script:
            await _show_script(hub, ask)
            return
        async with connect(hub=hub) as client:
            session_id = await _id_of(client, name)
            found = await client.get(f"/api/sessions/{session_id}")
            busy = await client.get(f"/api/sessions/{session_id}/metrics")
        if as_json:
            print_json(found)
            return
        print_fields(
            [
                ("name", found["name"]),
                ("status", found["status"]),
                ("reason", found["end_message"] or found["status_reason"]),
                ("where", _place(found)),
                ("template", "attached" if found["attached"] else found["template"]),
                ("job", found["job_id"]),
                ("way out", found["via"]),
                ("ends", when(found["wall_time_ends_at"])),
                ("stops unused", when(found["idle_stops_at"])),
                ("speed", _speed(busy["points"])),
                *(("gpu", _gpu(gpu)) for gpu in busy["gpus"]),
                *(("tunnel", _tunnel(tunnel)) for tunnel in found["tunnels"]),
            ]
        )
        print()
        for event in found["timeline"]:
            print(f"{when(event['at'])}  {one_line(event['text'])}")

    run(work())


@app.command("logs")
def logs(
    name: its.Name,
    tail: Annotated[int, typer.Option(min=1, max=5000, help="How many of the last lines.")] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """Show what the model server and the agent wrote.

    Example:

      underpass sessions logs box --follow
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            path = f"/api/sessions/{await _id_of(client, name)}/logs"
            if not follow:
                for line in (await client.get(path, tail=tail))["items"]:
                    _print_line(line, as_json)
                return
            async for event in client.events(path, follow=True, tail=tail):
                if event.name == "end":
                    return
                _print_line(json.loads(event.data), as_json)

    run(work())


@app.command("stop")
def stop(names: its.Names, hub: options.Hub = None) -> None:
    """Stop sessions: their model servers finish, then end.

    Example:

      underpass sessions stop box
    """
    _each(names, hub, "stop")


@app.command("renew")
def renew(
    name: its.Name,
    wait: its.Wait = False,
    hub: options.Hub = None,
) -> None:
    """Have a new job take over from a session before its time ends.

    The new job starts beside the old one. When its model answers, name, tunnels and provider move to
    it; requests that run then finish in the old job, which ends after them.

    Example:

      underpass sessions renew box --wait
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            session_id = await _id_of(client, name)
            successor = await client.post(f"/api/sessions/{session_id}/renew")
            note(f"{name}: a successor was asked for ({successor['name']})")
            if wait:
                successor = await _wait(client, successor)
                note(f"{successor['name']}: {successor['status']}")

    run(work())


@app.command("keep")
def keep(names: its.Names, hub: options.Hub = None) -> None:
    """Keep sessions that would stop soon because nobody uses them.

    Example:

      underpass sessions keep box
    """
    _each(names, hub, "keep")


@app.command("restart")
def restart(
    name: its.Name,
    wait: its.Wait = False,
    hub: options.Hub = None,
) -> None:
    """Start a session anew, with the same tunnel, provider and model ids.

    Example:

      underpass sessions restart box --wait
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            session_id = await _id_of(client, name)
            session = await client.post(f"/api/sessions/{session_id}/restart")
            if wait:
                session = await _wait(client, session)
        note(f"{session['name']}: {session['status']}")

    run(work())


@app.command("rm")
def remove(names: its.Names, hub: options.Hub = None) -> None:
    """Remove ended sessions with their tunnels, providers and logs.

    Example:

      underpass sessions rm box
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            for name in names:
                await client.delete(f"/api/sessions/{await _id_of(client, name)}")
                note(f"{name}: removed")

    run(work())


# --- helpers -------------------------------------------------------------------------------------


async def _start(
    body: dict[str, Any], hub: str | None, is_waiting: bool, is_here: bool, *, as_json: bool
) -> None:
    async with connect(hub=hub) as client:
        if is_here:
            session = await submit_here(client, body)
        else:
            session = await client.post("/api/sessions", body)
        if is_waiting:
            session = await _wait(client, session)
    if as_json:
        print_json(session)
        return
    print_fields([("session", session["name"]), ("status", session["status"])])
    _say_next(session, is_running=is_waiting)


def _each(names: list[str], hub: str | None, verb: str) -> None:
    async def work() -> None:
        async with connect(hub=hub) as client:
            for name in names:
                session_id = await _id_of(client, name)
                session = await client.post(f"/api/sessions/{session_id}/{verb}")
                note(f"{session['name']}: {session['status']}")

    run(work())


async def _id_of(client: HubClient, name: str) -> str:
    """The id of the session of that name or id. Raises NotFound, naming close ones."""
    found = await client.items("/api/sessions")
    for session in found:
        if name in (session["name"], session["id"]):
            return str(session["id"])
    close = close_matches(name, [session["name"] for session in found])
    raise NotFound(
        f"You have no session '{one_line(name)}'.",
        hint=f"Did you mean {' or '.join(close)}?" if close else "See: underpass sessions ls",
    )


async def _preview(body: dict[str, Any], hub: str | None) -> None:
    """Prints the script that a start would submit."""
    await _show_script(hub, lambda client: client.post("/api/sessions/script", body))


async def _show_script(hub: str | None, ask: Callable[[HubClient], Awaitable[Any]]) -> None:
    async with connect(hub=hub) as client:
        print((await ask(client))["script"], end="")


async def _wait(client: HubClient, session: dict[str, Any]) -> dict[str, Any]:
    """Until it runs; says what it waits for. Raises SessionEnded, in the session's own words."""
    said, has_left = "", session["status"] not in ENDS
    while True:
        status, reason = session["status"], session["status_reason"]
        has_left = has_left or status not in ENDS
        line = f"{session['name']}: {status}" + (f"  {one_line(reason)}" if reason else "")
        if line != said and status not in ENDS:
            note(line)
            said = line
        if status == "running":
            return session
        # A restart of an ended session shows the old end for a moment.
        if status in ENDS and has_left:
            raise SessionEnded(
                f"The session {session['name']} did not come up. {session['end_message'] or ''}",
                hint=f"See: underpass sessions logs {session['name']}",
            )
        await asyncio.sleep(LOOK_S)
        session = await client.get(f"/api/sessions/{session['id']}")


def _say_next(session: dict[str, Any], *, is_running: bool) -> None:
    if is_running:
        note("Chat with it: underpass chat    Its models: underpass models ls")
    else:
        note(f"Follow it: underpass sessions logs {session['name']} --follow")


def _here(model: str | None, cluster: str | None) -> str | None:
    """A file or folder of this machine as an absolute path: the hub runs somewhere else."""
    if model is None or cluster is not None:
        return model
    is_path = model.startswith((".", "~")) or model.endswith(".gguf") or os.path.isdir(model)
    return str(Path(model).expanduser().absolute()) if is_path else model


def _params(given: dict[str, Any], pairs: list[str]) -> dict[str, Any]:
    """What was chosen by an option of its own, then what was said as NAME=VALUE."""
    chosen = {key: value for key, value in given.items() if value is not None}
    return chosen | dict(_pair("--param", text) for text in pairs)


def _variables(texts: list[str]) -> dict[str, str]:
    own = environment()
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            if name not in own:
                raise typer.BadParameter(f"--env {name}: it is not set here; write {name}=VALUE")
            value = own[name]
        found[name] = value
    return found


def _pair(option: str, text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{option} {text}: write NAME=VALUE")
    return name, value


def _place(session: dict[str, Any]) -> str:
    cluster = (session["cluster"] or {}).get("name")
    host = session["host"]
    return f"{cluster} ({host})" if cluster and host else cluster or host or ""


def _speed(points: list[dict[str, Any]]) -> str | None:
    rate = points[-1]["tokens_per_s"] if points else None
    return None if rate is None else f"{rate:.0f} tokens/s"


def _gpu(gpu: dict[str, Any]) -> str:
    words = [one_line(gpu["name"])]
    if gpu["percent"] is not None:
        words.append(f"{gpu['percent']:.0f} % busy")
    if gpu["memory_used_bytes"] is not None and gpu["memory_total_bytes"]:
        used, total = (gpu[f"memory_{one}_bytes"] / (1 << 30) for one in ("used", "total"))
        words.append(f"{used:.1f} of {total:.1f} GiB")
    return ", ".join(words)


def _tunnel(tunnel: dict[str, Any]) -> str:
    flag = "openai" if tunnel["openai"] else "plain"
    return f"{tunnel['name']} → {tunnel['target']}  {tunnel['status']}  {flag}"


def _print_line(line: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(line, ensure_ascii=False) if as_json else line["text"], flush=True)
