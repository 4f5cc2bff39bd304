"""`underpass chat`: the same chats and runs as in the browser."""

import asyncio
import json

import pytest
import typer

from tests.fakes.model import ScriptedModel
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from underpass.cli.chat import settings_of
from underpass.store import UserRecord


async def test_a_pipe(shell: Terminal, model: ScriptedModel) -> None:
    """`echo hi | underpass chat MODEL`: the answer alone on standard output."""
    said = await shell.run("chat", "gpu/m", stdin="hi\n")
    assert (said.code, said.out) == (0, "You said: hi\n\n")


async def test_a_message_and_a_file(shell: Terminal, model: ScriptedModel) -> None:
    """`cat file | underpass chat -m WORDS`: the words first, the file below; the only model."""
    said = await shell.run("chat", "-m", "Sum this up:", stdin="a long file")
    assert (said.code, said.out) == (0, "You said: Sum this up:\n\na long file\n")


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
