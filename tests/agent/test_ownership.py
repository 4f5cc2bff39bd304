"""Whose listener is it: the tables, and real listeners of another user."""

import asyncio
import ipaddress
import os
import socket
from pathlib import Path

import pytest

from tests.agent.strangers import NOBODY, own_listener, stranger
from underpass.agent.listener import Listener
from underpass.agent.ownership import (
    Owners,
    PortOfAnotherUser,
    is_service_account,
    parse_table,
    trusted_uid,
    user_name,
)
from underpass.core.clock import FakeClock
from underpass.core.errors import NotAllowed
from underpass.core.targets import Target


def row(local: str, state: str, uid: int, inode: int) -> str:
    """One line of /proc/net/tcp or tcp6."""
    peer = "0" * (len(local) - 5) + ":0000"
    rest = "1 0000000000000000 100 0 0 10 0"
    return (
        f"   0: {local} {peer} {state} 00000000:00000000 00:00000000 00000000"
        f" {uid:5}        0 {inode} {rest}\n"
    )


TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid ...\n"
    + row("0100007F:1F40", "0A", 1000, 4711)
    + row("00000000:2CAA", "0A", 998, 4712)
    + row("0100007F:1F40", "01", 0, 4713)
)
TCP6 = (
    "  sl  local_address                         remote_address                        st ...\n"
    + row("00000000000000000000000001000000:1F41", "0A", 1000, 1)
    + row("00000000000000000000000000000000:1F42", "0A", 1001, 2)
    + row("0000000000000000FFFF00000100007F:1F43", "0A", 1002, 3)
)


def fake_proc(folder: Path, tcp: str = TCP, tcp6: str = TCP6) -> Path:
    """A /proc with these two tables."""
    (folder / "net").mkdir(exist_ok=True)
    (folder / "net" / "tcp").write_text(tcp)
    (folder / "net" / "tcp6").write_text(tcp6)
    return folder


def test_the_tables() -> None:
    """Listening sockets only, with their addresses in the right byte order."""
    assert list(parse_table(TCP)) == [
        Listener(ipaddress.ip_address("127.0.0.1"), 8000, 1000, 4711),
        Listener(ipaddress.ip_address("0.0.0.0"), 11434, 998, 4712),
    ]
    assert [str(one.address) for one in parse_table(TCP6)] == ["::1", "::", "127.0.0.1"]


@pytest.mark.parametrize(
    ("uid", "target", "allowed"),
    [
        (1000, "8000", True),
        (1001, "8000", False),
        (998, "11434", True),
        (1000, "127.0.0.1:11434", False),
        (1000, "[::1]:8001", True),
        (1001, "[::1]:8001", False),
        (1000, "localhost:8002", False),
        (1001, "127.0.0.1:8002", True),
        (1000, "127.0.0.1:8003", False),
        (1000, "9999", True),
        (1000, "gpu-17.example.org:8002", True),
    ],
)
def test_who_may_serve_what(tmp_path: Path, uid: int, target: str, allowed: bool) -> None:
    """The same uid only; wildcards count for loopback, and a free port is nobody's."""
    owners = Owners(uid=uid, proc=fake_proc(tmp_path))
    if allowed:
        owners.check(Target.parse(target))
    else:
        with pytest.raises(PortOfAnotherUser) as caught:
            owners.check(Target.parse(target))
        assert caught.value.code == "port_of_another_user"


def test_a_verdict_holds_for_a_moment_only(tmp_path: Path) -> None:
    """A port that another user takes over is refused soon after."""
    clock = FakeClock()
    owners = Owners(uid=1000, proc=fake_proc(tmp_path), clock=clock)
    owners.check(Target.parse("8000"))
    fake_proc(tmp_path, TCP.replace("  1000 ", "  1007 "))
    owners.check(Target.parse("8000"))
    clock.advance(0.3)
    with pytest.raises(PortOfAnotherUser):
        owners.check(Target.parse("8000"))


def test_a_service_account_must_be_named(tmp_path: Path) -> None:
    """Ollama as a system service belongs to another account: its user may vouch for it by name."""
    owners = Owners(uid=1000, also=[998], proc=fake_proc(tmp_path))
    owners.check(Target.parse("11434"))


def test_only_service_accounts_can_be_named() -> None:
    """Neither root nor a person nor a name that does not exist."""
    assert trusted_uid("daemon") == 1
    assert is_service_account(1)
    assert not is_service_account(0)
    for name in ("root", "nobody", "no-such-account"):
        with pytest.raises(NotAllowed):
            trusted_uid(name)
    assert user_name(0) == "root"
    assert user_name(987_654) == "uid 987654"


async def test_a_real_port_of_another_user(tmp_path: Path) -> None:
    """Checked by the table and after connecting; the sentence names the owner and what to do."""
    with stranger("0", tmp_path / "log") as port:
        target = Target.parse(str(port))
        with pytest.raises(PortOfAnotherUser) as caught:
            Owners().check(target)
        assert f"127.0.0.1:{port} belongs to {user_name(NOBODY)}" in caught.value.message
        assert "start yours on another port" in caught.value.sentence()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            with pytest.raises(PortOfAnotherUser):
                Owners().check_peer(sock, Target.parse(f"localhost:{port}"))


async def test_a_real_socket_of_another_user(tmp_path: Path) -> None:
    """By the owner of its file, and by the peer's credentials once connected."""
    folder = tmp_path / "open"
    folder.mkdir()
    for parent in (folder, *folder.parents):
        if os.geteuid() == 0 and str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o777)
    path = str(folder / "s.sock")
    with stranger(path, tmp_path / "log"):
        target = Target.parse(f"unix:{path}")
        with pytest.raises(PortOfAnotherUser):
            Owners().check(target)
        os.chown(path, os.geteuid(), -1)  # the name is not all: whoever listens counts
        Owners().check(target)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            with pytest.raises(PortOfAnotherUser):
                Owners().check_peer(sock, target)


async def test_own_listeners(tmp_path: Path) -> None:
    """Our own port and socket pass, by table and by peer."""
    with own_listener() as server:
        port = server.getsockname()[1]
        owners = Owners()
        assert port in {one.port for one in owners.own_listeners()}
        owners.check(Target.parse(str(port)))
        assert owners.is_listening(Target.parse(str(port)))
        with socket.create_connection(("127.0.0.1", port)) as sock:
            owners.check_peer(sock, Target.parse(str(port)))
    await asyncio.sleep(0)
    assert not Owners().is_listening(Target.parse(str(port)))
    assert not Owners().is_listening(Target.parse(f"unix:{tmp_path}/none.sock"))
    Owners().check(Target.parse(f"unix:{tmp_path}/none.sock"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.sock"))
        server.listen()
        target = Target.parse(f"unix:{tmp_path}/s.sock")
        assert Owners().is_listening(target)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s.sock"))
            Owners().check_peer(sock, target)
