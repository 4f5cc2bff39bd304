"""`underpass chat`: the same chats and runs as in the browser."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from tests.fakes.model import ScriptedModel
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from tests.rig.pseudo_terminal import CTRL_C, CTRL_D, PseudoTerminal
from tests.rig.stack import UNDERPASS
from underpass.cli.chat import settings_of
from underpass.core.states import ProviderStatus
from underpass.store import UserRecord


async def test_a_pipe(shell: Terminal, model: ScriptedModel) -> None:
    """`echo hi | underpass chat MODEL`: the answer alone on standard output."""
    said = await shell.run("chat", "gpu/m", stdin="hi\n")
    assert (said.code, said.out) == (0, "You said: hi\n\n")


async def test_a_message_and_a_file(shell: Terminal, model: ScriptedModel) -> None:
    """`cat file | underpass chat -m WORDS`: the words first, the file below; the only model."""
    said = await shell.run("chat", "-m", "Sum this up:", stdin="a long file")
    assert (said.code, said.out) == (0, "You said: Sum this up:\n\na long file\n")


async def test_a_question_beside_the_model(shell: Terminal, model: ScriptedModel) -> None:
    """`cat file | underpass chat MODEL "question"`."""
    said = await shell.run("chat", "gpu/m", "What is this?", stdin="a long file")
    assert (said.code, said.out) == (0, "You said: What is this?\n\na long file\n")


async def test_json(shell: Terminal, model: ScriptedModel) -> None:
    """The whole message, and nothing else on standard output."""
    said = await shell.run("chat", "-m", "hi", "--json")
    message = json.loads(said.out)
    assert (message["content"], message["status"]) == ("You said: hi", "complete")


async def test_it_is_in_the_browser_too(
    hub: RunningHub, alice: UserRecord, shell: Terminal, model: ScriptedModel
) -> None:
    """The chat is stored with its title, and `--chat` goes on with it."""
    await shell.run("chat", "-m", "first question")
    page = await hub.browser("alice")
    chats = (await page.get("/api/chats")).json()["items"]
    assert [chat["title"] for chat in chats] == ["first question"]
    model.is_scripted = False
    await shell.run("chat", "--chat", chats[0]["id"], "-m", "second")
    shown = (await page.get(f"/api/chats/{chats[0]['id']}")).json()
    assert [message["content"] for message in shown["messages"]] == [
        "first question",
        "You said: first question",
        "second",
        "You said: second",
    ]


async def test_the_last_chat(hub: RunningHub, shell: Terminal, model: ScriptedModel) -> None:
    """`--chat last` goes on with the one that was used last, pinned ones or not."""
    for title in ("one", "two"):
        await shell.run("chat", "-m", title)
    said = await shell.run("chat", "--chat", "last", "-m", "more")
    assert (said.code, said.out) == (0, "You said: more\n")
    chats = (await (await hub.browser("alice")).get("/api/chats")).json()["items"]
    page = await hub.browser("alice")
    shown = (await page.get(f"/api/chats/{chats[0]['id']}")).json()
    assert [message["content"] for message in shown["messages"]][::2] == ["two", "more"]


async def test_files(
    shell: Terminal, model: ScriptedModel, tmp_path: Path, hub: RunningHub
) -> None:
    """`--file` goes with the message; one that cannot be read by the hub is said in one line."""
    (tmp_path / "notes.txt").write_text("the notes")
    said = await shell.run("chat", "-m", "sum up", "--file", str(tmp_path / "notes.txt"))
    assert (said.code, said.err) == (0, "")
    assert said.out == ('You said: The file "notes.txt":\n\n```\nthe notes\n```\n\nsum up\n')
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 no more")
    said = await shell.run("chat", "-m", "x", "-f", str(tmp_path / "broken.pdf"))
    assert (said.code, said.out) == (1, "")
    assert "The file cannot be read." in said.err


async def test_a_temporary_chat(
    hub: RunningHub, shell: Terminal, model: ScriptedModel, tmp_path: Path
) -> None:
    """Nothing of it is kept, and nothing is left."""
    (tmp_path / "secret.txt").write_text("the plan")
    said = await shell.run(
        "chat", "-m", "psst", "--temporary", "--file", str(tmp_path / "secret.txt")
    )
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith('You said: The file "secret.txt"')
    page = await hub.browser("alice")
    assert (await page.get("/api/chats?archived=all")).json()["items"] == []
    assert hub.services.chats._memory._kept == {}


async def test_settings_reach_the_model(shell: Terminal, model: ScriptedModel) -> None:
    """As request fields, and a system prompt."""
    model.is_scripted = True

    async def answer() -> dict[str, object]:
        speaker = await model.asked()
        await speaker.finish("ok")
        return speaker.asked

    answering = asyncio.create_task(answer())
    said = await shell.run("chat", "-m", "x", "--set", "temperature=0.2", "--system", "Be kind.")
    assert said.code == 0
    asked = await answering
    assert asked["temperature"] == 0.2
    assert asked["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "x"},
    ]


@pytest.mark.parametrize(
    ("words", "stdin", "code", "line"),
    [
        (("chat",), "", 2, "There is nothing to send"),
        (("chat", "gpu/x", "-m", "hi"), "", 1, "There is no model 'gpu/x'."),
        (("chat", "-m", "hi", "--chat", "cht_none"), "", 1, "There is no chat 'cht_none'."),
        (("chat", "-m", "hi", "--set", "x"), "", 2, "'x' is no setting"),
        (("chat", "gpu/m", "hi", "-m", "hi"), "", 2, "stands there twice"),
        (("chat", "-m", "hi", "--chat", "last"), "", 1, "You have no chat yet."),
        (("chat", "-m", "hi", "--chat", "c", "--temporary"), "", 2, "cannot become a temporary"),
        (("chat", "-m", "hi", "--file", "none.txt"), "", 2, "There is no file 'none.txt'."),
        (("chat", "-m", "hi", "--set", "model=x"), "", 1, "cannot set 'model'"),
    ],
)
async def test_wrong_input(
    shell: Terminal,
    model: ScriptedModel,
    words: tuple[str, ...],
    stdin: str,
    code: int,
    line: str,
) -> None:
    """One clear line each; 2 for wrong usage, 1 otherwise."""
    said = await shell.run(*words, stdin=stdin)
    assert said.code == code
    assert line in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


async def test_a_refused_question_leaves_no_chat(
    hub: RunningHub, shell: Terminal, model: ScriptedModel, tmp_path: Path
) -> None:
    """An empty chat would stand first in the list, and `--chat last` would go on with it."""
    damaged = tmp_path / "damaged.docx"
    damaged.write_bytes(b"PK\x03\x04 no archive")
    assert (await shell.run("chat", "gpu/x", "hi")).code == 1
    assert (await shell.run("chat", "-m", "hi", "--file", str(damaged))).code == 1
    page = await hub.browser("alice")
    assert (await page.get("/api/chats")).json()["items"] == []
    await shell.run("chat", "-m", "first")
    assert (await shell.run("chat", "gpu/x", "-m", "hi", "--chat", "last")).code == 1
    assert len((await page.get("/api/chats")).json()["items"]) == 1


async def test_an_answer_that_fails(shell: Terminal, model: ScriptedModel) -> None:
    """What came is printed, the reason is said, and the exit code is 1."""
    model.is_scripted = True

    async def answer() -> None:
        speaker = await model.asked()
        await speaker.say("So ")
        await speaker.send(b'data: {"error": {"message": "CUDA out of memory"}}\n\n')

    answering = asyncio.create_task(answer())
    said = await shell.run("chat", "-m", "hi")
    await answering
    assert (said.code, said.out) == (1, "So \n")
    assert "CUDA out of memory" in said.err


async def test_no_model(shell: Terminal) -> None:
    """What to do about it."""
    said = await shell.run("chat", "-m", "hi")
    assert said.code == 1
    assert "underpass tunnel 8000 --openai" in said.err


async def test_not_signed_in(terminal: Terminal) -> None:
    """Which command signs in."""
    said = await terminal.run("chat", "-m", "hi")
    assert said.code == 1
    assert "underpass login" in said.err


def test_settings() -> None:
    """JSON where it is JSON, text otherwise; the last one of a name wins."""
    found = settings_of(["temperature=0", "stop=END", 'extra={"a": [1]}', "stop=x=y"], "Hi")
    assert found == {
        "temperature": 0,
        "stop": "x=y",
        "extra": {"a": [1]},
        "system_prompt": "Hi",
    }
    with pytest.raises(typer.BadParameter):
        settings_of(["=1"], None)


# --- on a real terminal ----------------------------------------------------------------------


def on_screen(hub: RunningHub, key: str, *words: str) -> PseudoTerminal:
    """`underpass chat …`, as somebody types it."""
    environment = {"UNDERPASS_HUB": hub.url, "UNDERPASS_KEY": key}
    return PseudoTerminal([*UNDERPASS, "chat", *words], environment)


async def test_a_conversation(hub: RunningHub, alice: UserRecord, model: ScriptedModel) -> None:
    """Ctrl-C stops the answer and not the conversation; at the prompt it leaves."""
    model.is_scripted = True
    key = await hub.key(alice)
    async with on_screen(hub, key, "gpu/m") as screen:
        await screen.waits_for_input()
        screen.types("tell me a story\n")
        speaker = await model.asked()
        await speaker.say("Once upon")
        await screen.sees("Once upon")
        screen.types(CTRL_C)
        await screen.sees("[stopped]")
        await screen.waits_for_input(2)
        screen.types("again\n")
        speaker = await model.asked()
        assert [turn["content"] for turn in speaker.asked["messages"]] == [
            *("tell me a story", "Once upon", "again"),
        ]
        await speaker.finish("The end.")
        await screen.sees("The end.")
        await screen.waits_for_input(3)
        screen.types(CTRL_C)
        assert await screen.ends() == 0
        assert "Go on with: underpass chat --chat cht_" in screen.seen
        assert "Traceback" not in screen.seen
    async with on_screen(hub, key, "--chat", "last") as screen:
        await screen.waits_for_input(3)
        for line in ("tell me a story · 4 messages", "> tell me a story", "Once upon", "The end."):
            assert line in screen.seen
        screen.types(CTRL_D)
        assert await screen.ends() == 0


async def test_waiting_on_a_terminal(
    hub: RunningHub, alice: UserRecord, model: ScriptedModel
) -> None:
    """One line, written over, until the provider runs; the answer then begins by itself."""
    view = hub.services.registry.all_providers()[0]
    loading = replace(view, status=ProviderStatus.LOADING, status_reason="Loading weights, 63 %.")
    hub.services.registry.put_provider(loading)
    async with on_screen(hub, await hub.key(alice), "gpu/m") as screen:
        await screen.waits_for_input()
        screen.types("hello\n")
        await screen.sees("\r\x1b[K\x1b[2m… The model server of gpu is loading its model.")
        await screen.sees("63 %")
        assert "You said" not in screen.seen
        hub.services.registry.put_provider(view)
        await screen.sees("\r\x1b[KYou said: hello")
        await screen.waits_for_input(2)
        screen.types("/")  # what is typed and not sent does not matter
        screen.types(CTRL_C)
        assert await screen.ends() == 0
