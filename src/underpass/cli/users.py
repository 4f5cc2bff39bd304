"""`underpass users` and `underpass groups`: through the hub, for admins."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, print_json, print_table, when
from underpass.core.errors import ConfigError, NotFound

app = typer.Typer(
    help="Users, through the hub. For admins.", no_args_is_help=True, add_completion=False
)
groups_app = typer.Typer(
    help="Groups, through the hub. For admins.", no_args_is_help=True, add_completion=False
)

User = Annotated[str, typer.Argument(help="The user's name.")]
Group = Annotated[str, typer.Argument(help="The group's name.")]
PerMinute = Annotated[int | None, typer.Option(min=1, help="Requests to models in a minute.")]
PerDay = Annotated[int | None, typer.Option(min=1, help="Tokens in a day of UTC, in and out.")]


@app.command("ls")
def list_users(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List all users.

    Example:

      underpass users ls --json
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/users")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(one[field] for field in ("name", "display_name", "email")),
                *(one[field] for field in ("is_admin", "is_disabled")),
                when(one["created_at"]),
            )
            for one in found
        ]
        columns = ("name", "shown as", "address", "admin", "disabled", "since")
        print_table(columns, rows, empty="No users.")

    run(work())


@app.command("add")
def add_user(
    name: User,
    admin: Annotated[bool, typer.Option("--admin", help="May look after the hub.")] = False,
    display_name: Annotated[str | None, typer.Option(help="How the user is shown.")] = None,
    email: Annotated[
        str | None, typer.Option(help="The user's address; a sign-in issuer may know them by it.")
    ] = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Signs in at an issuer, by link or key only.")
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    hub: options.Hub = None,
) -> None:
    """Add a user.

    Example:

      underpass users add alice --display-name "Alice A."
    """

    async def work() -> None:
        password = None if no_password else _password(from_stdin=password_stdin)
        body = {
            "name": name,
            "display_name": display_name,
            "is_admin": admin,
            "password": password,
            "email": email,
        }
        async with connect(hub=hub) as client:
            user = await client.post("/api/users", body)
        note(f"Added {user['name']}.")

    run(work())


@app.command("email")
def set_email(
    name: User,
    address: Annotated[str, typer.Argument(help="The address; an empty one takes it away.")],
    hub: options.Hub = None,
) -> None:
    """Set a user's address, by which a sign-in issuer may know them.

    Example:

      underpass users email bob bob@example.org
    """
    _change(name, hub, {"email": address}, f"{address} now" if address else "without an address")


@app.command("disable")
def disable_user(name: User, hub: options.Hub = None) -> None:
    """Disable a user: sign-ins, keys and tunnels end at once.

    Example:

      underpass users disable bob
    """
    _change(name, hub, {"is_disabled": True}, "disabled")


@app.command("enable")
def enable_user(name: User, hub: options.Hub = None) -> None:
    """Let a disabled user in again.

    Example:

      underpass users enable bob
    """
    _change(name, hub, {"is_disabled": False}, "enabled")


@app.command("reset-two-step")
def reset_two_step(name: User, hub: options.Hub = None) -> None:
    """Turn a user's two-step sign-in off, for somebody who has neither phone nor recovery codes.

    Example:

      underpass users reset-two-step bob
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            user = await _by_name(client, "/api/users", name, "user")
            await client.delete(f"/api/users/{user['id']}/two-step")
        note(f"{name} signs in with the password alone now.")

    run(work())


@app.command("limit")
def limit_user(
    name: User,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    hub: options.Hub = None,
) -> None:
    """Set how much a user may ask of models; without an option there is no limit of that kind.

    Example:

      underpass users limit bob --requests-per-minute 60 --tokens-per-day 2000000
    """
    _limit("user", name, hub, requests_per_minute, tokens_per_day)


@app.command("export")
def export_user(
    name: User,
    file: Annotated[Path, typer.Argument(help="The ZIP to write; it must not exist.")],
    hub: options.Hub = None,
) -> None:
    """Save everything of a disabled user's: account, chats, usage, what they did.

    Example:

      underpass users export bob bob.zip
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            user = await _by_name(client, "/api/users", name, "user")
            await _export(client, user, file)
        note(f"Saved {file}.")

    run(work())


@app.command("rm")
def remove_user(
    name: User,
    export: Annotated[
        Path | None, typer.Option(help="Save everything of the user's in this ZIP first.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, for oneself too.")] = False,
    hub: options.Hub = None,
) -> None:
    """Delete a user with all they have; what runs of theirs ends. Nothing can be undone.

    Examples:

      underpass users rm bob

      underpass users rm bob --export bob.zip
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            user = await _by_name(client, "/api/users", name, "user")
            is_own = user["id"] == (await client.get("/api/me"))["id"]
            question = "This is your own account, with all your chats. Remove it?"
            if is_own and not yes and not typer.confirm(question, err=True):
                note("Nothing was removed.")
                raise typer.Exit(1)
            if export is not None:
                if not is_own:
                    await client.patch(f"/api/users/{user['id']}", {"is_disabled": True})
                await _export(client, user, export)
            confirm = user["name"] if is_own else None
            await client.delete(f"/api/users/{user['id']}", confirm=confirm)
        note(f"Removed {name}.")

    run(work())


# --- groups ----------------------------------------------------------------------------------


@groups_app.command("ls")
def list_groups(as_json: options.Json = False, hub: options.Hub = None) -> None:
    """List groups and who is in them.

    Example:

      underpass groups ls
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await client.items("/api/groups")
            names = {}
            if any(one["members"] for one in found):
                names = {one["id"]: one["name"] for one in await client.items("/api/users")}
        if as_json:
            print_json(found)
            return
        rows = [
            (one["name"], sorted(names.get(member, member) for member in one["members"] or []))
            for one in found
        ]
        print_table(("name", "members"), rows, empty="No groups.")

    run(work())


@groups_app.command("add")
def add_group(
    name: Group,
    member: Annotated[
        list[str] | None, typer.Option("--member", help="A user's name; may be repeated.")
    ] = None,
    hub: options.Hub = None,
) -> None:
    """Add a group.

    Example:

      underpass groups add physics --member alice --member bob
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            members = await _user_ids(client, member or [])
            await client.post("/api/groups", {"name": name, "members": members})
        note(f"Added {name}.")

    run(work())


@groups_app.command("set")
def set_group(
    name: Group,
    member: Annotated[
        list[str] | None, typer.Option("--member", help="A user's name; may be repeated.")
    ] = None,
    hub: options.Hub = None,
) -> None:
    """Replace who is in a group.

    Example:

      underpass groups set physics --member alice
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            group = await _by_name(client, "/api/groups", name, "group")
            members = await _user_ids(client, member or [])
            await client.patch(f"/api/groups/{group['id']}", {"members": members})
        note(f"{name} has {len(members)} member{'' if len(members) == 1 else 's'}.")

    run(work())


@groups_app.command("limit")
def limit_group(
    name: Group,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    hub: options.Hub = None,
) -> None:
    """Set how much each member may ask of models, who has no limits of their own.

    Example:

      underpass groups limit students --tokens-per-day 500000
    """
    _limit("group", name, hub, requests_per_minute, tokens_per_day)


@groups_app.command("rm")
def remove_group(name: Group, hub: options.Hub = None) -> None:
    """Delete a group; its members stay users.

    Example:

      underpass groups rm physics
    """

    async def work() -> None:
        async with connect(hub=hub) as client:
            group = await _by_name(client, "/api/groups", name, "group")
            await client.delete(f"/api/groups/{group['id']}")
        note(f"Removed {name}.")

    run(work())


# --- helpers ---------------------------------------------------------------------------------


async def _export(client: HubClient, user: dict[str, Any], file: Path) -> None:
    """For its owner alone: there are chats in it. A file that was begun and failed is removed."""
    try:
        out = os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
    except OSError as error:
        raise ConfigError(
            f"The file {file} cannot be written: {error.strerror}.",
            hint="Name one that does not exist, in a folder of yours.",
        ) from error
    try:
        with out:
            await client.download(f"/api/users/{user['id']}/export", out)
    except BaseException:
        file.unlink(missing_ok=True)  # noqa: ASYNC240 (the command's last act)
        raise


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return entered


def _change(name: str, hub: str | None, body: dict[str, Any], done: str) -> None:
    async def work() -> None:
        async with connect(hub=hub) as client:
            user = await _by_name(client, "/api/users", name, "user")
            await client.patch(f"/api/users/{user['id']}", body)
        note(f"{name} is {done}.")

    run(work())


def _limit(
    noun: str, name: str, hub: str | None, requests_per_minute: int | None, tokens: int | None
) -> None:
    async def work() -> None:
        async with connect(hub=hub) as client:
            found = await _by_name(client, f"/api/{noun}s", name, noun)
            body = {"requests_per_minute": requests_per_minute, "tokens_per_day": tokens}
            await client.put(f"/api/{noun}s/{found['id']}/limits", body)
        words = [
            f"{number} {what}"
            for number, what in (
                (requests_per_minute, "requests a minute"),
                (tokens, "tokens a day"),
            )
            if number is not None
        ]
        note(f"{name}: {' and '.join(words) or 'no limits'}.")

    run(work())


async def _by_name(client: HubClient, path: str, name: str, noun: str) -> dict[str, Any]:
    for one in await client.items(path):
        if one["name"] == name.lower():
            return one
    raise NotFound(f"There is no {noun} '{name}'.", hint=f"See `underpass {noun}s ls`.")


async def _user_ids(client: HubClient, names: list[str]) -> list[str]:
    known = {one["name"]: one["id"] for one in await client.items("/api/users")}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise NotFound(f"There is no user '{unknown[0]}'.", hint="See `underpass users ls`.")
    return [known[name.lower()] for name in names]
