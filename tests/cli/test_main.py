"""The table of commands, and how a command line ends."""

import subprocess
import sys
import types
from typing import Any

import pytest
import typer

from underpass import __version__
from underpass.cli.main import COMMANDS, Command, help_text, load, run
from underpass.core.errors import ConfigError


def play(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """`underpass played` runs `function`."""
    module = types.ModuleType("underpass.cli.played")
    module.run = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "underpass.cli.played", module)
    monkeypatch.setitem(COMMANDS, "played", Command("played", "played", "run", "played"))


def test_help_fits_one_screen() -> None:
    """24 lines of 80, with every command of SPEC §4."""
    lines = help_text().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    words = set(help_text().replace(",", " ").split())
    promised = "demo hub login tunnel sessions clusters providers models keys chat connect forward"
    assert {*promised.split(), "doctor", "users", "groups", "admin"} <= words


def test_help_needs_nothing_but_itself() -> None:
    """No library is loaded for it, so it is there at once."""
    code = (
        "import sys; from underpass.cli.main import run; run(['--help']);"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"typer", "rich", "aiohttp", "pydantic", "fastapi", "sqlalchemy"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_there_and_has_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its help works, and so does that of each of its own commands, with an example in each."""
    command = load(COMMANDS[name])
    for path, leaf in _leaves(command, [name]):
        assert run([*path, "--help"]) == 0
        said = capsys.readouterr().out
        if COMMANDS[name].text or COMMANDS[name].beside:
            assert "Example" in said, f"{' '.join(path)} has no example"
        assert leaf.help, f"{' '.join(path)} says nothing about itself"


def _leaves(command: Any, path: list[str]) -> list[tuple[list[str], Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        return [(path, command)]
    return [leaf for name, one in inner.items() for leaf in _leaves(one, [*path, name])]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hbu"], 2, "Did you mean 'hub'?"),
        (["zzz"], 2, "underpass --help"),
        (["admin", "users", "ad"], 2, "add"),
        (["admin", "users", "add"], 2, "name"),
        (["hub", "--port", "x"], 2, "port"),
        (["hub", "--nonsense"], 2, "nonsense"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names what is wrong, and what was probably meant."""
    assert run(words) == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hub", "--port", "99999"], "--port"),
        (["hub", "--log-level", "loud"], "--log-level"),
        (["hub", "--public-url", "hub.example.org"], "--public-url"),
        (["tunnel", "8000", "--hub", "ftp://x"], "https://"),
        (["providers", "ls", "--hub", "ftp://x"], "https://"),
        (["login", "ftp://x"], "https://"),
    ],
)
def test_a_flag_s_wrong_value_is_wrong_usage(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where only the settings find it out: exit code 2, one line that names the flag."""
    assert run(words) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert said in line


def test_an_error_is_one_line_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message and what to do."""

    def fails() -> None:
        raise ConfigError("It is wrong.", hint="Mend it.")

    play(monkeypatch, fails)
    assert run(["played"]) == 1
    assert capsys.readouterr().err == "underpass: It is wrong. Mend it.\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (BrokenPipeError(), 1), (typer.Exit(3), 3), (typer.Abort(), 130)],
)
def test_other_ends_have_their_codes(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """Ctrl-C, a reader that has seen enough, and a command's own code."""

    def ends() -> None:
        raise error

    play(monkeypatch, ends)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert run(["played"]) == code


def test_a_file_that_cannot_be_opened_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As any program says it."""
    play(monkeypatch, lambda: open("/nowhere/at/all").close())
    assert run(["played"]) == 1
    assert capsys.readouterr().err == "underpass: /nowhere/at/all: No such file or directory.\n"


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no error of ours leaves with its trace."""

    def broken() -> None:
        raise ZeroDivisionError

    play(monkeypatch, broken)
    with pytest.raises(ZeroDivisionError):
        run(["played"])


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"underpass {__version__}\n"


@pytest.mark.parametrize(
    ("package", "extra"), [("structlog", "hub"), ("uvloop", "hub"), ("asyncpg", "postgres")]
)
def test_a_part_that_is_not_installed_is_named(
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The base install has the agent only; the hub's commands say what to install."""

    def needs_more() -> None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=f"{package}.inner")

    play(monkeypatch, needs_more)
    assert run(["played"]) == 1
    said = capsys.readouterr().err
    assert package in said
    assert f"pip install 'underpass[{extra}]'" in said
    assert said.count("\n") == 1


def test_a_missing_room_of_our_own_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """No advice to install something can hide it."""

    def broken() -> None:
        raise ModuleNotFoundError("No module named 'underpass.lost'", name="underpass.lost")

    play(monkeypatch, broken)
    with pytest.raises(ModuleNotFoundError):
        run(["played"])
