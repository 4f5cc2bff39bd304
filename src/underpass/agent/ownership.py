"""Whose listener is it? A port that belongs to another user of the machine is never served.

On a shared node anybody can listen on a loopback port, also on one that our user's server has
just left. The kernel knows who: netlink (or, where that is shut, `/proc/net/tcp` and `tcp6`) tells
the uid of each listening socket, a Unix socket's file has an owner, and a connected one names its
peer (SO_PEERCRED).
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from underpass.agent.listener import Address, Listener
from underpass.agent.sock_diag import listening_sockets
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import NotAllowed
from underpass.core.targets import Target

# A verdict holds for this long: a burst of connections reads the kernel's table once.
VERDICT_HOLDS_S = 0.25
_LISTEN = "0A"


class PortOfAnotherUser(NotAllowed):
    """The target's listener belongs to somebody else on this machine."""

    code = "port_of_another_user"


class Owners:
    """Answers whether a target may be served, for one user of this machine."""

    def __init__(
        self,
        *,
        uid: int | None = None,
        also: Iterable[int] = (),
        proc: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`uid`: whose targets are served (default: this process's); `also`: others it vouches for.

        `proc`: read the tables there in the place of asking the kernel.
        """
        self._allowed = frozenset({os.geteuid() if uid is None else uid, *also})
        self._proc = proc
        self._clock = clock or SystemClock()
        self._listeners: tuple[Listener, ...] = ()
        self._read_at = float("-inf")

    def listeners(self, *, fresh: bool = False) -> tuple[Listener, ...]:
        """All listening TCP sockets, read again when the last reading is older than a moment."""
        now = self._clock.monotonic()
        if fresh or now - self._read_at > VERDICT_HOLDS_S:
            self._listeners = self._read()
            self._read_at = now
        return self._listeners

    def _read(self) -> tuple[Listener, ...]:
        if self._proc is None:
            try:
                return tuple(listening_sockets())
            except OSError:
                self._proc = Path("/proc")  # a kernel or a sandbox without it will not get it
        return tuple(read_listeners(self._proc))

    def own_listeners(self) -> list[Listener]:
        """Those that this user may serve."""
        return [one for one in self.listeners(fresh=True) if one.uid in self._allowed]

    def check(self, target: Target) -> None:
        """Raises PortOfAnotherUser if what listens there is another user's.

        Nothing listening is no fault here. A host that is not this machine is the user's own
        choice, and its sockets cannot be seen.
        """
        if target.socket_path is not None:
            self._check_path(target)
            return
        for address in _loopback_addresses(target.host):
            self._check_address(address, target)

    def is_listening(self, target: Target) -> bool:
        """Whether something listens there, as far as this machine's tables can say.

        A host that is not this machine cannot be seen and counts as listening.
        """
        if target.socket_path is not None:
            return Path(target.socket_path).is_socket()
        addresses = _loopback_addresses(target.host)
        return not addresses or any(
            one.answers_for(address, target.port)
            for address in addresses
            for one in self.listeners()
        )

    def check_peer(self, sock: socket.socket, target: Target) -> None:
        """Raises PortOfAnotherUser if a connected socket's other end is another user's.

        A Unix socket names its peer; for TCP the table is read, after connecting.
        """
        if sock.family == socket.AF_UNIX:
            credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            _pid, uid, _gid = struct.unpack("iii", credentials)
            self._judge(uid, target)
            return
        peer = ipaddress.ip_address(sock.getpeername()[0])
        # To reach itself, a machine uses the same address at both ends.
        if peer.is_loopback or str(peer) == sock.getsockname()[0]:
            self._check_address(peer, target)

    def _check_address(self, address: Address, target: Target) -> None:
        for listener in self.listeners():
            if listener.answers_for(address, target.port):
                self._judge(listener.uid, target)

    def _check_path(self, target: Target) -> None:
        try:
            uid = os.stat(str(target.socket_path)).st_uid
        except FileNotFoundError:
            return
        self._judge(uid, target)

    def _judge(self, uid: int, target: Target) -> None:
        if uid in self._allowed:
            return
        raise PortOfAnotherUser(
            f"What listens on {target} belongs to {user_name(uid)}, not to you.",
            hint="Underpass serves your own servers only: start yours on another port"
            + (
                f", or, if you trust that service, add --trust-owner {user_name(uid)}."
                if is_service_account(uid)
                else "."
            ),
            owner=user_name(uid),
        )


def read_listeners(proc: Path = Path("/proc")) -> Iterator[Listener]:
    """The listening sockets in the kernel's two tables; none where there are no tables."""
    for name in ("tcp", "tcp6"):
        try:
            text = (proc / "net" / name).read_text()
        except FileNotFoundError:
            continue
        yield from parse_table(text)


def parse_table(text: str) -> Iterator[Listener]:
    """The listeners in the text of /proc/net/tcp or tcp6."""
    for line in text.splitlines()[1:]:
        words = line.split(None, 10)
        if len(words) > 9 and words[3] == _LISTEN:
            address, _, port = words[1].rpartition(":")
            yield Listener(_address(address), int(port, 16), int(words[7]), int(words[9]))


def user_name(uid: int) -> str:
    """The account's name, or `uid 1234` where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def is_service_account(uid: int) -> bool:
    """Whether this uid is a service's (such as `ollama`): neither root's nor a person's."""
    try:
        return 0 < pwd.getpwuid(uid).pw_uid < 1000
    except KeyError:
        return False


def trusted_uid(name: str) -> int:
    """The uid for `--trust-owner NAME`. Raises NotAllowed unless it is a service account's."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise NotAllowed(f"There is no account '{name[:40]}' on this machine.") from None
    if not is_service_account(uid):
        raise NotAllowed(
            f"'{name}' is a person's account (or root's), and their servers are theirs.",
            hint="--trust-owner takes a service's account, such as ollama.",
        )
    return uid


def _address(text: str) -> Address:
    """The kernel writes addresses as 32-bit words in the machine's byte order."""
    raw = b"".join(struct.pack("=I", int(text[i : i + 8], 16)) for i in range(0, len(text), 8))
    if len(raw) == 4:
        return ipaddress.IPv4Address(raw)
    six = ipaddress.IPv6Address(raw)
    return six.ipv4_mapped or six


def _loopback_addresses(host: str) -> list[Address]:
    """The addresses of this machine that a target's host surely stands for."""
    if host == "localhost":
        return [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return []
    return [address] if address.is_loopback else []
