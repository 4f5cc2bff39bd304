"""`underpass admin`: real commands on a real store."""

import json
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.hub.conftest import running_hub
from tests.rig.processes import clean_environment
from underpass.cli.main import run

PASSWORD = "correct horse battery staple"


@pytest.fixture
def say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> "Say":
    """Runs `underpass admin …` on this test's data folder."""
    return Say(monkeypatch, tmp_path / "data", capsys)


class Say:
    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        data_dir: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.monkeypatch = monkeypatch
        self.data_dir = data_dir
        self.capsys = capsys

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> tuple[str, str]:
        """What it wrote to standard output and error."""
        import io

        self.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        assert run(["admin", *words, "--data-dir", str(self.data_dir)]) == code
        said = self.capsys.readouterr()
        return said.out, said.err


def test_the_first_user_before_any_hub_ran(say: Say) -> None:
    """The data folder is made, for its owner alone; the password is one line of standard input."""
    _, err = say("users", "add", "Alice", "--admin", "--password-stdin", stdin=PASSWORD + "\n")
    assert err == "Added alice, an admin.\n"
    assert stat.S_IMODE(say.data_dir.stat().st_mode) == 0o700
    (user,) = json.loads(say("users", "ls", "--json")[0])
    assert (user["name"], user["is_admin"]) == ("alice", True)
    assert "alice" in say("users", "ls")[0]


def test_a_key_is_printed_alone(say: Say) -> None:
    """So that a script can take it as it is."""
    say("users", "add", "alice", "--no-password")
    out, err = say("keys", "add", "alice", "--name", "ci", "--scope", "gateway", "--days", "1")
    assert out.startswith("up_")
    assert out.count("\n") == 1
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "add", "alice"),
        ("users", "ls"),
        ("users", "link", "alice"),
        ("users", "passwd", "alice", "--password-stdin"),
        ("backup", "copy.db"),
    ],
)
def test_a_mistyped_folder_makes_no_hub(say: Say, words: tuple[str, ...]) -> None:
    """One line that names it, and nothing is made; only `users add` begins a hub."""
    for there in (False, True):
        if there:
            say.data_dir.mkdir()
        out, err = say(*words, code=1)
        assert (out, err.count("\n")) == ("", 1)
        assert str(say.data_dir) in err
        assert say.data_dir.exists() is there
        assert not there or list(say.data_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("users", "add", "alice", "--no-password"), "", "already"),
        (("users", "add", "no good", "--no-password"), "", "'no-good' would do"),
        (("users", "add", "bob", "--password-stdin"), "short\n", "at least 8"),
        (("users", "add", "bob"), "", "--password-stdin"),
        (("users", "passwd", "nobody", "--password-stdin"), PASSWORD, "no user of that name"),
        (("keys", "add", "nobody"), "", "no user of that name"),
        (("keys", "add", "alice", "--scope", "root"), "", "no scope 'root'"),
        (("backup", "/nowhere/at/all.db"), "", "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    say: Say, words: tuple[str, ...], stdin: str, said: str
) -> None:
    """And exit code 1, with nothing on standard output."""
    say("users", "add", "alice", "--no-password")
    out, err = say(*words, stdin=stdin, code=1)
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


async def test_a_running_hub_sees_it(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users and keys made beside it work at once; a backup of it is whole."""
    import asyncio

    async with running_hub(say.data_dir) as hub:
        added = ("users", "add", "alice", "--password-stdin")
        await asyncio.to_thread(say, *added, stdin=PASSWORD + "\n")
        key = (await asyncio.to_thread(say, "keys", "add", "alice"))[0].strip()
        program = await hub.program(key)
        assert (await program.get("/api/me")).json()["name"] == "alice"
        browser = await hub.browser("alice")
        link, _ = await asyncio.to_thread(say, "users", "link", "alice", "--url", hub.url)
        other = await hub.browser()
        assert (await other.get(link.strip().removeprefix(hub.url))).status == 303
        copy = say.data_dir / "copy.db"
        await asyncio.to_thread(say, "backup", str(copy))
        with sqlite3.connect(copy) as connection:
            assert connection.execute("SELECT name FROM users").fetchall() == [("alice",)]
        connection.close()
        passwd = ("users", "passwd", "alice", "--password-stdin")
        await asyncio.to_thread(say, *passwd, stdin="another password\n")
        assert (await browser.sign_in("alice", "another password")).status == 204
        alice = await hub.services.store.users.by_name("alice")
        await hub.services.auth.second_step.begin(alice)
        for said in ("password alone now", "has no two-step sign-in"):
            _, err = await asyncio.to_thread(say, "users", "reset-two-step", "alice")
            assert said in err
        trail = await hub.services.store.audit.list()
        assert {entry.address for entry in trail.items if entry.actor_id is None} >= {
            "command line"
        }
    assert clean_environment()
