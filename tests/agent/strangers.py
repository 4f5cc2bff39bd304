"""A listener that belongs to another user of the machine: a real process with another uid."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rig.needs import cannot_here

NOBODY = 65534

_CODE = """
import http.server, os, socket, sys
os.setgid(65534) if os.getuid() == 0 else None
os.setuid(65534) if os.getuid() == 0 else None
where = sys.argv[1]
if where.startswith("/"):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(where)
    os.chmod(where, 0o777)
else:
    sock = socket.create_server(("127.0.0.1", int(where)))
sock.listen()
print("listening", sock.getsockname()[1] if not where.startswith("/") else 0, flush=True)
while True:
    peer, _ = sock.accept()
    data = peer.recv(65536)
    sys.stderr.write(repr(data) + "\\n"); sys.stderr.flush()
    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
    peer.close()
"""


@contextlib.contextmanager
def stranger(where: str, log: Path) -> Iterator[int]:
    """Another user's server on a port (`0`: any) or socket path; yields the port."""
    if os.geteuid() != 0:
        cannot_here("only root can start a process of another user")
    with log.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, where], stdout=subprocess.PIPE, stderr=err
        )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:1] == [b"listening"]
        yield int(words[1])
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def own_listener(port: int = 0) -> socket.socket:
    """A listener of ours."""
    return socket.create_server(("127.0.0.1", port))
