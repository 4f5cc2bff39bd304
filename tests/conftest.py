"""Fixtures for every room: the real components, and two rules that hold for all tests.

The rules: no test reaches beyond this machine's loopback, and none leaves a process behind. The
fixtures are lazy: a test that asks for none of them starts nothing.
"""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from tests.fakes.stub_server import StubServer
from tests.rig.browser import open_chromium
from tests.rig.llama import LlamaServer
from tests.rig.processes import left_over
from tests.rig.proxy import Tinyproxy
from tests.rig.slurm import SlurmRig
from tests.rig.sshd import Sshd
from tests.rig.tiny_model import make_tiny_model
from tests.rig.tls import PrivateCa, make_private_ca
from tests.rig.waiting import eventually

# A shared machine is sometimes slow: an example may take its time, a property may not be wrong.
settings.register_profile(
    "underpass", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("underpass")

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """A process that outlives its test is a failure of the whole run."""
    yield
    eventually(lambda: not left_over(), 5, f"no child process is left: {left_over()}")


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """A test that calls the outside world fails at the call, wherever it runs."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        is_inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if is_inet and not str(address[0]).startswith(LOOPBACK):
            raise ConnectionRefusedError(
                f"a test tried to reach {address!r}; tests stay on loopback"
            )
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A developer's sign-in, proxy and CA settings change no test, and no test changes them."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("UNDERPASS_HUB", "UNDERPASS_KEY", "UNDERPASS_CA_FILE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of 1.6 MB that any llama.cpp loads."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def llama_server(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlamaServer]:
    """A real llama-server, one for each worker; a test must leave its slots free."""
    server = LlamaServer(tiny_model, tmp_path_factory.mktemp("llama") / "llama.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def slurm_rig() -> Iterator[SlurmRig]:
    """A real Slurm of two nodes, one for each worker."""
    rig = SlurmRig()
    yield rig
    rig.stop()


@pytest.fixture
def slurm(slurm_rig: SlurmRig) -> Iterator[SlurmRig]:
    """The same with an empty queue; what the test left in it is cancelled."""
    yield slurm_rig
    slurm_rig.clear()


@pytest.fixture
async def stub() -> AsyncIterator[StubServer]:
    """The numbered-bytes model server, in this test's own loop."""
    async with StubServer() as server:
        yield server


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[Tinyproxy]:
    """A real forward proxy with a password."""
    proxy = Tinyproxy(tmp_path)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def private_ca(tmp_path_factory: pytest.TempPathFactory) -> PrivateCa:
    """An authority that no system trusts, and a certificate for localhost."""
    return make_private_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A real browser; make a context and a page in it."""
    async with open_chromium() as browser:
        yield browser


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A real OpenSSH server with its own keys."""
    server = Sshd(tmp_path)
    yield server
    server.stop()
