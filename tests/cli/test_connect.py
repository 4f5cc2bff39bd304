"""`underpass connect`."""

import json

from tests.fakes.model import ScriptedModel
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from underpass.tools import TOOLS


async def test_the_list(terminal: Terminal) -> None:
    """All tools, without a hub."""
    said = await terminal.run("connect")
    assert (said.code, len(said.out.splitlines())) == (0, len(TOOLS))
    as_json = json.loads((await terminal.run("connect", "--json")).out)
    assert [tool["name"] for tool in as_json] == list(TOOLS)


async def test_filled_in(hub: RunningHub, shell: Terminal, model: ScriptedModel) -> None:
    """The hub's address, the model that runs; a key only when it is asked for."""
    said = await shell.run("connect", "OpenAI Python")
    assert said.code == 0
    assert f"{hub.url}/v1" in said.out
    assert "gpu/m" in said.out
    assert "up_YOUR_KEY" in said.out
    assert "underpass keys create" in said.err


async def test_with_a_key_of_its_own(
    hub: RunningHub, shell: Terminal, model: ScriptedModel
) -> None:
    """Made for this tool, and good for the gateway."""
    said = await shell.run("connect", "aider", "--new-key")
    key = said.out.partition("OPENAI_API_KEY=")[2].split()[0]
    program = await hub.program(key)
    assert (await program.get("/v1/models")).json()["data"][0]["id"] == "gpu/m"
    assert "keys revoke aider" in said.err


async def test_another_model(shell: Terminal, model: ScriptedModel) -> None:
    """One that is not there is filled in all the same, with a word."""
    assert "box/later" in (await shell.run("connect", "curl", "--model", "box/later")).out
    said = await shell.run("connect", "curl", "--model", "m", "--json")
    assert "gpu/m" in json.loads(said.out)["settings"]


async def test_no_model_yet(shell: Terminal) -> None:
    """A placeholder, and a word."""
    said = await shell.run("connect", "curl")
    assert "PROVIDER/MODEL" in said.out
    assert "no model yet" in said.err


async def test_an_unknown_tool(terminal: Terminal) -> None:
    """Wrong usage, with the one that may be meant."""
    said = await terminal.run("connect", "open-webu")
    assert said.code == 2
    assert "Did you mean 'open-webui'?" in said.err
