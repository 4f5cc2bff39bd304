"""`underpass providers` and `underpass models`: what chat and programs can use now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, print_fields, print_json, print_table
from underpass.core.errors import NotFound
from underpass.core.names import close_matches

app = typer.Typer(
    help="What chat and programs can use now.", no_args_is_help=True, add_completion=False
)
models_app = typer.Typer(no_args_is_help=True, add_completion=False)

Provider = Annotated[str, typer.Argument(help="Its name, OWNER:NAME, or id.")]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read its key from standard input.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="Read its key from a file.")]
HeadersFile = Annotated[
    Path | None,
    typer.Option("--headers-file", help="Headers to send it, one `Name: value` a line."),
]
Ca = Annotated[Path | None, typer.Option("--ca", help="PEM file of the authority that it has.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="The only models to offer; may be repeated, and hold *."),
]


@app.command("ls")
def list_providers(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List the providers that you may use, your own first.

    Example:

      underpass providers ls
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/providers")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(one["name"], one["status"], [model["name"] for model in one["models"]]),
                *(_session(one, "name"), _session(one, "host"), one["status_reason"]),
            )
            for one in found
        ]
        print_table(
            ("name", "status", "models", "session", "host", "reason"),
            rows,
            empty="You have no providers yet. In a session: underpass tunnel 8000 --openai",
        )

    run(work())


@app.command("show")
def show_provider(
    provider: Provider, as_json: options.Json = False, hub: options.Hub = None
) -> None:
    """Show one provider.

    Example:

      underpass providers show box
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await find(client, provider)
        if as_json:
            print_json(found)
            return
        server = found["server"] or {}
        tunnel = found["tunnel"] or {}
        print_fields(
            [
                *((name, found[name]) for name in ("id", "name", "type", "status")),
                ("reason", found["status_reason"]),
                ("owner", found["owner"]["name"]),
                ("server", " ".join(filter(None, (server.get("kind"), server.get("version"))))),
                ("models", [model["id"] for model in found["models"]]),
                ("session", _session(found, "name")),
                ("host", _session(found, "host")),
                ("cluster", _session(found, "cluster")),
                ("until", _session(found, "wall_time_ends_at")),
                ("tunnel", tunnel.get("id")),
                ("target", tunnel.get("target")),
                ("about", found["description"] or None),
                *_endpoint_fields(found["endpoint"]),
                ("shareable", found["shareable"]),
            ]
        )

    run(work())


@app.command("add")
def add_provider(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    base_url: Annotated[str, typer.Argument(help="As OpenAI's clients take it: https://…/v1.")],
    key_stdin: KeyStdin = False,
    key_file: KeyFile = None,
    headers_file: HeadersFile = None,
    ca: Ca = None,
    model: Models = None,
    description: Annotated[str, typer.Option(help="What it is, for those you share it with.")] = "",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask it for its models first.")
    ] = True,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """Add a custom provider: an OpenAI-compatible endpoint that runs somewhere else.

    A key is read from standard input or a file, never from the command line.

    Examples:

      underpass providers add lab https://llm.lab.example.org/v1 --key-stdin < key.txt

      underpass providers add gpu-box https://10.20.0.7:8000/v1 --ca lab-ca.pem --model 'qwen*'
    """
    body = _given(key_stdin, key_file, headers_file, ca, model)
    body |= {"name": name, "base_url": base_url, "description": description, "check": check}

    async def work() -> None:
        async with connect(hub=hub) as client:
            made = await client.post("/api/providers", body)
        if as_json:
            print_json(made)
            return
        count = len(made["models"])
        note(
            f"Added '{made['name']}' ({made['status']}, {count} model{'' if count == 1 else 's'})."
        )

    run(work())


@app.command("set")
def change_provider(
    provider: Provider,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Another address; give the key anew.")
    ] = None,
    key_stdin: KeyStdin = False,
    key_file: KeyFile = None,
    headers_file: HeadersFile = None,
    ca: Ca = None,
    model: Models = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask it for its models first.")
    ] = True,
    hub: options.Hub = None,
) -> None:
    """Change a custom provider. What is not given stays.

    Example:

      underpass providers set lab --key-file new-key.txt
    """
    body = _given(key_stdin, key_file, headers_file, ca, model)
    named = {"name": name, "base_url": base_url, "description": description}
    body |= {field: value for field, value in named.items() if value is not None}
    if not body:
        raise typer.BadParameter("Say what to change.")

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await find(client, provider)
            path = f"/api/providers/{found['id']}"
            changed = await client.patch(path, {**body, "check": check})
        note(f"Changed '{changed['name']}' ({changed['status']}).")

    run(work())


@app.command("rm")
def remove_provider(provider: Provider, hub: options.Hub = None) -> None:
    """Remove a custom provider; what it answers just now ends.

    Example:

      underpass providers rm lab
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await find(client, provider)
            await client.delete(f"/api/providers/{found['id']}")
        note(f"Removed '{found['name']}'.")

    run(work())


@app.command("share")
def share_provider(
    provider: Provider,
    user: Annotated[
        list[str] | None, typer.Option("--user", help="A user's name; may be repeated.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A group's name; may be repeated.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="All who can sign in.")] = False,
    nobody: Annotated[bool, typer.Option("--nobody", help="End all sharing.")] = False,
    hub: options.Hub = None,
) -> None:
    """Say who may use a custom provider, besides you. One that comes of a tunnel is yours alone.

    What you say replaces what was said before, and holds from the next request on.

    Examples:

      underpass providers share lab-vllm --group physics --user bob

      underpass providers share lab-vllm --nobody
    """
    if nobody == bool(user or group or everyone):
        raise typer.BadParameter("Say with whom: --user, --group, --everyone, or --nobody.")

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await find(client, provider)
            path = f"/api/providers/{found['id']}/permissions"
            await client.put(
                path, {"users": user or [], "groups": group or [], "everyone": everyone}
            )
            allowed = await client.get(path)
        note(f"'{found['name']}' is shared with {_shared_with(allowed)}.")

    run(work())


@models_app.callback()
def _models() -> None:
    """The models of your providers."""


@models_app.command("ls")
def list_models(
    all_: Annotated[
        bool, typer.Option("--all", help="Those of stopped providers as well.")
    ] = False,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """List the models that you can use now.

    Examples:

      underpass models ls

      underpass models ls --all --json
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = models_of(await client.items("/api/providers"), with_stopped=all_)
        if as_json:
            print_json(found)
            return
        rows = [(one["id"], one["status"], one["max_model_len"], one["host"]) for one in found]
        print_table(
            ("model", "status", "context", "host"),
            rows,
            empty="No model is running. `underpass providers ls` says why.",
        )

    run(work())


def models_of(providers: list[dict[str, Any]], *, with_stopped: bool) -> list[dict[str, Any]]:
    """One entry for each model of the providers."""
    return [
        {
            "id": model["id"],
            "status": provider["status"],
            "max_model_len": model["max_model_len"],
            "provider": provider["name"],
            "host": _session(provider, "host"),
        }
        for provider in providers
        if with_stopped or provider["status"] != "stopped"
        for model in provider["models"]
    ]


async def find(client: HubClient, words: str) -> dict[str, Any]:
    """The provider that a name, OWNER:NAME or id means. Raises NotFound (close names)."""
    found = await client.items("/api/providers")
    for provider in found:  # the caller's own come first
        full = f"{provider['owner']['name']}:{provider['name']}"
        if words in (provider["id"], provider["name"], full):
            return provider
    close = close_matches(words, [provider["name"] for provider in found])
    raise NotFound(
        f"You have no provider '{words}'.",
        hint=f"Did you mean '{close[0]}'?" if close else "`underpass providers ls` lists them.",
    )


def _given(
    key_stdin: bool,
    key_file: Path | None,
    headers_file: Path | None,
    ca: Path | None,
    model: list[str] | None,
) -> dict[str, Any]:
    """The fields that come from files and lists. Raises BadParameter."""
    if key_stdin and key_file is not None:
        raise typer.BadParameter("Give --key-stdin or --key-file, not both.")
    body: dict[str, Any] = {}
    if key_stdin:
        body["key"] = sys.stdin.readline().strip()
    elif key_file is not None:
        body["key"] = key_file.read_text().strip()
    if headers_file is not None:
        lines = [line for line in headers_file.read_text().splitlines() if line.strip()]
        body["headers"] = dict(_header(line) for line in lines)
    if ca is not None:
        body["ca_pem"] = ca.read_text()
    if model:
        body["model_allow"] = model
    return body


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise typer.BadParameter("A line of the headers file is not of the form 'Name: value'.")
    return name.strip(), value.strip()


def _endpoint_fields(endpoint: dict[str, Any] | None) -> list[tuple[str, object]]:
    if endpoint is None:
        return []
    return [
        ("base url", endpoint["base_url"]),
        ("key", "set" if endpoint["has_key"] else "none"),
        ("headers", endpoint["header_names"]),
        ("own CA", endpoint["has_ca"]),
        ("offers", endpoint["model_allow"] or "all"),
    ]


def _shared_with(allowed: dict[str, Any]) -> str:
    if allowed["everyone"]:
        return "everyone"
    names = [one["name"] for kind in ("users", "groups") for one in allowed[kind]]
    return ", ".join(names) or "nobody"


def _session(provider: dict[str, Any], name: str) -> Any:
    session = provider["session"] or {}
    value = session.get(name)
    return value.get("name") if isinstance(value, dict) else value
