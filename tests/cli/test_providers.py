"""`underpass providers` and `underpass models`."""

import json

from tests.fakes.model import ScriptedModel
from tests.fakes.registry import tunnel
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from underpass.cli.providers import models_of
from underpass.store import UserRecord


async def test_list_and_show(shell: Terminal, model: ScriptedModel) -> None:
    """Name, status, models, where it runs; the same as JSON."""
    listed = await shell.run("providers", "ls")
    assert listed.code == 0
    assert listed.out.splitlines()[1].split() == ["gpu", "running", "m", "gpu", "node7", "-"]
    shown = await shell.run("providers", "show", "alice:gpu")
    assert "gpu/m" in shown.out
    as_json = json.loads((await shell.run("providers", "show", "gpu", "--json")).out)
    assert as_json["type"] == "openai-tunnel"


async def test_none_yet(shell: Terminal) -> None:
    """What to do, on standard error; nothing on standard output."""
    said = await shell.run("providers", "ls")
    assert (said.code, said.out) == (0, "")
    assert "underpass tunnel 8000 --openai" in said.err
    assert (await shell.run("models", "ls")).code == 0


async def test_a_tunnels_provider_cannot_be_shared(shell: Terminal, model: ScriptedModel) -> None:
    """The hub's own line."""
    said = await shell.run("providers", "share", "gpu", "--everyone")
    assert said.code == 1
    assert "cannot be shared" in said.err
    assert (await shell.run("providers", "share", "gpu")).code == 2


async def test_a_stranger_does_not_see_it(
    hub: RunningHub, terminal: Terminal, model: ScriptedModel
) -> None:
    """Not listed, not found."""
    bob = await hub.user("bob")
    terminal.sign_in(hub.url, await hub.key(bob))
    assert (await terminal.run("providers", "ls")).out == ""
    said = await terminal.run("providers", "show", "gpu")
    assert (said.code, said.err.startswith("underpass: You have no provider 'gpu'.")) == (1, True)


async def test_models(
    hub: RunningHub, alice: UserRecord, shell: Terminal, model: ScriptedModel
) -> None:
    """Those that run, with --all the others too."""
    listed = await shell.run("models", "ls")
    assert listed.out.splitlines()[1].split() == ["gpu/m", "running", "4096", "node7"]
    assert tunnel("gpu", "m").status == "running"
    found = json.loads((await shell.run("models", "ls", "--all", "--json")).out)
    assert [one["id"] for one in found] == ["gpu/m"]


async def test_a_close_name(shell: Terminal, model: ScriptedModel) -> None:
    """Said with the error."""
    assert "Did you mean 'gpu'?" in (await shell.run("providers", "show", "gpx")).err


def test_stopped_ones_are_left_out() -> None:
    """Unless they are asked for."""
    providers = [
        {
            "name": name,
            "status": status,
            "session": None,
            "models": [{"id": f"{name}/m", "max_model_len": None}],
        }
        for name, status in (("a", "running"), ("b", "stopped"), ("c", "loading"))
    ]
    assert [one["id"] for one in models_of(providers, with_stopped=False)] == ["a/m", "c/m"]
    assert len(models_of(providers, with_stopped=True)) == 3
