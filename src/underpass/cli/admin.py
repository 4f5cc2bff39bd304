"""`underpass admin`: straight on the hub's store, on its own machine, whether it runs or not."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from underpass.cli import options
from underpass.cli.client import run
from underpass.cli.output import note, print_json, print_table, when
from underpass.config import HubConfig, hub_config_file
from underpass.core.clock import SystemClock
from underpass.core.errors import ConfigError, InvalidRequest
from underpass.core.principal import ALL_SCOPES, Scope
from underpass.core.times import iso

if TYPE_CHECKING:
    from underpass.hub.auth.accounts import Accounts
    from underpass.hub.auth.key_ring import KeyRing
    from underpass.hub.auth.second_step import SecondStep
    from underpass.hub.auth.sign_ins import SignIns
    from underpass.store import Store, UserRecord

app = typer.Typer(
    help="On the hub's own machine: first set-up, recovery, automation.", no_args_is_help=True
)
users = typer.Typer(
    help="Add and list users, set passwords.", no_args_is_help=True, add_completion=False
)
keys = typer.Typer(help="Make keys for users.", no_args_is_help=True, add_completion=False)
app.add_typer(users, name="users")
app.add_typer(keys, name="keys")

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Name = Annotated[str, typer.Argument(help="The user's name.")]


@users.command("add")
def add_user(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="May look after the hub.")] = False,
    password_stdin: PasswordStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Signs in by link or key only.")
    ] = False,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Add a user.

    Examples:

      underpass admin users add alice --admin

      echo "$PASSWORD" | underpass admin users add bob --password-stdin --data-dir /srv/underpass
    """

    async def work() -> None:
        async with _desk(data_dir, database_url, is_first=True) as desk:
            password = None if no_password else _password(from_stdin=password_stdin)
            user = await desk.accounts.create(name, password=password, is_admin=admin)
            await desk.note("user.create", user.name)
            note(f"Added {user.name}{', an admin' if admin else ''}.")

    run(work())


@users.command("ls")
def list_users(
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """List all users.

    Example:

      underpass admin users ls --json
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            found = await _all_users(desk.store)
        if as_json:
            print_json([_user_json(user) for user in found])
            return
        rows = [
            (
                user.name,
                user.display_name,
                user.is_admin,
                user.is_disabled,
                when(iso(user.created_at)),
            )
            for user in found
        ]
        print_table(("name", "shown as", "admin", "disabled", "since"), rows, empty="No users yet.")

    run(work())


@users.command("passwd")
def set_password(
    name: Name,
    password_stdin: PasswordStdin = False,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Set a user's password; they are signed out everywhere.

    Example:

      underpass admin users passwd alice
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            user = await desk.store.users.by_name(name)
            await desk.accounts.set_password(user.id, _password(from_stdin=password_stdin))
            await desk.note("password.change", user.name)
            note(f"{user.name} has a new password.")

    run(work())


@users.command("reset-two-step")
def reset_two_step(
    name: Name,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Turn a user's two-step sign-in off, for somebody who has neither phone nor recovery codes.

    Example:

      underpass admin users reset-two-step alice
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            user = await desk.store.users.by_name(name)
            if not await desk.second_step.reset(user.id):
                note(f"{user.name} has no two-step sign-in.")
                return
            await desk.note("two_step.reset", user.name)
            note(f"{user.name} signs in with the password alone now.")

    run(work())


@users.command("link")
def sign_in_link(
    name: Name,
    url: Annotated[str, typer.Option("--url", help="The hub's address.")] = "http://127.0.0.1:8080",
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Print a link that signs a browser in as a user, once, within ten minutes.

    Example:

      underpass admin users link alice --url https://hub.example.org
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            user = await desk.store.users.by_name(name)
            token = await desk.sign_ins.new_sign_in_token(user.id)
            await desk.note("link.create", user.name)
        print(f"{url.rstrip('/')}/api/auth/link?token={token}")

    run(work())


@keys.command("add")
def add_key(
    user: Annotated[str, typer.Argument(help="Whose key.")],
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "admin",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="gateway, read, sessions, admin; may be repeated. [all]"),
    ] = None,
    days: Annotated[float | None, typer.Option("--days", help="Days until it expires.")] = None,
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Make a key and print it, alone, on standard output. It is shown this once.

    Examples:

      KEY=$(underpass admin keys add alice)

      underpass admin keys add ci --scope gateway --days 90
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            owner = await desk.store.users.by_name(user)
            usual = ALL_SCOPES if owner.is_admin else ALL_SCOPES - {Scope.ADMIN}
            expires_at = None if days is None else desk.clock.now() + days * 86_400
            key, secret = await desk.keys.create(
                owner.id, name=name, scopes=scope or sorted(usual), expires_at=expires_at
            )
            await desk.note("key.create", key.name)
        print(secret)

    run(work())


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    data_dir: options.DataDir = None,
    database_url: options.DatabaseUrl = None,
) -> None:
    """Copy the hub's database to a file, as of this moment, also while the hub runs.

    Example:

      underpass admin backup /backups/underpass-$(date +%F).db
    """

    async def work() -> None:
        async with _desk(data_dir, database_url) as desk:
            await desk.store.backup(file)
        note(f"Wrote {file} ({file.stat().st_size // 1024} KiB).")

    run(work())


# --- helpers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Desk:
    """What an admin command works with."""

    store: Store
    clock: SystemClock
    accounts: Accounts
    keys: KeyRing
    sign_ins: SignIns
    second_step: SecondStep

    async def note(self, action: str, subject: str) -> None:
        """The audit trail's line: somebody with access to the machine did this."""
        from underpass.hub.audit import Trail

        await Trail(self.store, self.clock).note(
            action, actor_id=None, subject=subject, address="command line"
        )


@asynccontextmanager
async def _desk(
    data_dir: Path | None, database_url: str | None, *, is_first: bool = False
) -> AsyncIterator[_Desk]:
    """Opens the store. `is_first`: makes one where there is none, for a hub that never ran yet.

    Raises ConfigError (`no_hub_data`): a mistyped folder must not become an empty hub.
    """
    # The hub's rooms are loaded here and not at the top: `--help` needs none of them.
    from underpass import store
    from underpass.hub.auth.accounts import Accounts
    from underpass.hub.auth.key_ring import KeyRing
    from underpass.hub.auth.second_step import SecondStep
    from underpass.hub.auth.sign_ins import SignIns
    from underpass.hub.auth.throttle import SignInThrottle

    config = HubConfig.load(
        {"data_dir": data_dir, "database_url": database_url}, hub_config_file(None)
    )
    if not is_first and not store.is_there(config.database):
        where = config.data_dir if config.database_url is None else "that database URL"
        raise ConfigError(
            f"There is no hub's data in {where}.",
            code="no_hub_data",
            hint="Check --data-dir or --database-url; `underpass admin users add` begins a new one.",
        )
    if config.database_url is None:
        config.data_dir.expanduser().mkdir(mode=0o700, parents=True, exist_ok=True)
    opened, clock = await store.open(config.database), SystemClock()
    try:
        accounts = Accounts(opened, clock, SignInThrottle(clock, config.sign_in_attempts))
        second_step = SecondStep(opened, clock, config.secret_keys, config.name)
        sign_ins = SignIns(
            opened, clock, accounts, second_step, lifetime_s=0, on_end=lambda _: None
        )
        yield _Desk(opened, clock, accounts, KeyRing(opened, clock), sign_ins, second_step)
    finally:
        await opened.close()


def _password(*, from_stdin: bool) -> str:
    """Typed twice, or one line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise ConfigError(
            "There is no terminal to ask for a password.", hint="Use --password-stdin."
        )
    first: str = typer.prompt("Password", hide_input=True, err=True)
    again: str = typer.prompt("Once more", hide_input=True, err=True)
    if first != again:
        raise InvalidRequest("The two passwords differ.")
    return first


async def _all_users(opened: Store) -> list[UserRecord]:
    found: list[UserRecord] = []
    after: str | None = None
    while True:
        page = await opened.users.list(after=after, limit=1000)
        found += page.items
        after = page.next
        if after is None:
            return sorted(found, key=lambda user: user.name)


def _user_json(user: UserRecord) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "is_admin": user.is_admin,
        "is_disabled": user.is_disabled,
        "created_at": iso(user.created_at),
    }
