"""`underpass`: the table of commands, and what every command shares.

A command's module is imported when it is called and not before, so that help is there at once
and an agent never loads a hub. Every error ends as one line on standard error: exit code 2 for
wrong usage, 1 for everything else.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from underpass import __version__
from underpass.core.errors import AppError


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `underpass`. `attribute` is a Typer app or a plain function in `module`."""

    name: str
    module: str
    attribute: str
    text: str = ""
    """One line of help; empty: not shown on its own."""
    beside: str = ""
    """The command on whose line of the help this one stands."""


SECTIONS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    (
        "Start here",
        (
            Command("demo", "demo", "demo", "everything on this machine, with no set-up"),
            Command("hub", "hub", "hub", "run a hub"),
            Command("login", "login", "login", "sign this machine in at a hub, and out"),
            Command("logout", "login", "logout", beside="login"),
        ),
    ),
    (
        "Models in sessions",
        (
            Command("tunnel", "tunnel", "app", "from inside a session: dial out and serve a port"),
            Command("sessions", "sessions", "app", "start, list, show, stop, restart sessions"),
            Command("clusters", "clusters", "app", "places where sessions run; join one"),
            Command("providers", "providers", "app", "what chat and programs can use now"),
            Command("models", "providers", "models_app", beside="providers"),
        ),
    ),
    (
        "Use them",
        (
            Command("chat", "chat", "chat", "chat in the terminal"),
            Command("connect", "connect", "connect", "settings for your tools, filled in"),
            Command("forward", "forward", "forward", "bring a tunnel's port to this machine"),
            Command("keys", "keys", "app", "keys for programs"),
        ),
    ),
    (
        "Look after it",
        (
            Command("doctor", "doctor", "doctor", "check the way to the hub, and say what to do"),
            Command("users", "users", "app", "who signs in, through the hub (for admins)"),
            Command("groups", "users", "groups_app", beside="users"),
            Command("admin", "admin", "app", "on the hub's machine: users, keys, backup"),
        ),
    ),
    (
        "",
        (Command("agent", "tunnel", "agent_app"),),
    ),
)

# Errors that say that what was typed makes no sense, wherever it was found out.
_WRONG_USAGE = {"flag_invalid", "hub_invalid"}

COMMANDS = {command.name: command for _, group in SECTIONS for command in group}


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; its exit code."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if words[0] in ("-V", "--version", "version"):
        print(f"underpass {__version__}")
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        _say(f"underpass: there is no command '{words[0]}'.{_close_to(words[0])}")
        return 2
    return _guarded(lambda: _call(command, words[1:]))


def help_text() -> str:
    """One screen: 24 lines of 80."""
    lines = [
        "Usage: underpass COMMAND …        underpass COMMAND --help: options and examples",
        "A model in a compute session becomes a private, OpenAI-compatible provider.",
    ]
    for title, group in SECTIONS:
        shown = [command for command in group if command.text]
        if title:
            lines.append(f"{title}:")
        lines += [f"  {_names(command, group):<18}{command.text}" for command in shown]
    return "\n".join(lines)


def _names(command: Command, group: tuple[Command, ...]) -> str:
    """A command's name with those that share its line."""
    return ", ".join([command.name, *(one.name for one in group if one.beside == command.name)])


def load(command: Command) -> Any:
    """The command as Typer runs it."""
    import typer

    module = import_module(f"underpass.cli.{command.module}")
    found = getattr(module, command.attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(command.name)(found)
        found = app
    return typer.main.get_command(found)


def _call(command: Command, words: list[str]) -> int:
    """Raises AppError when the command needs what only an extra installs."""
    try:
        runner = load(command)
        result = runner.main(words, prog_name=f"underpass {command.name}", standalone_mode=False)
    except ModuleNotFoundError as error:
        # At any time, not only now: the hub's commands load its rooms when they run.
        package = (error.name or "").partition(".")[0]
        if package in ("", "underpass"):
            raise
        extra = "postgres" if package == "asyncpg" else "hub"
        raise AppError(
            f"`underpass {command.name}` needs a part that is not installed ({package}).",
            hint=f"Install it with: pip install 'underpass[{extra}]'",
        ) from error
    return result if isinstance(result, int) else 0


def _guarded(call: Callable[[], int]) -> int:
    """Every way in which a command can end badly, as one line and a code."""
    try:
        return call()
    except AppError as error:
        _say(f"underpass: {' '.join(error.sentence().split())}")
        return 2 if error.code in _WRONG_USAGE else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read us has seen enough; Python must not complain about it at exit either.
        sys.stdout = None
        return 1
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is not None:  # click's own: wrong usage
            _say(f"underpass: {' '.join(message().split())} See --help.")
            return int(getattr(error, "exit_code", 2))
        if type(error).__name__ == "Abort":
            return 130
        if isinstance(error, OSError) and error.filename is not None:
            _say(f"underpass: {error.filename}: {error.strerror}.")
            return 1
        raise


def _close_to(word: str) -> str:
    known = [command.name for command in COMMANDS.values() if command.text or command.beside]
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else " See underpass --help."


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
