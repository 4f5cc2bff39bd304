"""`underpass keys`: keys for programs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import connect, run
from underpass.cli.output import note, print_json, print_table, when
from underpass.core.errors import NotFound
from underpass.core.principal import Scope

app = typer.Typer(help="Keys for programs.", no_args_is_help=True, add_completion=False)

_SPAN = re.compile(r"(\d+)\s*([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope", help="How far it reaches; may be repeated. Default: gateway, read."
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="12h, 30d, 4w or a date, 2027-01-31.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="The only models it may use; may be repeated. Default: all."),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests to models in a minute.")
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option(min=1, help="Tokens in a day of UTC, in and out.")
    ] = None,
    as_json: options.Json = False,
    hub: options.Hub = None,
) -> None:
    """Make a key. Its secret is printed once, alone on standard output.

    Examples:

      underpass keys create laptop --expires 30d

      export OPENAI_API_KEY=$(underpass keys create aider --model 'box/*')
    """
    body: dict[str, Any] = {"name": name}
    if scope:
        body["scopes"] = [one.value for one in scope]
    if expires is not None:
        body["expires_at"] = expiry(expires, datetime.now(UTC)).isoformat()
    if model:
        body["model_allow"] = model
    body |= {"requests_per_minute": requests_per_minute, "tokens_per_day": tokens_per_day}

    async def work() -> None:
        async with connect(hub=hub) as client:
            made = await client.post("/api/keys", body)
        if as_json:
            print_json(made)
            return
        key = made["key"]
        until = f", until {when(key['expires_at'])}" if key["expires_at"] else ""
        note(f"Key '{key['name']}' ({', '.join(key['scopes'])}{until}). It is shown only now:")
        print(made["secret"])

    run(work())


@app.command("ls")
def list_keys(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List your keys.

    Example:

      underpass keys ls --json
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/keys")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(key["name"], f"{key['prefix']}…", key["scopes"], key["model_allow"] or "all"),
                *(when(key["last_used_at"]), when(key["expires_at"]), _state(key), key["id"]),
            )
            for key in found
        ]
        columns = ("name", "key", "scopes", "models", "last used", "expires", "state", "id")
        print_table(columns, rows, empty="You have no keys.")

    run(work())


@app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its id, name, or how it begins.")],
    hub: options.Hub = None,
) -> None:
    """Revoke a key: what it opened ends at once.

    Example:

      underpass keys revoke laptop
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = choose(await client.items("/api/keys"), key)
            await client.delete(f"/api/keys/{found['id']}")
        note(f"Revoked '{found['name']}'.")

    run(work())


def choose(keys: list[dict[str, Any]], words: str) -> dict[str, Any]:
    """The one key that is meant. Raises NotFound, BadParameter when several fit."""
    alive = [key for key in keys if key["revoked_at"] is None]
    fitting = [
        key
        for key in alive
        if words in (key["id"], key["name"], key["prefix"], f"{key['prefix']}…")
    ]
    if not fitting:
        raise NotFound(f"You have no key '{words}'.", hint="`underpass keys ls` lists them.")
    if len(fitting) > 1:
        ids = ", ".join(key["id"] for key in fitting)
        raise typer.BadParameter(f"{len(fitting)} keys are called '{words}': give one of {ids}.")
    return fitting[0]


def expiry(text: str, now: datetime) -> datetime:
    """The time that `30d` or `2027-01-31` means; raises BadParameter."""
    span = _SPAN.fullmatch(text.strip().lower())
    try:
        if span is not None:
            date = now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        else:
            date = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"'{text}' is no time: write 12h, 30d, 4w or 2027-01-31."
        ) from None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    if date <= now:
        raise typer.BadParameter(f"'{text}' is over already.")
    return date


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"] is not None:
        return "revoked"
    is_over = key["expires_at"] and datetime.fromisoformat(key["expires_at"]) <= datetime.now(UTC)
    return "expired" if is_over else "good"
