"""The agent's life: what it says, what it starts, what ends it, and with which code."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.running import offer, running_agent
from tests.fakes.hub import FakeHub, Refusal, soon, wait_up, whole
from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import StubServer, sse_event
from tests.rig.forwarder import Forwarder
from tests.rig.waiting import eventually_async
from underpass import __version__
from underpass.agent.command import CommandPlan
from underpass.agent.report import EndNews, LinkNews, LogNews, ServerNews, TunnelNews
from underpass.core.errors import LaunchRejected

ROOT = Path(__file__).parents[2]
STUB = (sys.executable, "-m", "tests.fakes.stub_server", "--port", "{port}")
DEMO = (sys.executable, "-m", "underpass.demo", "--socket", "{socket}")


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub for one agent."""
    async with FakeHub() as one:
        yield one


def script(code: str, target: str = "{port}", **more: Any) -> CommandPlan:
    """A Python program as the wrapped command."""
    return CommandPlan((sys.executable, "-u", "-c", code, target), target, **more)


def child_env() -> dict[str, str]:
    """What the children of these tests inherit."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}


# --- saying who it is ----------------------------------------------------------------------------


async def test_hello_offer_readiness(hub: FakeHub, stub: StubServer) -> None:
    """In this order: who it is, what it offers, how the server does; the user hears of each."""
    async with running_agent(hub, offer(str(stub.port), name="box")) as running:
        await hub.wait_said("tunnel.readiness", state="running")
        assert [m["type"] for m in hub.control[:2]] == ["agent.hello", "tunnel.offer"]
        hello, offered = hub.control[:2]
        assert hello["version"] == __version__
        assert hello["pid"] == os.getpid()
        assert hello["host"]
        assert hello["user"]
        assert hello["scheduler"] is None
        assert offered == {
            "type": "tunnel.offer",
            "ref": "t1",
            "name": "box",
            "target": f"127.0.0.1:{stub.port}",
            "openai": True,
        }
        ready = hub.said("tunnel.readiness")[-1]
        assert ready["tunnel_id"] == "tun_t1"
        assert ready["models"] == [
            {"id": "stub", "max_model_len": 4096, "owned_by": "stub", "modalities": None}
        ]
        news = running.of(TunnelNews)[0]
        assert news.chat_url == f"{hub.url}/?provider=box"
        assert running.of(LinkNews)[-1].status == "running"
        assert running.of(ServerNews)[-1].readiness.state == "running"


async def test_it_stops_when_the_user_says_so(hub: FakeHub, stub: StubServer) -> None:
    """Ctrl-C: the hub hears `user`, the exit code is 0, nothing is left behind."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.readiness", state="running")
        os.kill(os.getpid(), signal.SIGINT)
        assert await soon(running.task) == 0
        ended = await hub.wait_said("session.ended")
        assert (ended["reason"], ended["exit_code"]) == ("user", None)
        assert hub.link.is_closed
        assert running.of(EndNews)[0].exit_code == 0
        assert not [n for n in running.of(LinkNews) if n.status == "reconnecting"]


async def test_running_answers_get_a_moment(hub: FakeHub, stub: StubServer) -> None:
    """An answer that ends soon is finished before the agent leaves."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        stream = await hub.open()
        body = {"stream": True, "stub": {"chunks": 40, "rate": 100}}
        await stream.write(json.dumps(body).encode())
        await stream.write_end()
        await stream.response()
        got = await stream.read()
        os.kill(os.getpid(), signal.SIGTERM)
        while chunk := await stream.read():
            got += chunk
        assert got.endswith(sse_event(39, 200) + b"data: [DONE]\n\n")
        assert await soon(running.task) == 0


async def test_the_hub_stops_the_session(hub: FakeHub, stub: StubServer) -> None:
    """`session.stop` with its reason."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.offer")
        hub.link.send_control({"type": "session.stop", "reason": "idle", "grace_s": 5})
        assert await soon(running.task) == 0
        assert (await hub.wait_said("session.ended"))["reason"] == "idle"


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 426])
async def test_a_final_refusal_ends_it_with_one_line(hub: FakeHub, status: int) -> None:
    """Wrong, revoked or ended: it says so once and stops dialling; exit code 1."""
    hub.link_refusal = Refusal(status, {"code": "session_ended", "detail": "It has ended."})
    async with running_agent(hub, offer("1"), wait=False) as running:
        assert await soon(running.task) == 1
        assert len(hub.handshakes) == 1
        assert len(running.of(EndNews)) == 1


async def test_revoked_while_it_runs(hub: FakeHub, stub: StubServer) -> None:
    """The hub closes the link for good: the agent does not come back."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.offer")
        await hub.link.close("The key was revoked.", code="revoked")
        assert await soon(running.task) == 1
        assert "revoked" in running.of(EndNews)[0].message


async def test_a_refused_tunnel(hub: FakeHub, stub: StubServer) -> None:
    """A name that is in use: the hub's sentence and choice, exit code 1."""
    hub.tunnel_refusal = {
        "code": "name_taken",
        "message": "You have a tunnel 'box' already.",
        "hint": "Add --replace, or choose another --name.",
    }
    async with running_agent(hub, offer(str(stub.port), name="box"), wait=False) as running:
        assert await soon(running.task) == 1
        end = running.of(EndNews)[0]
        assert "already" in end.message
        assert "--replace" in end.hint


# --- connections that break ----------------------------------------------------------------------


async def test_a_hub_that_is_away_at_first(hub: FakeHub, stub: StubServer) -> None:
    """It keeps trying, says why once, and connects when the hub is there."""
    await hub.stop_listening()
    async with running_agent(hub, offer(str(stub.port)), wait=False) as running:
        await eventually_async(lambda: len(running.of(LinkNews)) >= 2, 10, "two attempts")
        assert "refuses the connection" in running.of(LinkNews)[0].detail
        await hub.listen()
        await wait_up(hub)
        assert running.of(LinkNews)[-1].status in ("running", "connecting")


async def test_a_retry_after_is_obeyed(hub: FakeHub, stub: StubServer) -> None:
    """503 with Retry-After: not sooner than that."""
    hub.link_refusal = Refusal(503, headers={"Retry-After": "30"})
    async with running_agent(hub, offer(str(stub.port)), wait=False) as running:
        await eventually_async(lambda: running.of(LinkNews), 10, "an attempt")
        assert running.of(LinkNews)[0].retry_in_s >= 30


async def test_streams_go_on_over_many_cuts(hub: FakeHub, stub: StubServer) -> None:
    """The connection is reset again and again in one long answer and one upload; no byte is lost."""
    size = 12 << 20
    async with Forwarder(hub.port) as line:
        behind = FakeHubBehind(hub, line)
        async with running_agent(behind, offer(str(stub.port))):  # type: ignore[arg-type]
            tunnel = await hub.tunnel_id()
            stream = await hub.open(tunnel=tunnel)
            await stream.write(json.dumps({"stub": {"body_bytes": size}}).encode())
            await stream.write_end()
            got = cuts = 0
            while chunk := await stream.read():
                assert chunk == numbered_bytes(got, len(chunk))
                got += len(chunk)
                if got > (cuts + 1) * size // 11:
                    cuts += 1
                    line.cut()
            assert got == size
            assert cuts == 10
            assert len(hub.links) == 1
            body = json.dumps({"stub": {}, "filling": "y" * (4 << 20)}).encode()
            headers = (("content-length", str(len(body))),)
            stream = await hub.open(tunnel=tunnel, headers=headers)
            for start in range(0, len(body), 1024 * 1024):
                await stream.write(body[start : start + 1024 * 1024])
                line.cut()
            await stream.write_end()
            answer = await whole(stream)
            assert answer.json()["received"]["bytes"] == len(body)


class FakeHubBehind:
    """The hub's address as seen through a line that can be cut."""

    def __init__(self, hub: FakeHub, line: Forwarder) -> None:
        self.url = line.url
        self.links = hub.links
        self._hub = hub

    @property
    def link(self) -> Any:
        return self._hub.link


async def test_a_hub_that_forgot_everything(hub: FakeHub, stub: StubServer) -> None:
    """After a hub restart the link is new: the agent says everything again."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        hub.control.clear()
        await hub.stop_listening()
        hub.links.clear()
        await hub.listen()
        await wait_up(hub)
        ready = await hub.wait_said("tunnel.readiness", state="running")
        assert ready["models"][0]["id"] == "stub"
        assert hub.said("agent.hello")
        assert hub.said("tunnel.offer")
        assert (await hub.request("GET", "/v1/models")).status == 200


async def test_a_stop_during_an_outage_does_not_hang(
    hub: FakeHub, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hub the last words are tried for a moment, then the agent leaves."""
    monkeypatch.setattr("underpass.agent.hold.LAST_WORDS_S", 0.2)
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.offer")
        await hub.stop_listening()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await soon(running.task) == 0


# --- the wrapped command -------------------------------------------------------------------------


async def test_a_command_with_a_port(hub: FakeHub) -> None:
    """Started on a port that is held for it, served, and stopped with the agent."""
    plan = CommandPlan(STUB, "{port}")
    async with running_agent(hub, environ=child_env(), command=plan) as running:
        await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        offered = hub.said("tunnel.offer")[0]
        assert offered["ref"] == "command"
        assert offered["target"].startswith("127.0.0.1:")
        answer = await hub.request(body={"stream": True, "stub": {"chunks": 3}})
        assert answer.status == 200
        command = running.agent._command
        assert command is not None
        pid = command.pid
        assert pid is not None
        os.kill(os.getpid(), signal.SIGTERM)
        assert await soon(running.task, 10) == 0
        assert (await hub.wait_said("session.ended"))["reason"] == "user"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_command_with_a_socket(hub: FakeHub) -> None:
    """In a folder that only this user can enter; it is gone afterwards."""
    plan = CommandPlan(DEMO, "{socket}")
    async with running_agent(hub, environ=child_env(), command=plan) as running:
        ready = await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        assert ready["server"]["kind"] == "underpass-guide"
        command = running.agent._command
        assert command is not None
        assert command.target is not None
        folder = Path(str(command.target.socket_path)).parent
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


@pytest.mark.parametrize(("code", "exit_code"), [(0, 0), (3, 3), (-9, 137)])
async def test_it_ends_with_its_command(hub: FakeHub, code: int, exit_code: int) -> None:
    """The command's end is the session's: reason, code and last lines reach the hub."""
    how = f"os.kill(os.getpid(), {-code})" if code < 0 else f"sys.exit({code})"
    program = f"import os, sys; print('last words'); sys.stdout.flush(); sys.stdin.read(); {how}"
    async with running_agent(hub, environ=child_env(), command=script(program)) as running:
        assert await soon(running.task, 10) == exit_code
        ended = await hub.wait_said("session.ended")
        assert ended["reason"] == "server_exited"
        assert ended["exit_code"] == code
        lines = [line for said in hub.said("session.log") for line in said["lines"]]
        assert ("stdout", "last words") in {(line["source"], line["text"]) for line in lines}
        assert running.of(LogNews)[0].text == "last words"


async def test_signals_reach_the_command(hub: FakeHub) -> None:
    """HUP, USR1 and USR2 are passed on; the whole group gets the end."""
    program = (
        "import signal, time, sys\n"
        "for n in (1, 10, 12): signal.signal(n, lambda n, f: print('got', n))\n"
        "signal.signal(15, lambda n, f: (print('got', n), sys.exit(0)))\n"
        "print('ready')\n"
        "while True: signal.pause()\n"
    )
    async with running_agent(hub, environ=child_env(), command=script(program)) as running:

        async def says(text: str) -> None:
            await eventually_async(
                lambda: text in [n.text for n in running.of(LogNews)], 10, f"{text!r}"
            )

        await says("ready")
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            os.kill(os.getpid(), number)
            await says(f"got {int(number)}")
        assert await soon(running.task, 10) == 0


async def test_a_command_that_does_not_end(hub: FakeHub) -> None:
    """After its grace it is killed, with everything it started."""
    program = (
        "import signal, subprocess, sys\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid)\n"
        "while True: signal.pause()\n"
    )
    plan = script(program, stop_grace_s=0.2)
    async with running_agent(hub, environ=child_env(), command=plan) as running:
        await eventually_async(lambda: running.of(LogNews), 10, "the child's id")
        child = int(running.of(LogNews)[0].text)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await soon(running.task, 10) == 0
    await eventually_async(lambda: not Path(f"/proc/{child}/cmdline").exists() or is_zombie(child))


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


async def test_a_port_that_was_taken(hub: FakeHub, tmp_path: Path) -> None:
    """A command that loses the race for its port is started again on another; the tunnel follows."""
    mark = tmp_path / "tried"
    program = (
        "import pathlib, sys, runpy\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists():\n"
        "    mark.touch(); print('OSError: [Errno 98] Address already in use'); sys.exit(1)\n"
        "sys.argv = ['stub', '--port', sys.argv[1]]\n"
        "runpy.run_module('tests.fakes.stub_server', run_name='__main__')\n"
    )
    async with running_agent(hub, environ=child_env(), command=script(program)):
        await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        targets = [one["target"] for one in hub.said("tunnel.offer")]
        assert len(set(targets)) >= 1
        assert (await hub.request("GET", "/v1/models")).status == 200


async def test_a_command_that_cannot_start(hub: FakeHub) -> None:
    """One sentence on why, before anything is offered."""
    plan = CommandPlan(("/no/such/program",), "{port}")
    with pytest.raises(LaunchRejected, match="not found"):
        async with running_agent(hub, environ=child_env(), command=plan, wait=False) as running:
            await soon(running.task)
    assert not hub.control


async def test_the_users_key_stays_with_the_agent(hub: FakeHub) -> None:
    """The command inherits the environment without the key that acts for the user."""
    program = (
        "import os; print('KEY', 'UNDERPASS_KEY' in os.environ, os.environ['UNDERPASS_SESSION'])"
    )
    environ = {**child_env(), "UNDERPASS_KEY": "up_secret"}
    plan = script(program)
    async with running_agent(hub, environ=environ, command=plan, session_id="ses_9") as running:
        await soon(running.task, 10)
        assert running.of(LogNews)[0].text == "KEY False ses_9"


# --- inside Slurm --------------------------------------------------------------------------------


def slurm(left_s: float) -> dict[str, str]:
    """The environment of a job that ends so soon."""
    end = str(int(time.time() + left_s))
    return {**child_env(), "SLURM_JOB_ID": "42", "SLURM_JOB_END_TIME": end}


async def test_the_wall_time_is_told(hub: FakeHub, stub: StubServer) -> None:
    """In the hello and as news; the job's number too."""
    async with running_agent(hub, offer(str(stub.port)), environ=slurm(3600)) as running:
        hello = await hub.wait_said("agent.hello")
        assert hello["scheduler"] == {"kind": "slurm", "job_id": "42"}
        assert 3500 < hello["wall_time_left_s"] <= 3600
        said = await hub.wait_said("session.wall_time")
        assert 3500 < said["left_s"] <= 3600
        assert running.agent.wall_time_ends_at is not None


async def test_slurms_warning_drains(hub: FakeHub, stub: StubServer) -> None:
    """USR1 ahead of the limit: nothing new, running answers finish, the end is `walltime`."""
    async with running_agent(hub, offer(str(stub.port)), environ=slurm(300)) as running:
        stream = await hub.open()
        body = {"stream": True, "stub": {"chunks": 60, "rate": 100}}
        await stream.write(json.dumps(body).encode())
        await stream.write_end()
        await stream.response()
        os.kill(os.getpid(), signal.SIGUSR1)
        await eventually_async(lambda: hub.link.core.is_peer_draining, 5, "GOAWAY")
        got = b""
        while chunk := await stream.read():
            got += chunk
        assert got.endswith(b"data: [DONE]\n\n")
        assert await soon(running.task, 10) == 0
        assert (await hub.wait_said("session.ended"))["reason"] == "walltime"


@pytest.mark.parametrize(("left_s", "reason"), [(20, "walltime"), (3600, "cancelled")])
async def test_why_a_job_was_ended(
    hub: FakeHub, stub: StubServer, left_s: float, reason: str
) -> None:
    """TERM at the limit is the limit; TERM long before it is a cancel."""
    async with running_agent(hub, offer(str(stub.port)), environ=slurm(left_s)) as running:
        await hub.wait_said("tunnel.offer")
        os.kill(os.getpid(), signal.SIGTERM)
        await soon(running.task, 10)
        assert (await hub.wait_said("session.ended"))["reason"] == reason


async def test_one_task_for_each_stream_ends_with_it(hub: FakeHub, stub: StubServer) -> None:
    """After many requests no task, stream or connection is left over."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        await hub.wait_said("tunnel.readiness", state="running")
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(hub.request("GET", "/v1/models") for _ in range(50)))
        assert running.agent.meter.streams == 0
        await eventually_async(lambda: len(asyncio.all_tasks()) <= before + 1, 5, "tasks end")
        assert not hub.link.streams


async def test_progress_is_read_in_the_server_s_log(hub: FakeHub) -> None:
    """Told as it goes, and again to a hub that knows nothing."""
    code = "print('Loading safetensors checkpoint shards:  50% Completed | 2/4'); input()"
    async with running_agent(hub, command=script(code)):
        said = await hub.wait_said("session.progress", percent=50)
        assert said["phase"] == "weights"
