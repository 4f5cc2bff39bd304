"""`underpass providers` and `underpass models`: what chat and programs can use now."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, print_fields, print_json, print_table
from underpass.core.errors import NotFound
from underpass.core.names import close_matches

app = typer.Typer(help="What chat and programs can use now.", no_args_is_help=True)
models_app = typer.Typer(no_args_is_help=True)

Provider = Annotated[str, typer.Argument(help="Its name, OWNER:NAME, or id.")]


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
                ("shareable", found["shareable"]),
            ]
        )

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
    hub: options.Hub = None,
) -> None:
    """Say who may use a custom provider. One that comes of a tunnel is yours alone.

    Examples:

      underpass providers share lab-vllm --group physics

      underpass providers share lab-vllm --everyone
    """
    if not (user or group or everyone):
        raise typer.BadParameter("Say with whom: --user, --group or --everyone.")

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await find(client, provider)
            await client.put(
                f"/api/providers/{found['id']}/permissions",
                {"users": user or [], "groups": group or [], "everyone": everyone},
            )
        note(f"Shared '{found['name']}'.")

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


def _session(provider: dict[str, Any], name: str) -> Any:
    session = provider["session"] or {}
    value = session.get(name)
    return value.get("name") if isinstance(value, dict) else value
