"""`underpass doctor`: each step of the way, and what to do about it."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiohttp import web

from tests.fakes.stub_server import StubServer
from tests.fakes.terminal import Terminal
from tests.hub.conftest import RunningHub
from tests.rig.processes import free_port
from underpass.cli import doctor as doctor_module
from underpass.cli.doctor import Verdict, _check_clock


async def test_all_is_well(shell: Terminal) -> None:
    """Hub, proxy, name, TLS, connection, clock, WebSocket and key, in this order."""
    said = await shell.run("doctor", "--json")
    assert said.code == 0, said
    found = json.loads(said.out)
    assert [one["check"] for one in found] == [
        *("hub", "proxy", "name", "tls", "connection", "clock", "websocket", "key")
    ]
    assert {one["verdict"] for one in found} == {"ok"}
    plain = await shell.run("doctor")
    assert "signed in as alice" in plain.out
    assert plain.err == "All is well.\n"


async def test_a_model_server_on_this_machine(shell: Terminal) -> None:
    """Whose it is, and what it is; or that nothing is there."""
    async with StubServer() as stub:
        said = await shell.run("doctor", str(stub.port))
        assert said.code == 0
        assert f"what listens on 127.0.0.1:{stub.port} is yours" in said.out
        stub.mode = "failing"
        assert (await shell.run("doctor", str(stub.port))).code == 1
    said = await shell.run("doctor", str(free_port()))
    assert said.code == 1
    assert "nothing listens" in said.out
    assert said.err == "1 of 9 checks failed.\n"


async def test_a_server_that_wants_a_key(shell: Terminal) -> None:
    """Which option gives it."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no key"}}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        said = await shell.run("doctor", str(port))
    finally:
        await runner.cleanup()
    assert said.code == 1
    assert "--upstream-key-file" in said.out


async def test_not_signed_in(hub: RunningHub, terminal: Terminal) -> None:
    """No failure: a tunnel can do without."""
    said = await terminal.run("doctor", "--hub", hub.url)
    assert said.code == 0
    assert "underpass login" in said.out


async def test_a_key_that_is_not_good(hub: RunningHub, terminal: Terminal) -> None:
    """The hub's own word on it."""
    terminal.sign_in(hub.url, "up_" + "x" * 43)
    said = await terminal.run("doctor")
    assert said.code == 1
    assert "FAIL key" in said.out


@pytest.mark.parametrize(
    ("words", "check", "part"),
    [
        ((), "settings", "No hub is named."),
        (("--hub", "http://127.0.0.1:1"), "connection", "refuses"),
        (("--hub", "http://nowhere.example.org"), "settings", "--insecure-http"),
        (("--hub", "127.0.0.1:1", "--ca-file", "/none.pem"), "settings", "cannot be read"),
    ],
)
async def test_what_is_wrong(
    terminal: Terminal, words: tuple[str, ...], check: str, part: str
) -> None:
    """The step that fails is the last one, and says what to do."""
    said = await terminal.run("doctor", "--json", *words)
    assert said.code == 1
    last = json.loads(said.out)[-1]
    assert (last["verdict"], last["check"]) == ("FAIL", check)
    assert part in f"{last['text']} {last['hint']}"


async def test_a_name_without_an_address(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS, VPN, proxy."""

    async def fails(*_: object, **__: object) -> object:
        raise OSError

    finding = None
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails, raising=False)
    finding = await doctor_module._check_name("hub.example.org")
    assert finding.verdict is Verdict.FAIL
    assert "HTTPS_PROXY" in (finding.hint or "")


def test_clocks() -> None:
    """A minute is no matter, an hour is; a hub without a clock is only a note."""
    now = time.time()
    assert _check_clock(now + 30, now).verdict is Verdict.OK
    ahead, behind = _check_clock(now - 3600, now), _check_clock(now + 3600, now)
    assert ahead.verdict is behind.verdict is Verdict.FAIL
    assert "1 h ahead of" in ahead.text
    assert "1 h behind" in behind.text
    assert _check_clock(None, now).verdict is Verdict.NOTE


async def test_something_else_answers(terminal: Terminal, tmp_path: Path) -> None:
    """A server that is no hub."""
    async with StubServer() as stub:
        said = await terminal.run("doctor", "--hub", stub.url)
    assert said.code == 1
    assert "FAIL" in said.out
