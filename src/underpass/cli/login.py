"""`underpass login` and `underpass logout`: this machine's key, by a code approved in a browser."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.client import HubClient, HubError, connect, run
from underpass.cli.output import note
from underpass.config import AgentConfig, credentials_file, environment
from underpass.core.errors import AppError, ConfigError, NotAuthenticated
from underpass.tunnel.address import HubAddress

PREFIX_CHARS = 10


def login(
    hub_url: Annotated[str, typer.Argument(help="The hub, https://hub.example.org.")],
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Use the key in this file; no browser.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
) -> None:
    """Sign this machine in at a hub, through the browser.

    Shows a link and a short code; whoever is signed in there approves it. The key is kept in
    ~/.config/underpass/credentials.toml, readable by you alone.

    Examples:

      underpass login https://hub.example.org

      underpass login hub.example.org --key-file ~/.underpass-key
    """

    async def work() -> None:
        address = HubAddress.parse(hub_url, insecure_http=insecure_http)
        async with connect(
            hub=hub_url, ca_file=ca_file, insecure_http=insecure_http, needs_key=False
        ) as client:
            key = (
                _read_key(key_file)
                if key_file is not None
                else await _approved_key(client, opens_browser=not no_browser)
            )
        async with connect(
            hub=hub_url, key=key, ca_file=ca_file, insecure_http=insecure_http
        ) as client:
            me = await client.get("/api/me")
        _save({"hub": str(address), "key": key, "ca_file": _absolute(ca_file)})
        note(f"Signed in as {me['name']} at {address.netloc}.")

    run(work())


def logout() -> None:
    """Sign this machine out: revoke its key, and forget it.

    Example:

      underpass logout
    """
    file = credentials_file()
    if not file.exists():
        note("This machine is not signed in.")
        return

    async def work() -> None:
        try:
            async with connect() as client:
                await _revoke_own(client)
        except AppError as error:
            # Forgetting the key must not depend on the hub.
            note(f"The key was not revoked at the hub: {error.message}")
        file.unlink()
        note("Signed out.")

    run(work())


# --- getting a key ---------------------------------------------------------------------------


async def _approved_key(client: HubClient, *, opens_browser: bool) -> str:
    device = await client.post(
        "/api/auth/device",
        {"purpose": "login", "host": socket.gethostname(), "user": getpass.getuser()},
    )
    link = device["verification_url"]
    note(f"Open {link}\nand approve the code {device['user_code']}.")
    if opens_browser and _has_display():
        webbrowser.open(link)
    return await _collect(client, device)


async def _collect(client: HubClient, device: dict[str, Any]) -> str:
    """Asks until somebody approved. Raises NotAuthenticated when it was denied or is too old."""
    interval_s = float(device.get("interval_s") or 2.0)
    while True:
        try:
            answer = await client.post(
                "/api/auth/device/token", {"device_code": device["device_code"]}
            )
        except HubError as error:
            if error.status == 429:
                await asyncio.sleep(interval_s)
                continue
            if error.status == 410:
                raise NotAuthenticated(
                    "The code was denied or has expired.", hint="Run the command again."
                ) from error
            raise
        if answer.get("token"):
            return str(answer["token"])
        await asyncio.sleep(interval_s)


def _read_key(file: Path) -> str:
    try:
        key = file.expanduser().read_text().strip()
    except OSError as error:
        raise ConfigError(f"The key file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        key = ""
    if not key.startswith("up_") or any(c.isspace() for c in key):
        raise ConfigError(
            f"The file {file} does not hold a key.",
            hint="A key begins with up_; make one under Settings, Keys.",
        )
    return key


def _has_display() -> bool:
    """Whether opening a browser here shows it to the person who typed the command."""
    found = environment()
    is_remote = "SSH_CONNECTION" in found
    return not is_remote and bool(
        found.get("DISPLAY") or found.get("WAYLAND_DISPLAY") or os.name == "nt"
    )


# --- the credentials -------------------------------------------------------------------------


def _save(values: dict[str, str | None]) -> None:
    """Writes credentials.toml with mode 0600, whole or not at all."""
    file = credentials_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes it 0600 from its first moment.
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".credentials-")
        with os.fdopen(handle, "w") as out:
            out.writelines(f"{key} = {_toml(value)}\n" for key, value in values.items() if value)
        Path(name).replace(file)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}.",
            hint="Set UNDERPASS_HUB and UNDERPASS_KEY instead.",
        ) from None


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _absolute(file: Path | None) -> str | None:
    return None if file is None else str(file.expanduser().absolute())


async def _revoke_own(client: HubClient) -> None:
    """Revokes the key that this machine has, known by the beginning of it."""
    config = AgentConfig.of_this_user()
    prefix = config.key.get_secret_value()[:PREFIX_CHARS] if config.key is not None else ""
    for key in await client.items("/api/keys"):
        if key["prefix"] == prefix and key["revoked_at"] is None:
            await client.delete(f"/api/keys/{key['id']}")
