"""Options that many commands share, spelt once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Hub = Annotated[
    str | None, typer.Option("--hub", help="The hub's address. [UNDERPASS_HUB, or your sign-in]")
]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", help="An authority to trust as well. [UNDERPASS_CA_FILE]"),
]
InsecureHttp = Annotated[
    bool, typer.Option("--insecure-http", help="Allow plain http to another machine.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The hub's data folder. [UNDERPASS_DATA_DIR]")
]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="The hub's database. [UNDERPASS_DATABASE_URL]")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The hub's settings file. [UNDERPASS_CONFIG]")
]
