"""`underpass sessions`, against a real hub with real sessions on its own machine."""

import json

import pytest

from tests.fakes.terminal import Said, Terminal
from tests.hub.conftest import RunningHub
from tests.rig.waiting import eventually_async
from underpass.store import UserRecord


@pytest.fixture
async def shell(terminal: Terminal, hub: RunningHub) -> Terminal:
    """The shell of an admin, who may start sessions on the hub's machine."""
    root = await hub.user("root", is_admin=True)
    terminal.sign_in(hub.url, await hub.key(root))
    return terminal


async def ended(shell: Terminal, name: str) -> None:
    async def is_over() -> bool:
        found = json.loads((await shell.run("sessions", "ls", "--json")).out)
        return all(one["status"] in ("stopped", "failed") for one in found if one["name"] == name)

    await eventually_async(is_over, 20)


async def test_a_session_s_life_on_the_command_line(shell: Terminal) -> None:
    """start --wait, ls, show, logs, stop, restart, rm: each says what it did in calm lines."""
    words = ("sessions", "start", "--template", "demo", "--param", "pace=0", "--wait")
    started = await shell.run(*words, "--name", "box", "--env", "A=b")
    assert started.code == 0, started
    assert "running" in started.out
    assert "box: queued" in started.err
    assert "box" in (await shell.run("sessions", "ls")).out
    shown = await shell.run("sessions", "show", "box")
    assert "Running after" in shown.out
    assert "box → unix:" in shown.out
    assert "underpass-guide listens" in (await shell.run("sessions", "logs", "box")).out
    as_json = json.loads((await shell.run("sessions", "show", "box", "--json")).out)
    assert as_json["params"] == {"pace": "0", "env": ["A"]}
    refused = await shell.run("sessions", "rm", "box")
    assert (refused.code, refused.err) == (
        1,
        "underpass: The session box is running. Stop it first.\n",
    )
    assert (await shell.run("sessions", "stop", "box")).code == 0
    await ended(shell, "box")
    again = await shell.run("sessions", "restart", "box", "--wait")
    assert (again.code, again.err.splitlines()[-1]) == (0, "box: running")
    await shell.run("sessions", "stop", "box")
    await ended(shell, "box")
    follow = await shell.run("sessions", "logs", "box", "--follow", "--json")
    assert json.loads(follow.out.splitlines()[0])["source"] == "stdout"
    assert (await shell.run("sessions", "rm", "box")).err == "box: removed\n"
    assert "No sessions." in (await shell.run("sessions", "ls")).err


async def test_a_session_that_does_not_come_up_says_why(shell: Terminal) -> None:
    """--wait ends with exit code 1 and the session's own words."""
    command = "sh -c 'echo no GPU here; exit 3' {port}"
    said = await shell.run("sessions", "start", "--command", command, "--name", "bad", "--wait")
    assert said.code == 1
    assert "no GPU here" in said.err.splitlines()[-1]
    assert "underpass sessions logs bad" in said.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("start",), 2, "--template"),
        (("start", "--template", "demo", "--env", "NOT_SET_X"), 2, "NOT_SET_X"),
        (("start", "--template", "demo", "--param", "x"), 2, "NAME=VALUE"),
        (("start", "--template", "dmo"), 1, "demo"),
        (("start", "--template", "demo", "--param", "paze=1"), 1, "pace"),
        (("start", "--template", "llama.cpp"), 1, "'model'"),
        (("show", "nothing"), 1, "You have no session 'nothing'."),
        (("stop",), 2, "Missing argument"),
    ],
)
async def test_wrong_words_are_one_line(
    shell: Terminal, words: tuple[str, ...], code: int, text: str
) -> None:
    """2 for wrong usage, 1 otherwise, and what would do."""
    said = await shell.run("sessions", *words)
    assert said.code == code, said
    assert text in said.err
    assert len(said.err.splitlines()) == 1


async def test_files_are_named_by_their_full_path(
    shell: Terminal, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative model file means the one here; a name stays a name; a cluster's path its own."""
    from underpass.cli.sessions import _here

    assert (_here("small.gguf", None) or "").startswith("/")
    assert _here("org/Model-8B", None) == "org/Model-8B"
    assert _here("small.gguf", "lab") == "small.gguf"
    assert _here(None, None) is None


async def test_every_command_has_an_example(shell: Terminal) -> None:
    """`--help` shows how each is typed."""
    for command in ("start", "ls", "show", "logs", "stop", "restart", "rm"):
        said: Said = await shell.run("sessions", command, "--help")
        assert f"underpass sessions {command}" in said.out


async def test_not_signed_in_is_one_line(
    terminal: Terminal, hub: RunningHub, alice: UserRecord
) -> None:
    """It says what to type."""
    said = await terminal.run("sessions", "ls")
    assert said.code == 1
    assert "underpass login" in said.err


async def test_keep_and_renew(shell: Terminal) -> None:
    """What a session does in time is chosen at the start; a successor takes the name over."""
    words = ("sessions", "start", "--template", "demo", "--param", "pace=0", "--wait")
    started = await shell.run(*words, "--name", "box", "--idle", "30m", "--wake", "--time", "2h")
    assert started.code == 0, started
    first = json.loads((await shell.run("sessions", "show", "box", "--json")).out)
    assert (first["params"]["idle"], first["params"]["wake"]) == ("30m", True)
    assert (await shell.run("sessions", "keep", "box")).err == "box: running\n"
    renewed = await shell.run("sessions", "renew", "box", "--wait")
    assert renewed.code == 0, renewed
    assert "a successor was asked for (box-next)" in renewed.err

    async def has_taken_over() -> bool:
        now = json.loads((await shell.run("sessions", "show", "box", "--json")).out)
        return bool(now["id"] != first["id"])

    await eventually_async(has_taken_over, 30)
    await shell.run("sessions", "stop", "box")
    await ended(shell, "box")
    await ended(shell, "box-before")
    refused = await shell.run("sessions", "keep", "box")
    assert (refused.code, "Restart it" in refused.err) == (1, True)


async def test_a_login_node_is_needed_for_here(
    shell: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says so, and no session is made; a cluster beside it is a contradiction."""
    monkeypatch.setenv("PATH", "/nowhere")
    said = await shell.run("sessions", "start", "--template", "demo", "--here")
    assert said.code == 1
    assert "There is no Slurm and no PBS on this machine." in said.err
    both = await shell.run("sessions", "start", "--template", "demo", "--here", "--cluster", "lab")
    assert both.code == 1
    assert "leave --cluster out" in both.err
    assert "No sessions." in (await shell.run("sessions", "ls")).err
