"""`underpass providers` and `underpass models`."""

import json
from dataclasses import replace
from pathlib import Path

from tests.fakes.model import ScriptedModel
from tests.fakes.registry import tunnel
from tests.fakes.stub_server import StubServer
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from underpass.cli.providers import models_of
from underpass.providers.networks import Networks
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


async def test_add_share_change_and_remove(
    hub: RunningHub, terminal: Terminal, alice: UserRecord, tmp_path: Path, stub: StubServer
) -> None:
    """A custom provider's life; its key comes from a file and is shown nowhere."""
    settings = hub.services.providers._settings
    hub.services.providers._settings = replace(settings, networks=Networks.parse("127.0.0.1"))
    terminal.sign_in(hub.url, await hub.key(alice))
    (tmp_path / "key").write_text("sk-planted\n")
    (tmp_path / "headers").write_text("X-Team: planted-too\n\n")
    files = ("--key-file", str(tmp_path / "key"), "--headers-file", str(tmp_path / "headers"))
    made = await terminal.run("providers", "add", "lab", f"{stub.url}/v1", *files)
    assert (made.code, made.err.strip()) == (0, "Added 'lab' (running, 1 model).")
    sent = stub.seen[0].headers
    assert (sent["authorization"], sent["x-team"]) == ("Bearer sk-planted", "planted-too")
    shown = await terminal.run("providers", "show", "lab")
    assert f"{stub.url}/v1" in shown.out
    assert (
        "planted" not in shown.out + (await terminal.run("providers", "show", "lab", "--json")).out
    )
    await hub.user("bob")
    shared = await terminal.run("providers", "share", "lab", "--user", "bob")
    assert "shared with bob" in shared.err
    assert (await terminal.run("providers", "share", "lab", "--user", "nobody-here")).code == 1
    assert "shared with nobody" in (await terminal.run("providers", "share", "lab", "--nobody")).err
    assert (await terminal.run("providers", "share", "lab")).code == 2
    renamed = await terminal.run("providers", "set", "lab", "--name", "lab2")
    assert "Changed 'lab2' (running)" in renamed.err
    assert (await terminal.run("providers", "set", "lab2")).code == 2
    assert (await terminal.run("providers", "rm", "lab2")).code == 0
    assert (await terminal.run("providers", "ls")).out == ""


async def test_an_endpoint_that_is_refused(shell: Terminal, stub: StubServer) -> None:
    """One line that says why and what to do, and exit code 1."""
    said = await shell.run("providers", "add", "lab", f"{stub.url}/v1")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "allowed_networks" in said.err
    assert not stub.seen


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
