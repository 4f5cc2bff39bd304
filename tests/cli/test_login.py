"""`underpass login` and `logout`."""

import asyncio
import stat
import tomllib
from pathlib import Path

import pytest

from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from tests.rig.waiting import eventually_async
from underpass.cli import login as login_module
from underpass.store import UserRecord


def credentials(terminal: Terminal) -> Path:
    """Where the sign-in is kept."""
    return terminal.home / "underpass" / "credentials.toml"


async def test_with_a_key_file(
    terminal: Terminal, hub: RunningHub, alice: UserRecord, tmp_path: Path
) -> None:
    """Written for its owner alone; from then on commands need nothing else."""
    key = await hub.key(alice)
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    said = await terminal.run("login", hub.url, "--key-file", str(file))
    assert (said.code, said.out) == (0, "")
    assert "Signed in as alice" in said.err
    stored = credentials(terminal)
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert tomllib.loads(stored.read_text()) == {"hub": hub.url, "key": key}
    assert (await terminal.run("keys", "ls")).code == 0


async def test_through_the_browser(
    terminal: Terminal,
    hub: RunningHub,
    alice: UserRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link and a short code; once it is approved, this machine is signed in."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(login_module, "_has_display", lambda: True)
    signing_in = asyncio.create_task(terminal.run("login", hub.url))
    await eventually_async(lambda: bool(opened))
    code = opened[0].partition("code=")[2]
    page = await hub.browser("alice")
    assert (await page.post(f"/api/auth/device/{code}/approve")).status == 200
    said = await signing_in
    assert said.code == 0
    assert code in said.err
    assert "Signed in as alice" in said.err
    assert credentials(terminal).exists()


async def test_denied_in_the_browser(
    terminal: Terminal, hub: RunningHub, alice: UserRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and nothing is kept."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(login_module, "_has_display", lambda: True)
    signing_in = asyncio.create_task(terminal.run("login", hub.url))
    await eventually_async(lambda: bool(opened))
    page = await hub.browser("alice")
    await page.post(f"/api/auth/device/{opened[0].partition('code=')[2]}/deny")
    said = await signing_in
    assert said.code == 1
    assert "denied" in said.err
    assert not credentials(terminal).exists()


async def test_wrong_keys(terminal: Terminal, hub: RunningHub, tmp_path: Path) -> None:
    """A file that is not there, that holds no key, a key that is not good: one line each."""
    good_form, no_key = tmp_path / "good_form", tmp_path / "no_key"
    good_form.write_text("up_" + "x" * 43)
    no_key.write_bytes(b"\xff\xfe")
    for file, line in (
        (tmp_path / "none", "cannot be read"),
        (no_key, "does not hold a key"),
        (good_form, "not known to the hub"),
    ):
        said = await terminal.run("login", hub.url, "--key-file", str(file))
        assert said.code == 1
        assert line in said.err, said.err
        assert said.err.count("\n") == 1
    assert not credentials(terminal).exists()


async def test_wrong_addresses(terminal: Terminal, tmp_path: Path) -> None:
    """Plain http to another machine, nonsense, nobody there."""
    for address, code, line in (
        ("http://hub.example.org", 1, "--insecure-http"),
        ("ftp://hub", 2, "not a hub's address"),
        ("http://127.0.0.1:1", 1, "refuses the connection"),
    ):
        said = await terminal.run("login", address, "--no-browser")
        assert said.code == code
        assert line in said.err, said.err


async def test_logout_revokes_the_key(
    terminal: Terminal, hub: RunningHub, alice: UserRecord, tmp_path: Path
) -> None:
    """At the hub and here; a second time there is nothing to do."""
    key = await hub.key(alice)
    (tmp_path / "key").write_text(key)
    await terminal.run("login", hub.url, "--key-file", str(tmp_path / "key"))
    said = await terminal.run("logout")
    assert (said.code, said.err) == (0, "Signed out.\n")
    assert not credentials(terminal).exists()
    assert (await (await hub.program(key)).get("/api/me")).status == 401
    assert "not signed in" in (await terminal.run("logout")).err


async def test_logout_without_a_hub(terminal: Terminal) -> None:
    """Forgetting the key does not depend on the hub."""
    file = credentials(terminal)
    file.parent.mkdir(parents=True)
    file.write_text('hub = "http://127.0.0.1:1"\nkey = "up_x"\n')
    said = await terminal.run("logout")
    assert said.code == 0
    assert "not revoked" in said.err
    assert not file.exists()
