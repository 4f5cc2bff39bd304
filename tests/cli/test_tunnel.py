"""`underpass tunnel` and `underpass agent` as processes: what they print, and how they end."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.agent.strangers import stranger
from tests.fakes.hub import TOKEN, FakeHub, Refusal
from tests.fakes.stub_server import StubServer
from tests.rig.processes import clean_environment, free_port
from tests.rig.proxy import Tinyproxy
from tests.rig.tls import PrivateCa, make_private_ca
from tests.rig.waiting import eventually_async
from underpass import __version__
from underpass.agent.discover import Found
from underpass.agent.ownership import Owners
from underpass.agent.readiness import Model, Readiness, Server
from underpass.agent.spec import AgentSpec
from underpass.cli import tunnel
from underpass.core.errors import AppError
from underpass.core.states import ProviderStatus
from underpass.core.targets import Target

UNDERPASS = str(Path(sys.executable).with_name("underpass"))
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub for one agent."""
    async with FakeHub() as one:
        yield one


class Cli:
    """One run of the command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = ""
        self.err = ""
        self._readers = [
            asyncio.create_task(self._read(process.stdout, "out")),
            asyncio.create_task(self._read(process.stderr, "err")),
        ]

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while line := await stream.readline():
            setattr(self, name, getattr(self, name) + line.decode())

    async def says(self, text: str, within_s: float = 15) -> None:
        def is_said() -> bool:
            if text in self.out + self.err:
                return True
            if self.process.returncode is not None and all(r.done() for r in self._readers):
                raise RuntimeError(f"ended without {text!r}: {self.out}{self.err}")
            return False

        await eventually_async(is_said, within_s, f"{text!r} in {self.out}{self.err}")

    async def end(self, number: signal.Signals | None = None, within_s: float = 15) -> int:
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code


@contextlib.asynccontextmanager
async def cli(*words: str, **environ: str) -> AsyncIterator[Cli]:
    """`underpass …` with this environment and nothing of the developer's."""
    env: Mapping[str, str] = clean_environment(
        {"XDG_CONFIG_HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **environ}
    )
    process = await asyncio.create_subprocess_exec(
        *(UNDERPASS, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
    )
    running = Cli(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.end()


def signed_in(hub: FakeHub) -> dict[str, Any]:
    return {"UNDERPASS_HUB": hub.url, "UNDERPASS_KEY": "up_test"}


# --- the voice -----------------------------------------------------------------------------------


async def test_the_calm_lines(hub: FakeHub, stub: StubServer) -> None:
    """Who, which server, which tunnel, where to chat; Ctrl-C ends it with code 0."""
    async with cli("tunnel", str(stub.port), "--openai", "--name", "box", **signed_in(hub)) as run:
        await run.says("Chat           ")
        await run.says("stub (4k)")
        place = hub.url.removeprefix("http://")
        lines = run.out.splitlines()
        assert lines[0] == f"Signed in as alice at {place}"
        server = f"Model server   OpenAI-compatible server on 127.0.0.1:{stub.port}   stub (4k)"
        assert server in lines
        assert f"Tunnel         box → {place}   running" in lines
        assert f"Chat           {hub.url}/?provider=box" in lines
        assert await run.end(signal.SIGINT) == 0
        assert run.out.splitlines()[-1] == "Stopped."
        assert run.err == ""
        assert (await hub.wait_said("session.ended"))["reason"] == "user"
        assert hub.handshakes[0]["User-Agent"] == f"underpass/{__version__}"


async def test_json_lines(hub: FakeHub, stub: StubServer) -> None:
    """One object per line, for programs."""
    async with cli("tunnel", str(stub.port), "--openai", "--json", **signed_in(hub)) as run:
        await run.says('"state": "running"')
        await run.says('"event": "tunnel"')
        await run.end(signal.SIGTERM)
        events = [json.loads(line) for line in run.out.splitlines()]
        kinds = [event["event"] for event in events]
        assert kinds[0] == "signed_in"
        assert kinds[-1] == "end"
        ready = next(e for e in events if e["event"] == "server" and e["state"] == "running")
        assert ready["models"][0]["id"] == "stub"
        assert next(e for e in events if e["event"] == "tunnel")["chat_url"].startswith(hub.url)


async def test_nothing_listens_yet(hub: FakeHub) -> None:
    """No error: it says so, waits, and goes on when the server comes."""
    async with StubServer() as stub:
        await stub.stop()
        async with cli("tunnel", str(stub.port), "--openai", **signed_in(hub)) as run:
            await run.says(f"starting: Nothing listens on 127.0.0.1:{stub.port} yet.")
            await stub.start()
            await run.says("stub (4k)")


async def test_without_a_key_a_code_is_shown(hub: FakeHub, stub: StubServer) -> None:
    """A link and a short code; approving it signs in this session only, and nothing is stored."""
    hub.answers["/api/auth/device/token"] = [
        Refusal(202, {"status": "pending"}),
        Refusal(
            200,
            {
                "status": "approved",
                "token": TOKEN,
                "session": {"id": "ses_1", "name": "x"},
                "user": "alice",
            },
        ),
    ]
    async with cli("tunnel", str(stub.port), "--openai", "--hub", hub.url) as run:
        await run.says("stub (4k)")
        assert f"{hub.url}/connect?code=ABCD-EFGH" in run.out
        assert "Code ABCD-EFGH" in run.out
        assert "Signed in as alice" in run.out
        assert "for this session" in run.out
        assert TOKEN not in run.out + run.err


async def test_a_wrapped_command(hub: FakeHub) -> None:
    """Its lines pass, its end is ours with its code."""
    program = "import sys, time; print('hello from', sys.argv[1]); sys.stdin.read(); sys.exit(7)"
    words = ("--", sys.executable, "-u", "-c", program, "{port}")
    async with cli("tunnel", "--openai", *words, **signed_in(hub)) as run:
        await run.says("hello from ")
        assert await run.end() == 7
        assert "ended with code 7. Its last lines say why." in run.out
        ended = await hub.wait_said("session.ended")
        assert (ended["reason"], ended["exit_code"]) == ("server_exited", 7)


async def test_a_port_fills_the_command_in() -> None:
    """A port that was named stands for `{port}` in the command as well."""
    assert tunnel.command_target("8000", ("srv", "--port", "{port}")) == (
        "127.0.0.1:8000",
        ("srv", "--port", "8000"),
    )
    assert tunnel.command_target(None, ("srv", "{socket}")) == ("{socket}", ("srv", "{socket}"))
    assert tunnel.command_target(None, ("srv", "{port}"))[0] == "{port}"
    assert tunnel.command_target("unix:/a.sock", ("srv", "{socket}", "{port}")) == (
        "unix:/a.sock",
        ("srv", "/a.sock", "{port}"),
    )


# --- what goes wrong -----------------------------------------------------------------------------


async def fails(*words: str, code: int = 1, says: tuple[str, ...] = (), **environ: Any) -> str:
    """Runs it to its end; one line on standard error with these words, and nothing secret."""
    async with cli("tunnel", *words, **environ) as run:
        assert await run.end(within_s=30) == code, run.out + run.err
        assert run.err.count("\n") == 1, run.err
        assert run.err.startswith("underpass: ")
        assert "Traceback" not in run.err
        for text in says:
            assert text in run.err
        assert "up_test" not in run.out + run.err
        return run.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("99999",), ("not a target", "8000")),
        (("http://x:1",), ("not a target",)),
        (("8000", "--name", "No Good"), ("cannot be a name", "'no-good' would do")),
        (("--openai", "--", "srv"), ("{port}",)),
        (("8000", "--no-such-flag"), ("--no-such-flag",)),
    ],
)
async def test_wrong_usage(hub: FakeHub, words: tuple[str, ...], says: tuple[str, ...]) -> None:
    """Exit code 2, one line that says what would do; the hub is not asked."""
    await fails(*words, code=2, says=says, **signed_in(hub))
    assert not hub.requests


async def test_which_hub() -> None:
    """No hub anywhere."""
    await fails("8000", code=2, says=("Which hub?", "--hub", "underpass login"))


async def test_hubs_that_cannot_be_reached(private_ca: PrivateCa, tmp_path: Path) -> None:
    """Refused, unknown name, plain http, unknown CA, a CA file that is none: one line each."""
    key: dict[str, Any] = {"UNDERPASS_KEY": "up_test"}
    here = f"http://127.0.0.1:{free_port()}"
    await fails("8000", "--hub", here, says=("refuses the connection", "Check"), **key)
    await fails("8000", "--hub", "https://no-hub.invalid", says=("does not resolve",), **key)
    await fails("8000", "--hub", "http://10.0.0.7", says=("--insecure-http",), **key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(private_ca.certificate, private_ca.key)
    async with FakeHub(context) as hub:
        await fails("8000", "--hub", hub.url, says=("does not know", "--ca-file"), **key)
        no_ca = str(tmp_path / "none.pem")
        more = {**key, "UNDERPASS_CA_FILE": no_ca}
        await fails("8000", "--hub", hub.url, says=(no_ca, "cannot be read"), **more)


async def test_through_a_proxy_and_a_private_ca(
    tinyproxy: Tinyproxy, stub: StubServer, tmp_path: Path
) -> None:
    """By variables alone, as on a cluster: sign-in and link both go through."""
    name = os.uname().nodename
    ca = make_private_ca(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.certificate, ca.key)
    async with FakeHub(context) as hub:
        environ = {
            "UNDERPASS_HUB": f"https://{name}:{hub.port}",
            "UNDERPASS_KEY": "up_test",
            "UNDERPASS_CA_FILE": str(ca.ca_file),
            "HTTPS_PROXY": tinyproxy.url,
        }
        async with cli("tunnel", str(stub.port), "--openai", **environ) as run:
            await run.says("stub (4k)")
        assert len([line for line in tinyproxy.connects() if f"{name}:{hub.port}" in line]) >= 2
        wrong: dict[str, Any] = {
            **environ,
            "HTTPS_PROXY": tinyproxy.url.replace("proxy-pass", "geheim"),
        }
        said = await fails("8000", says=("does not accept",), **wrong)
        assert "geheim" not in said


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (
            Refusal(401, {"code": "key_revoked", "detail": "The key was revoked."}),
            ("revoked", "login"),
        ),
        (
            Refusal(409, {"code": "name_taken", "detail": "You have a session 'box' already."}),
            ("already", "--replace", "--name"),
        ),
        (Refusal(404, {}), ("not as an Underpass hub",)),
    ],
)
async def test_a_hub_that_says_no(hub: FakeHub, refusal: Refusal, says: tuple[str, ...]) -> None:
    """Wrong or revoked key, a name in use, not a hub at all."""
    hub.answers["/api/sessions"] = [refusal]
    await fails("8000", "--name", "box", says=says, **signed_in(hub))


async def test_replace_is_asked_for(hub: FakeHub, stub: StubServer) -> None:
    """`--replace` reaches the hub."""
    words = ("tunnel", str(stub.port), "--openai", "--name", "box", "--replace")
    async with cli(*words, **signed_in(hub)) as run:
        await run.says("stub (4k)")
    assert hub.requests[0][2]["replace"] is True
    assert hub.requests[0][2]["name"] == "box"


async def test_a_port_of_another_user(hub: FakeHub, tmp_path: Path) -> None:
    """Refused before the hub is asked, with the owner's name."""
    with stranger("0", tmp_path / "log") as port:
        await fails(
            str(port), "--openai", says=("belongs to nobody", "another port"), **signed_in(hub)
        )
    assert not hub.requests


async def test_bad_key_files(hub: FakeHub, tmp_path: Path) -> None:
    """The model server's key comes from a private file only."""
    file = tmp_path / "key"
    file.write_text("secret-of-the-server")
    file.chmod(0o644)
    words = ("8000", "--upstream-key-file", str(file))
    said = await fails(*words, says=("other users", "chmod 600"), **signed_in(hub))
    assert "secret-of-the-server" not in said
    await fails("8000", "--trust-owner", "root", says=("root",), **signed_in(hub))


async def test_a_session_that_ended(hub: FakeHub) -> None:
    """The link is refused for good: one line, exit code 1, no more dialling."""
    hub.link_refusal = Refusal(403, {"code": "session_ended", "detail": "The session has ended."})
    async with cli("tunnel", str(free_port()), "--openai", **signed_in(hub)) as run:
        assert await run.end() == 1
        assert "The session has ended." in run.out
        assert len(hub.handshakes) == 1


# --- promises ------------------------------------------------------------------------------------


def listening_inodes(pid: int) -> set[str]:
    """Inodes of listening TCP sockets that a process holds."""
    held = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    listening = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" or (table.startswith("udp") and words[3] == "07"):
                listening.add(f"socket:[{words[9]}]")
    return held & listening


async def test_it_listens_on_nothing(hub: FakeHub, stub: StubServer) -> None:
    """Outbound only: no listening socket, and to the hub exactly one connection."""
    async with cli("tunnel", str(stub.port), "--openai", **signed_in(hub)) as run:
        await run.says("stub (4k)")
        await hub.request(body={"stream": True, "stub": {"chunks": 3}})
        assert listening_inodes(run.process.pid) == set()
        established = 0
        held = {os.readlink(fd) for fd in Path(f"/proc/{run.process.pid}/fd").iterdir()}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            if words[2].endswith(f":{hub.port:04X}") and f"socket:[{words[9]}]" in held:
                established += 1
        assert established == 1


async def test_the_servers_key_never_leaves(hub: FakeHub, stub: StubServer, tmp_path: Path) -> None:
    """It reaches the model server, and neither the hub, the argument list nor the output."""
    file = tmp_path / "key"
    file.write_text("secret-of-the-server\n")
    file.chmod(0o600)
    words = ("tunnel", str(stub.port), "--openai", "--upstream-key-file", str(file))
    async with cli(*words, **signed_in(hub)) as run:
        await run.says("stub (4k)")
        answer = await hub.request(body={"stub": {}})
        assert stub.seen[-1].headers["authorization"] == "Bearer secret-of-the-server"
        told = json.dumps(hub.control) + repr(answer) + repr(hub.requests) + repr(hub.handshakes)
        assert "secret-of-the-server" not in told + run.out + run.err
        argv = Path(f"/proc/{run.process.pid}/cmdline").read_text()
        assert "secret-of-the-server" not in argv


async def test_content_is_never_printed(hub: FakeHub, stub: StubServer) -> None:
    """What a user types and what a model answers appears nowhere in the agent's output."""
    async with cli("tunnel", str(stub.port), "--openai", **signed_in(hub)) as run:
        await run.says("stub (4k)")
        body = {"messages": [{"role": "user", "content": "my-private-words"}], "stub": {}}
        answer = await hub.request(body=body)
        assert b"numbered bytes" in answer.body
        await run.end(signal.SIGTERM)
        assert "my-private-words" not in run.out + run.err
        assert "numbered bytes" not in run.out + run.err


# --- without a target ----------------------------------------------------------------------------


def found(port: int) -> Found:
    server = Server("vllm", "0.32")
    ready = Readiness(ProviderStatus.RUNNING, "Ready.", server, (Model("Llama", 32768),))
    return Found(Target.parse(str(port)), ready)


async def test_the_one_server_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly one: used, and said."""

    async def one(_owners: Owners, *, key: str | None = None) -> list[Found]:
        return [found(8000)]

    monkeypatch.setattr("underpass.agent.discover.discover", one)
    assert await tunnel._found(Owners(), None) == Target.parse("8000")
    assert capsys.readouterr().out == ("Found          vLLM 0.32 on 127.0.0.1:8000   Llama (32k)\n")


@pytest.mark.parametrize(("ports", "words"), [((), "No model server"), ((1, 2), "Several")])
async def test_none_or_several(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ports: tuple[int, ...],
    words: str,
) -> None:
    """None: what to start. Several, and nobody to ask: each with its command."""

    async def some(_owners: Owners, *, key: str | None = None) -> list[Found]:
        return [found(port) for port in ports]

    monkeypatch.setattr("underpass.agent.discover.discover", some)
    with pytest.raises(AppError, match=words):
        await tunnel._found(Owners(), None)
    out = capsys.readouterr().out
    assert all(f"underpass tunnel {port} --openai" in out for port in ports)


# --- underpass agent -----------------------------------------------------------------------------


def order(hub: FakeHub, folder: Path, **more: Any) -> Path:
    """The file of a hub-launched session."""
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    fields: dict[str, Any] = {
        "hub": hub.url,
        "token_file": str(token),
        "session_id": "ses_7",
        "target": "{socket}",
        "command": (sys.executable, "-m", "underpass.demo", "--socket", "{socket}"),
        "tunnel": "guide",
        "scheduler": "local",
        **more,
    }
    AgentSpec(**fields).save(folder / "spec.json")
    return folder / "spec.json"


async def test_a_hub_launched_session(hub: FakeHub, tmp_path: Path) -> None:
    """Started with a file alone: command, tunnel, name; stopped by the hub."""
    async with cli("agent", "--spec", str(order(hub, tmp_path))) as run:
        ready = await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        assert ready["server"]["kind"] == "underpass-guide"
        assert hub.said("tunnel.offer")[0]["name"] == "guide"
        assert hub.said("agent.hello")[0]["scheduler"] == {"kind": "local", "job_id": None}
        assert hub.handshakes[0]["Authorization"] == f"Bearer {TOKEN}"
        assert not hub.requests
        hub.link.send_control({"type": "session.stop", "reason": "user", "grace_s": 5})
        assert await run.end() == 0
        assert (await hub.wait_said("session.ended"))["reason"] == "user"


async def test_an_order_without_a_command(hub: FakeHub, stub: StubServer, tmp_path: Path) -> None:
    """Something else starts the server: the target stands in the file."""
    file = order(hub, tmp_path, command=(), target=str(stub.port), upstream_key="own")
    async with cli("agent", "--spec", str(file)) as run:
        await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        assert stub.seen[-1].headers["authorization"] == "Bearer own"
        assert await run.end(signal.SIGTERM) == 0


async def test_bad_orders(hub: FakeHub, tmp_path: Path) -> None:
    """One line each."""
    file = order(hub, tmp_path, command=("/no/such/server",), target="{port}")
    async with cli("agent", "--spec", str(file)) as run:
        assert await run.end() == 1
        assert "'/no/such/server' is not found" in run.err
    file.chmod(0o644)
    async with cli("agent", "--spec", str(file)) as run:
        assert await run.end() == 1
        assert "chmod 600" in run.err
