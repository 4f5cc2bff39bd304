"""`underpass chat`: the same chats and runs as in the browser, in the terminal.

The prompt is read by the main thread between two event loops: so Ctrl-C at the prompt leaves, and
Ctrl-C during an answer stops the answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from underpass.cli import options
from underpass.cli.answer import Printer, follow
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note, print_json
from underpass.cli.providers import models_of
from underpass.core.errors import AppError, NotFound

MAX_STDIN_CHARS = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Talk:
    """What one command of `underpass chat` has settled."""

    hub: str | None
    model: str | None
    chat_id: str | None
    settings: dict[str, Any]
    shows_reasoning: bool
    as_json: bool


def chat(
    model: Annotated[
        str | None, typer.Argument(help="PROVIDER/MODEL. Default: the chat's, or the only one.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Ask this, print the answer, and end.")
    ] = None,
    chat_id: Annotated[str | None, typer.Option("--chat", help="Go on with this chat.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="A system prompt.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A request field, temperature=0.2; may be repeated."),
    ] = None,
    reasoning: Annotated[
        bool | None,
        typer.Option("--reasoning/--no-reasoning", help="Show it. Default: in a terminal."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON.")
    ] = False,
    hub: options.Hub = None,
) -> None:
    """Chat in the terminal. Ctrl-C stops an answer; Ctrl-D leaves.

    What is piped in becomes the message; with --message it stands below it.

    Examples:

      underpass chat box/Qwen3-8B

      git diff | underpass chat -m "Write a commit message."

      underpass chat --chat cht_01k9example
    """
    talk = Talk(
        hub=hub,
        model=model,
        chat_id=chat_id,
        settings=settings_of(setting or [], system),
        shows_reasoning=sys.stdout.isatty() if reasoning is None else reasoning,
        as_json=as_json,
    )
    piped = None if sys.stdin.isatty() else sys.stdin.read(MAX_STDIN_CHARS + 1)
    if message is None and piped is None:
        _converse(talk)
        return
    content = "\n\n".join(part for part in (message, piped) if part and part.strip())
    if not content:
        raise typer.BadParameter("There is nothing to send: the input is empty.")
    _, said = run(_one_turn(talk, content))
    if said["status"] not in ("complete", "stopped"):
        raise typer.Exit(1)


def settings_of(words: list[str], system: str | None) -> dict[str, Any]:
    """`["temperature=0.2", "stop=END"]` as request fields: JSON where it is JSON, else text."""
    settings: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"'{word}' is no setting: write NAME=VALUE.")
        try:
            settings[name.strip()] = json.loads(value)
        except ValueError:
            settings[name.strip()] = value
    if system is not None:
        settings["system_prompt"] = system
    return settings


def _converse(talk: Talk) -> None:
    """Asks for a message, prints the answer, and again."""
    prompt = _prompt_reader()
    note("Ctrl-C stops an answer, Ctrl-D leaves.")
    try:
        while True:
            content = prompt("> ")
            if not content.strip():
                continue
            try:
                talk, _ = run(_one_turn(talk, content))
            except AppError as error:
                # A conversation goes on after a message that could not be sent.
                note(f"underpass: {error.sentence()}")
    except (EOFError, KeyboardInterrupt):
        print()
    if talk.chat_id is not None:
        note(f"Go on with: underpass chat --chat {talk.chat_id}")


def _prompt_reader() -> Callable[[str], str]:
    try:
        import readline  # noqa: F401 (importing it gives `input` arrows and a history)
    except ImportError:
        pass  # a Python built without it: the prompt is only plainer
    return input


async def _one_turn(talk: Talk, content: str) -> tuple[Talk, dict[str, Any]]:
    """Sends a message and prints its answer; the talk as it goes on, and the answer's message."""
    async with connect(hub=talk.hub) as client:
        talk = await _settled(client, talk)
        sent = await client.post(
            f"/api/chats/{talk.chat_id}/messages",
            {"content": content, "model": talk.model, "settings": talk.settings},
        )
        printer = Printer(shows_reasoning=talk.shows_reasoning, is_quiet=talk.as_json)
        said = await follow(client, sent["run"]["id"], printer)
    if talk.as_json:
        print_json(said)
    return talk, said


async def _settled(client: HubClient, talk: Talk) -> Talk:
    """The talk with its chat and model: those that were named, else a new chat, the only model."""
    if talk.chat_id is not None:
        if talk.model is None:
            known = await client.get(f"/api/chats/{talk.chat_id}")
            talk = replace(talk, model=known["model"])
        if talk.model is not None:
            return talk
    model = talk.model or _only(models_of(await client.items("/api/providers"), with_stopped=False))
    if talk.chat_id is None:
        made = await client.post("/api/chats", {"model": model})
        talk = replace(talk, chat_id=made["id"])
    return replace(talk, model=model)


def _only(models: list[dict[str, Any]]) -> str:
    """The one model there is. Raises NotFound, BadParameter when there are several."""
    if not models:
        raise NotFound(
            "No model is running.",
            hint="In a session: underpass tunnel 8000 --openai. `underpass providers ls` says more.",
        )
    running = [model for model in models if model["status"] == "running"] or models
    if len(running) > 1:
        names = ", ".join(model["id"] for model in running[:10])
        raise typer.BadParameter(f"Several models are running: name one of {names}.")
    return str(running[0]["id"])
