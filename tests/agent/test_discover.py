"""Finding this user's model servers."""

import ipaddress
import socket
from pathlib import Path

from tests.agent.strangers import stranger
from tests.fakes.stub_server import StubServer
from underpass.agent.discover import candidates, discover
from underpass.agent.listener import Listener
from underpass.agent.ownership import Owners


def listener(address: str, port: int) -> Listener:
    return Listener(ipaddress.ip_address(address), port, 0, 1)


def test_where_to_ask() -> None:
    """One target for each port, on the address it answers to; the system's ports are left alone."""
    found = candidates(
        [
            listener("::", 9000),
            listener("0.0.0.0", 9000),
            listener("::1", 9001),
            listener("127.0.0.1", 8000),
            listener("10.0.0.7", 9002),
            listener("0.0.0.0", 22),
        ]
    )
    assert [str(target) for target in found] == [
        "127.0.0.1:8000",
        "127.0.0.1:9000",
        "[::1]:9001",
        "10.0.0.7:9002",
    ]


async def test_the_users_own_servers_are_found(tmp_path: Path) -> None:
    """A ready one and a loading one; not a silent port, not another program, not another user's."""
    async with StubServer() as ready, StubServer() as loading, StubServer() as failing:
        loading.mode, failing.mode = "loading", "failing"
        with socket.create_server(("127.0.0.1", 0)):
            with stranger("0", tmp_path / "log") as theirs:
                found = {one.target.port: one.readiness for one in await discover(Owners())}
        assert found[ready.port].models[0].id == "stub"
        assert found[loading.port].state == "loading"
        assert failing.port not in found
        assert theirs not in found
    assert b"GET" not in (tmp_path / "log").read_bytes()
