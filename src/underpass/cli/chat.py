"""`underpass chat`: the same chats and runs as in the browser, in the terminal.

The prompt is read by the main thread between two event loops: so Ctrl-C at the prompt leaves, and
Ctrl-C during an answer stops the answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from underpass.cli import chat_history, options
from underpass.cli.answer import Printer, follow
from underpass.cli.client import HubClient, HubError, connect, run
from underpass.cli.interrupts import Interrupts
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
    files: tuple[Path, ...]
    """To go with the next message."""
    is_temporary: bool
    shows_reasoning: bool
    as_json: bool


Model = Annotated[
    str | None, typer.Argument(help="PROVIDER/MODEL. Default: the chat's, or the only one.")
]
Question = Annotated[str | None, typer.Argument(help="Ask this, print the answer, and end.")]
Message = Annotated[
    str | None, typer.Option("--message", "-m", help="As QUESTION, without naming a model.")
]
ChatId = Annotated[
    str | None, typer.Option("--chat", help="Go on with this chat; `last`: the newest one.")
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="A file for the model; may be repeated."),
]
System = Annotated[str | None, typer.Option("--system", help="A system prompt.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A request field, temperature=0.2; may be repeated."),
]
Temporary = Annotated[
    bool, typer.Option("--temporary", help="Keep nothing of the chat at the hub.")
]
Reasoning = Annotated[
    bool | None,
    typer.Option("--reasoning/--no-reasoning", help="Show it. Default: in a terminal."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the whole answer as JSON; takes a question.")
]


def chat(
    model: Model = None,
    question: Question = None,
    message: Message = None,
    chat_id: ChatId = None,
    file: Files = None,
    system: System = None,
    setting: Settings = None,
    temporary: Temporary = False,
    reasoning: Reasoning = None,
    as_json: AsJson = False,
    hub: options.Hub = None,
) -> None:
    """Chat in the terminal. Ctrl-C stops an answer; Ctrl-D leaves.

    What is piped in becomes the message; with a question it stands below it.

    Examples:

      underpass chat box/Qwen3-8B

      git diff | underpass chat box/Qwen3-8B "Write a commit message."

      underpass chat -m "What does this say?" --file letter.pdf

      underpass chat --chat last
    """
    if message is not None and question is not None:
        raise typer.BadParameter("The question stands there twice: leave --message out.")
    if temporary and chat_id is not None:
        raise typer.BadParameter("A chat that is kept cannot become a temporary one.")
    words = message if message is not None else question
    talk = Talk(
        hub=hub,
        model=model,
        chat_id=chat_id,
        settings=settings_of(setting or [], system),
        files=checked_files(file or []),
        is_temporary=temporary,
        shows_reasoning=sys.stdout.isatty() if reasoning is None else reasoning,
        as_json=as_json,
    )
    piped = None if sys.stdin.isatty() else sys.stdin.read(MAX_STDIN_CHARS + 1)
    if words is None and piped is None:
        if as_json:
            raise typer.BadParameter("--json takes a question: name one, or pipe it in.")
        _converse(talk)
        return
    content = "\n\n".join(part for part in (words, piped) if part and part.strip())
    if not content and not talk.files:
        raise typer.BadParameter("There is nothing to send: the input is empty.")
    talk, said = run(_one_turn(talk, content))
    if talk.is_temporary:
        run(_forget(talk))
    if said["status"] not in ("complete", "stopped"):
        raise typer.Exit(1)


def checked_files(paths: list[Path]) -> tuple[Path, ...]:
    """The files to send. Raises BadParameter for one that cannot be read."""
    for path in paths:
        if not path.is_file():
            raise typer.BadParameter(f"There is no file '{path}'.")
    return tuple(paths)


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
    if talk.chat_id is not None:
        talk = run(_taken_up(talk))
    note("Ctrl-C stops an answer, Ctrl-D leaves.")
    try:
        while True:
            content = prompt("> ")
            if not content.strip() and not talk.files:
                continue
            try:
                talk, _ = run(_one_turn(talk, content))
            except AppError as error:
                # A conversation goes on after a message that could not be sent.
                note(f"underpass: {error.sentence()}")
    except (EOFError, KeyboardInterrupt):
        print()
    if talk.chat_id is None:
        return
    if talk.is_temporary:
        run(_forget(talk))
    else:
        note(f"Go on with: underpass chat --chat {talk.chat_id}")


def _prompt_reader() -> Callable[[str], str]:
    try:
        import readline  # noqa: F401 (importing it gives `input` arrows and a history)
    except ImportError:
        pass  # a Python built without it: the prompt is only plainer
    return input


async def _one_turn(talk: Talk, content: str) -> tuple[Talk, dict[str, Any]]:
    """Sends a message and prints its answer; the talk as it goes on, and the answer's message."""
    interrupts = Interrupts()
    try:
        with interrupts.caught():
            async with connect(hub=talk.hub) as client:
                talk, said = await _sent(client, talk, content, interrupts)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if talk.as_json:
        print_json(said)
    return talk, said


async def _sent(
    client: HubClient, talk: Talk, content: str, interrupts: Interrupts
) -> tuple[Talk, dict[str, Any]]:
    is_new = talk.chat_id is None
    talk = await _settled(client, talk)
    body: dict[str, Any] = {"content": content, "model": talk.model, "settings": talk.settings}
    try:
        if talk.files:
            body["attachments"] = await _uploaded(client, talk)
        sent = await client.post(f"/api/chats/{talk.chat_id}/messages", body)
    except HubError:
        # The hub refused it: a chat without a message would only stand in the list, as its newest.
        if is_new:
            await client.delete(f"/api/chats/{talk.chat_id}")
        raise
    printer = Printer(shows_reasoning=talk.shows_reasoning, is_quiet=talk.as_json)
    said = await follow(client, sent["run"]["id"], printer, interrupts)
    return replace(talk, files=()), said


async def _uploaded(client: HubClient, talk: Talk) -> list[str]:
    """The ids of the files at the hub."""
    ids = []
    more = {"temporary": True} if talk.is_temporary else {}
    with ExitStack() as opened:
        # All are opened first: one that cannot be read keeps the others here.
        for path, file in [(path, opened.enter_context(_opened(path))) for path in talk.files]:
            ids.append((await client.upload("/api/files", file, name=path.name, **more))["id"])
    return ids


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise typer.BadParameter(f"'{path}' cannot be read: {error.strerror}.") from None


async def _taken_up(talk: Talk) -> Talk:
    """Shows what the chat has said so far; the talk with the chat's id."""
    async with connect(hub=talk.hub) as client:
        chat_id = await chat_history.resolved(client, talk.chat_id or "")
        chat_history.show(await client.get(f"/api/chats/{chat_id}"))
    return replace(talk, chat_id=chat_id)


async def _forget(talk: Talk) -> None:
    """A temporary chat goes when it is left, and not only when nobody has used it for a while."""
    async with connect(hub=talk.hub) as client:
        await client.delete(f"/api/chats/{talk.chat_id}")


async def _settled(client: HubClient, talk: Talk) -> Talk:
    """The talk with its chat and model: those that were named, else a new chat, the only model."""
    if talk.chat_id is not None:
        talk = replace(talk, chat_id=await chat_history.resolved(client, talk.chat_id))
        if talk.model is None:
            known = await client.get(f"/api/chats/{talk.chat_id}")
            talk = replace(talk, model=known["model"])
        if talk.model is not None:
            return talk
    model = talk.model or _only(models_of(await client.items("/api/providers"), with_stopped=False))
    if talk.chat_id is None:
        wanted = {"model": model, **({"is_temporary": True} if talk.is_temporary else {})}
        made = await client.post("/api/chats", wanted)
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
