"""The rig itself: what it starts does what the tests above it rely on."""

import asyncio
import json
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser

from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import StubServer
from tests.rig.forwarder import Forwarder
from tests.rig.llama import LlamaServer
from tests.rig.processes import Process
from tests.rig.proxy import Tinyproxy
from tests.rig.slurm import SlurmRig
from tests.rig.sshd import Sshd
from tests.rig.tls import PrivateCa, TlsFront
from tests.rig.waiting import eventually, eventually_async


def _chat(**more: object) -> dict[str, object]:
    return {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], **more}


async def test_llama_server_answers_and_shows_its_slots(llama_server: LlamaServer) -> None:
    """The real server streams, and a stream that is closed frees its slot."""
    body = _chat(stream=True, max_tokens=20000, temperature=0)
    async with aiohttp.ClientSession(llama_server.url) as client:
        answer = await client.post("/v1/chat/completions", json=body)
        await answer.content.readany()
        assert llama_server.active_slots() == 1
        answer.close()
        await asyncio.to_thread(llama_server.wait_for_slot_release, 2.0)


async def test_stub_streams_numbered_events(stub: StubServer) -> None:
    """Each event has the asked-for size and its number, and the end is recorded."""
    body = _chat(stream=True, stub={"chunks": 7, "chunk_bytes": 200})
    async with aiohttp.ClientSession(stub.url) as client:
        async with client.post("/v1/chat/completions", json=body) as answer:
            text = await answer.read()
    events = text.split(b"\n\n")
    assert [len(event) + 2 for event in events[:7]] == [200] * 7
    assert json.loads(events[6][6:])["choices"][0]["delta"]["content"].startswith("000000006")
    assert stub.generations()[0].outcome == "complete"


async def test_stub_sees_a_client_that_goes_away(stub: StubServer) -> None:
    """A close before the first byte is recorded as a disconnect."""
    async with aiohttp.ClientSession(stub.url) as client:
        call = asyncio.create_task(
            client.post("/v1/completions", json=_chat(stub={"hang": "before_head"}))
        )
        await eventually_async(lambda: bool(stub.generations()))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await eventually_async(lambda: stub.generations()[0].outcome == "disconnected", 1)


async def test_stub_takes_and_sends_bulk(stub: StubServer) -> None:
    """Numbered bytes arrive whole, and an upload in chunks is hashed whole."""
    size = 1_000_003
    async with aiohttp.ClientSession(stub.url) as client:
        async with client.post("/v1/x", json={"stub": {"body_bytes": size}}) as answer:
            assert await answer.read() == numbered_bytes(0, size)

        async def upload() -> object:
            yield numbered_bytes(0, 300_000)
            yield numbered_bytes(300_000, size - 300_000)

        async with client.post("/v1/x", data=upload()) as answer:
            received = (await answer.json())["received"]
    assert received["bytes"] == size


async def test_forwarder_cuts(stub: StubServer) -> None:
    """A cut resets the connection in the middle of an answer."""
    async with Forwarder(stub.port) as line, aiohttp.ClientSession(line.url) as client:
        body = _chat(stream=True, stub={"chunks": 10_000, "rate": 100})
        async with client.post("/v1/chat/completions", json=body) as answer:
            await answer.content.readany()
            assert line.cut() == 1
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()


async def test_tls_front_is_trusted_through_its_own_authority_only(
    stub: StubServer, private_ca: PrivateCa, tmp_path: Path
) -> None:
    """The private authority opens the door, the system's store does not."""
    front = TlsFront(tmp_path, private_ca, stub.port)
    try:
        async with aiohttp.ClientSession(front.url) as client:
            async with client.get("/v1/models", ssl=private_ca.client_context()) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                async with client.get("/v1/models", ssl=ssl.create_default_context()):
                    pass
    finally:
        front.stop()


async def test_tinyproxy_asks_for_its_password(
    tinyproxy: Tinyproxy, stub: StubServer, private_ca: PrivateCa, tmp_path: Path
) -> None:
    """CONNECT works with the password and is refused without."""
    front = TlsFront(tmp_path, private_ca, stub.port)
    trust = private_ca.client_context()
    try:
        async with aiohttp.ClientSession(front.url) as client:
            async with client.get("/v1/models", proxy=tinyproxy.url, ssl=trust) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientHttpProxyError):
                proxy = tinyproxy.url_without_password
                async with client.get("/v1/models", proxy=proxy, ssl=trust):
                    pass
    finally:
        front.stop()
    assert tinyproxy.connects()


def test_sshd_forwards(sshd: Sshd, tmp_path: Path) -> None:
    """A key of ours signs in and runs a command."""
    with Process([*sshd.ssh_command(), "echo in"], tmp_path / "ssh.log") as ssh:
        ssh.wait_for_output("in")


async def test_chromium_opens_a_page(chromium: Browser) -> None:
    """The system's browser runs scripts."""
    page = await chromium.new_page()
    await page.set_content("<button onclick=\"this.textContent='done'\">go</button>")
    await page.get_by_role("button").click()
    assert await page.get_by_role("button").text_content() == "done"


def test_eventually_says_what_was_waited_for() -> None:
    """A wait that fails names the condition and the bound."""
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: the moon"):
        eventually(lambda: False, 0.01, "the moon")


def test_slurm_runs_jobs_as_its_user_on_two_nodes(slurm: SlurmRig, tmp_path: Path) -> None:
    """A job of the unprivileged user has a GPU of its own, and accounting keeps its end."""
    script = (
        "#!/bin/sh\n#SBATCH --gres=gpu:a100:1 --nodes=2\nid -un; echo $SLURM_JOB_GPUS; exit 3\n"
    )
    done = subprocess.run(
        slurm.as_user(["sbatch", "--parsable", "--wait"]),
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        env=slurm.environment(),
        cwd=slurm.home,
    )
    job_id = done.stdout.strip()
    assert (done.returncode, done.stderr) == (3, "")
    assert (slurm.home / f"slurm-{job_id}.out").read_text().splitlines() == [
        slurm.user.pw_name,
        "0",
    ]
    asked = ("sacct", "-n", "-P", "-X", "-j", job_id, "-o", "State,ExitCode,NNodes")
    eventually(lambda: slurm.run(*asked).strip() == "FAILED|3:0|2", 10, "its end in the accounting")
