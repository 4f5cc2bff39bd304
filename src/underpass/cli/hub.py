"""`underpass hub`: runs a hub in the foreground."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.output import note
from underpass.config import HubConfig, hub_config_file
from underpass.core import collector


def hub(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [8080]")] = None,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
    public_url: Annotated[
        str | None, typer.Option(help="The address that people and agents use.")
    ] = None,
    config: options.ConfigFile = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run a hub: the web pages, AI Chat, the gateway and the tunnels' end.

    The first start prints a one-time link for the first admin. All settings:
    docs/reference/settings.md.

    Examples:

      underpass hub

      underpass hub --host 0.0.0.0 --port 443 --public-url https://hub.example.org

      underpass hub --database-url postgresql://underpass@db.example.org/underpass
    """
    flags = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "database_url": database_url,
        "public_url": public_url,
        "log_level": log_level,
    }
    settings = HubConfig.load(flags, hub_config_file(config))
    run_hub(settings)


def run_hub(settings: HubConfig) -> None:
    """Runs a hub on uvloop until it is told to stop."""
    collector.rest()
    import uvloop

    from underpass.hub import logs
    from underpass.hub.server import serve

    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    logs.set_up(level=settings.log_level, as_json=as_json)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, _say_ready))


async def _say_ready(running: Any, url: str) -> None:
    """The one calm line, and on a new hub the first admin's link."""
    collector.settle()
    public = running.services.config.public_url or url
    note(f"Underpass hub ready at {public}")
    token = await running.setup_token()
    if token is not None:
        note(f"Make the first admin (this link works once): {public}/setup?token={token}")
