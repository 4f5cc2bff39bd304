"""`underpass connect`: the settings for people's tools, filled in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import HubClient, run
from underpass.cli.client import connect as connect_hub
from underpass.cli.output import note, print_json
from underpass.cli.providers import models_of
from underpass.core.names import close_matches
from underpass.tools import NO_MODEL, TOOLS, Facts


def connect(
    tool: Annotated[
        str | None, typer.Argument(help="Which tool. Without it: the list of them.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Which model. Default: the first that runs.")
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a key for it, and fill that in too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")] = False,
    hub: options.Hub = None,
) -> None:
    """Print the settings for a tool: address, model and key filled in.

    Examples:

      underpass connect

      underpass connect openai-python --model box/Qwen3-8B

      underpass connect aider --new-key
    """
    if tool is None:
        _list_tools(as_json)
        return
    name = tool.lower().replace(" ", "-").replace("_", "-")
    if name not in TOOLS:
        close = close_matches(name, TOOLS)
        hint = f"Did you mean '{close[0]}'?" if close else f"There are {', '.join(TOOLS)}."
        raise typer.BadParameter(f"No tool '{tool}' is known here. {hint}")

    async def work() -> None:
        async with connect_hub(hub=hub) as client:
            facts = await _facts(client, model, name if new_key else None)
        settings = TOOLS[name].settings(facts)
        if as_json:
            print_json({"tool": name, "where": TOOLS[name].where, "settings": settings})
            return
        note(f"{TOOLS[name].title}: {TOOLS[name].where}")
        print(settings)
        if facts.key is None:
            note(f"Put a key in its place: underpass keys create {name}, or --new-key.")

    run(work())


def _list_tools(as_json: bool) -> None:
    if as_json:
        print_json([{"name": name, "title": tool.title} for name, tool in TOOLS.items()])
        return
    for name, tool in TOOLS.items():
        print(f"{name:<16}{tool.title}")


async def _facts(client: HubClient, model: str | None, key_for: str | None) -> Facts:
    """What is filled in. Makes a key where `key_for` names its tool."""
    models = models_of(await client.items("/api/providers"), with_stopped=True)
    chosen = _chosen(models, model)
    key: str | None = None
    if key_for is not None:
        made = await client.post("/api/keys", {"name": key_for, "scopes": ["gateway", "read"]})
        key = str(made["secret"])
        note(f"Made the key '{key_for}'. `underpass keys revoke {key_for}` ends it.")
    return Facts(
        hub=str(client.address),
        model=chosen["id"],
        context=chosen["max_model_len"],
        key=key,
    )


def _chosen(models: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    """The model to fill in; one that is not known is filled in as it was typed."""
    for model in models:
        if wanted in (model["id"], model["id"].partition("/")[2]):
            return model
    if wanted is not None:
        note(f"'{wanted}' is not running now; it is filled in all the same.")
        return {"id": wanted, "max_model_len": None}
    running = [model for model in models if model["status"] == "running"]
    if running or models:
        return (running or models)[0]
    note("You have no model yet; put its name in the place of PROVIDER/MODEL.")
    return {"id": NO_MODEL, "max_model_len": None}
