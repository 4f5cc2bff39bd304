"""`underpass users` and `underpass groups`, through a real hub."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hub.conftest import PASSWORD, RunningHub, running_hub
from underpass.cli.main import run
from underpass.store import GroupRecord


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningHub]:
    """A hub, and this machine signed in at it as an admin."""
    async with running_hub(tmp_path / "data") as running:
        root = await running.user("root", is_admin=True)
        monkeypatch.setenv("UNDERPASS_HUB", running.url)
        monkeypatch.setenv("UNDERPASS_KEY", await running.key(root, "read", "admin"))
        yield running


async def say(*words: str, code: int = 0) -> None:
    """Runs one command beside the hub."""
    assert await asyncio.to_thread(run, list(words)) == code


async def test_a_users_life(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Add, list, disable, enable, remove."""
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    await say("users", "add", "bob", "--display-name", "Bob B.", "--password-stdin")
    browser = await hub.browser("bob")
    await say("users", "disable", "bob")
    assert (await browser.get("/api/me")).status == 401
    await say("users", "enable", "bob")
    capsys.readouterr()
    await say("users", "ls", "--json")
    names = {one["name"]: one["display_name"] for one in json.loads(capsys.readouterr().out)}
    assert names == {"root": "root", "bob": "Bob B."}
    await say("users", "ls")
    assert "Bob B." in capsys.readouterr().out
    await say("users", "rm", "bob")
    await say("users", "rm", "bob", code=1)
    assert "no user 'bob'" in capsys.readouterr().err


async def test_a_groups_life(hub: RunningHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Members are named as people name them."""
    await hub.user("alice")
    await say("groups", "add", "physics", "--member", "alice", "--member", "root")
    await say("groups", "ls")
    assert "physics  alice, root" in capsys.readouterr().out
    await say("groups", "set", "physics", "--member", "alice")
    await say("groups", "ls", "--json")
    (group,) = json.loads(capsys.readouterr().out)
    assert len(group["members"]) == 1
    await say("groups", "add", "maths", "--member", "nobody", code=1)
    assert "no user 'nobody'" in capsys.readouterr().err
    await say("groups", "rm", "physics")
    await say("groups", "ls")
    assert capsys.readouterr().out == ""


async def test_limits(hub: RunningHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a user and of a group, set and taken away; nobody by that name is said."""
    bob = await hub.user("bob")
    await say("users", "limit", "bob", "--requests-per-minute", "5", "--tokens-per-day", "7")
    assert "bob: 5 requests a minute and 7 tokens a day." in capsys.readouterr().err
    found = await hub.services.store.limits.get(bob.id)
    assert (found.requests_per_minute, found.tokens_per_day) == (5, 7)
    await say("users", "limit", "bob")
    assert "no limits" in capsys.readouterr().err
    assert await hub.services.store.limits.find(bob.id) is None
    await say("groups", "add", "lab", "--member", "bob")
    await say("groups", "limit", "lab", "--tokens-per-day", "9")
    assert len(await hub.services.store.limits.of([one.id for one in await groups(hub)])) == 1
    await say("users", "limit", "nobody", code=1)


async def groups(hub: RunningHub) -> tuple[GroupRecord, ...]:
    return (await hub.services.store.groups.list()).items


async def test_an_address_and_a_second_step(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose an address is, and help for who lost phone and recovery codes."""
    await say("users", "add", "bob", "--no-password", "--email", "Bob@example.org")
    alice = await hub.user("alice")
    await say("users", "email", "alice", "bob@example.org", code=1)
    assert "Another user has this address" in capsys.readouterr().err
    await say("users", "email", "alice", "bob", code=1)
    assert "not an e-mail address" in capsys.readouterr().err
    await say("users", "email", "bob", "")
    await say("users", "email", "alice", "bob@example.org")
    await say("users", "ls")
    assert "bob@example.org" in capsys.readouterr().out
    await say("users", "reset-two-step", "alice", code=1)
    await hub.services.auth.second_step.begin(alice)
    await say("users", "reset-two-step", "alice")
    assert await hub.services.store.second_factors.all() == ()


async def test_leaving_with_an_export(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A ZIP for its owner alone, never over another file; then the user is gone."""
    await hub.user("bob")
    file = tmp_path / "bob.zip"
    await say("users", "export", "bob", str(file), code=1)
    assert "not disabled" in capsys.readouterr().err
    assert not file.exists()
    await say("users", "rm", "bob", "--export", str(file))
    assert file.stat().st_mode & 0o077 == 0
    assert "chats.json" in zipfile.ZipFile(file).namelist()
    await hub.user("carol")
    await say("users", "rm", "carol", "--export", str(file), code=1)
    assert "cannot be written" in capsys.readouterr().err
    assert await hub.services.store.users.find_by_name("carol") is not None


async def test_removing_oneself_asks(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is no; and the last admin stays, whatever is said."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    await say("users", "rm", "root", code=1)
    assert "your own account" in capsys.readouterr().err
    await say("users", "rm", "root", "--yes", code=1)
    assert "only admin" in capsys.readouterr().err
    await hub.user("other", is_admin=True)
    await say("users", "rm", "root", "--yes")
    assert await hub.services.store.users.find_by_name("root") is None
