"""The whole process: `underpass hub` as its users run it, from the first start to SIGTERM."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from tests.hub.agents import TinyAgent
from tests.hub.conftest import PASSWORD, running_hub
from tests.rig.api import Api
from tests.rig.needs import find_program
from tests.rig.processes import Process, clean_environment, free_port
from tests.rig.tls import PrivateCa
from underpass.config import HubConfig
from underpass.core.errors import ConfigError
from underpass.core.principal import Principal
from underpass.hub.server import check_tls

UNDERPASS = str(Path(sys.executable).with_name("underpass"))


class HubProcess:
    """`underpass hub` with a data folder of its own."""

    def __init__(self, folder: Path, *options: str, log: str = "hub.log") -> None:
        self.port = free_port()
        self.data_dir = folder / "data"
        command = [UNDERPASS, "hub", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self.process = Process([*command, *options], folder / log)

    def __enter__(self) -> "HubProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.port}")

    def ready(self) -> str:
        """What it has printed once it is ready."""
        return self.process.wait_for_output("Underpass hub ready at ", 30)


def run_hub(*options: str) -> subprocess.CompletedProcess[str]:
    """A hub that cannot start."""
    return subprocess.run(
        [UNDERPASS, "hub", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )


def set_up(hub: HubProcess) -> str:
    """Makes the first admin by the printed link; its token."""
    token = (
        hub.process.wait_for_output("/setup?token=", 30).partition("/setup?token=")[2].split()[0]
    )
    body = {"token": token, "name": "root", "password": PASSWORD}
    assert hub.api.post("/api/auth/setup", body).status == 204
    return token


def test_from_the_first_start_to_the_last_word(tmp_path: Path) -> None:
    """One calm line and the first admin's link, which is in no other line; SIGTERM ends it soon."""
    with HubProcess(tmp_path) as hub:
        assert f"Underpass hub ready at http://127.0.0.1:{hub.port}\n" in hub.ready()
        token = set_up(hub)
        assert (hub.data_dir.stat().st_mode & 0o777) == 0o700
        began = time.monotonic()
        assert hub.process.stop() == 0
        assert time.monotonic() - began < 4
        assert hub.process.output().count(token) == 1


def test_a_hub_that_is_set_up_prints_no_link(tmp_path: Path) -> None:
    """And Ctrl-C ends it as SIGTERM does."""
    with HubProcess(tmp_path) as hub:
        set_up(hub)
    with HubProcess(tmp_path, log="again.log") as again:
        again.ready()
        assert again.api.get("/readyz").status == 200
        again.process.signal(signal.SIGINT)
        assert again.process.wait() == 0
        assert "/setup" not in again.process.output()


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """What the hub said yes to is on the disk."""
    with HubProcess(tmp_path) as hub:
        set_up(hub)
        hub.process.kill()
    with sqlite3.connect(hub.data_dir / "underpass.db") as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("root",)]
    connection.close()


def test_a_data_folder_has_one_hub(tmp_path: Path) -> None:
    """A second is told so in one line, whatever its port; after a kill the folder is free."""
    with HubProcess(tmp_path) as first:
        first.ready()
        second = run_hub("--port", str(free_port()), "--data-dir", str(first.data_dir))
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert "Another hub runs with the data folder" in second.stderr
        first.process.kill()
    with HubProcess(tmp_path, log="again.log") as again:
        again.ready()


def test_a_port_that_is_taken_is_one_line() -> None:
    """Exit code 1, and what to do."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        done = run_hub("--port", str(held.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--port", "99999"], 2, "port"),
        (["--database-url", "mysql://x"], 1, "postgresql://"),
        (["--database-url", "postgresql://u:hunter2@127.0.0.1:1/x"], 1, "cannot be reached"),
        (["--data-dir", "/proc/nowhere"], 1, "--data-dir"),
        (["--config", "/nowhere.toml"], 1, "cannot be read"),
        (["--public-url", "hub"], 2, "public_url"),
    ],
)
def test_what_cannot_start_is_one_line(options: list[str], code: int, said: str) -> None:
    """Exit code 2 for a flag that makes no sense, else 1; what is wrong, where, and never a
    password or a trace."""
    done = run_hub("--port", "0", *options)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_a_data_folder_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """A file that is no database; the hub exits and leaves it alone."""
    file = tmp_path / "underpass.db"
    file.write_bytes(b"no database" * 1000)
    done = run_hub("--port", "0", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "not a database" in done.stderr
    assert file.read_bytes() == b"no database" * 1000


def test_a_read_only_data_folder_is_said_and_served(tmp_path: Path) -> None:
    """Reading goes on; a write is 503 with what to do; /readyz says it."""
    with HubProcess(tmp_path) as hub:
        set_up(hub)
    before = _keep_from_writing(hub.data_dir)
    command = [*before, UNDERPASS, "hub", "--port", str(hub.port), "--data-dir"]
    with Process([*command, str(hub.data_dir)], tmp_path / "again.log") as again:
        again.wait_for_output("Underpass hub ready at ", 30)
        ready = hub.api.get("/readyz")
        assert (ready.status, ready.json()["status"]) == (200, "degraded")
        assert hub.api.get("/api/auth/state").json()["needs_setup"] is False
        refused = hub.api.post("/api/auth/sign-in", {"name": "root", "password": PASSWORD})
        assert (refused.status, refused.json()["code"]) == (503, "storage_unavailable")
        assert "writable" in refused.json()["hint"]


def _keep_from_writing(folder: Path) -> list[str]:
    """What to write before a command so that the folder's mode holds for it. Root may write everywhere:
    so the hub runs as root without that right."""
    folder.chmod(0o500)
    if os.geteuid() != 0:
        return []
    rights = "-dac_override,-dac_read_search"
    return [find_program("setpriv"), "--inh-caps=-all", f"--bounding-set={rights}"]


async def test_agents_come_back_to_a_restarted_hub(tmp_path: Path) -> None:
    """Their tokens outlive the process, and their sessions go on."""
    async with running_hub(tmp_path / "data") as hub:
        alice = await hub.user("alice")
        caller = Principal(user_id=alice.id, user_name=alice.name)
        session, token = await hub.services.sessions.attach(caller, name="box", host="gpu-17")
        agent = TinyAgent(hub.url, token)
        await agent.connect()
        await agent.close()
    async with running_hub(tmp_path / "data") as hub:
        again = TinyAgent(hub.url, token)
        await again.connect()
        assert hub.services.links.of(session.id) is not None
        await again.close()


async def test_a_stop_waits_for_nobody_for_long(tmp_path: Path) -> None:
    """Open pages and idle connections do not keep the process."""
    async with running_hub(tmp_path / "data") as hub:
        alice = await hub.user("alice")
        browser = await hub.browser(alice.name)
        answer = await browser.http.get(f"{hub.url}/api/events", headers=browser.headers)
        await answer.content.readany()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 4
    answer.close()


async def test_https_directly(tmp_path: Path, private_ca: PrivateCa) -> None:
    """With a certificate of one's own: the cookie is then Secure."""
    files = {"tls_certificate": private_ca.certificate, "tls_key": private_ca.key}
    async with running_hub(tmp_path / "data", **files) as hub:
        assert hub.url.startswith("https://127.0.0.1:")
        await hub.user("alice")
        connector = aiohttp.TCPConnector(ssl=private_ca.client_context())
        url = hub.url.replace("127.0.0.1", "localhost")
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post(
                f"{url}/api/auth/sign-in", json={"name": "alice", "password": PASSWORD}
            ) as answer,
        ):
            assert answer.status == 204
            assert "Secure" in answer.headers["Set-Cookie"]
            assert "Strict-Transport-Security" in answer.headers


def test_a_certificate_that_is_none_is_one_line(tmp_path: Path) -> None:
    """Named, with what it should be."""
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(ConfigError, match="cannot be used"):
        check_tls(tmp_path / "c.pem", tmp_path / "k.pem")
    settings = HubConfig.load(
        {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    )
    assert settings.tls_key is not None
