"""What the kernel says of listening sockets, against real ones and against its own other table."""

import ipaddress
import os
import socket
import struct
from pathlib import Path

import pytest

from tests.agent.strangers import NOBODY, own_listener, stranger
from underpass.agent import ownership
from underpass.agent.ownership import Owners, read_listeners
from underpass.agent.sock_diag import listening_sockets, parse


def test_both_families_and_whose_they_are() -> None:
    """Port, address and owner of real listeners; a socket that only connects is none."""
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.create_connection(four.getsockname()) as client,
    ):
        found = {one.port: one for one in listening_sockets()}
        for listener in (four, six):
            address, port = listener.getsockname()[:2]
            assert found[port].address == ipaddress.ip_address(address)
            assert found[port].uid == os.geteuid()
            assert found[port].inode == os.fstat(listener.fileno()).st_ino
        assert client.getsockname()[1] not in found


def test_it_says_what_the_tables_in_proc_say(tmp_path: Path) -> None:
    """Of a listener of ours and one of somebody else's."""
    with own_listener() as own, stranger("0", tmp_path / "log") as theirs:
        by_netlink = {one.port: one for one in listening_sockets()}
        by_table = {one.port: one for one in read_listeners()}
        for port in (own.getsockname()[1], theirs):
            assert by_netlink[port] == by_table[port]
        assert by_netlink[theirs].uid == NOBODY


def test_an_error_of_the_kernel_is_an_oserror() -> None:
    """A kernel without the module says ENOENT."""
    answer = struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -2)
    with pytest.raises(FileNotFoundError):
        list(parse(answer))


def test_without_netlink_the_tables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may forbid it: the owner is known all the same, and it is asked only once."""
    asked = 0

    def forbidden() -> object:
        nonlocal asked
        asked += 1
        raise PermissionError

    monkeypatch.setattr(ownership, "listening_sockets", forbidden)
    owners = Owners()
    with own_listener() as own:
        for _ in range(2):
            assert own.getsockname()[1] in {one.port for one in owners.own_listeners()}
    assert asked == 1
