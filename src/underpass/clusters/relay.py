"""A door on the login node for jobs whose nodes have no way out: it leads to the hub and nowhere else.

It speaks just enough of a forward proxy (CONNECT) for the agents' own proxy support. What passes is TLS
between agent and hub, so this machine sees bytes and nothing else. Who comes needs the secret that stands in
a 0600 file on the disk that the jobs share; the door opens on addresses of the cluster's own network only.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hmac
import ipaddress
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from underpass.clusters.folder import write_private
from underpass.core.ids import new_secret

RELAY_FILE = "relay.json"
MAX_CONNECTIONS = 512
MAX_HEAD_BYTES = 8192
HEAD_TIMEOUT_S = 10.0
_PIECE_BYTES = 64 * 1024
_SIOCGIFADDR = 0x8915
_USER = "underpass"
_log = logging.getLogger(__name__)

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Connect = Callable[[], Awaitable[tuple[Reader, Writer]]]


class Relay:
    """One door. `start`, then `close`; who is inside at the end is let go."""

    def __init__(self, host: str, port: int, connect: Connect, file: Path) -> None:
        """`host` and `port` are the hub's as agents name it; `connect` opens a way to it."""
        self._goal = f"{host}:{port}".lower()
        self._connect = connect
        self._file = file
        self._secret = new_secret("upr_")
        self._servers: list[asyncio.Server] = []
        self._inside: set[asyncio.Task[None]] = set()

    async def start(self, addresses: Sequence[str]) -> list[str]:
        """Opens it on these addresses, at the port of last time where that is free, and writes down
        where. Returns `address:port` of each. Raises OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        port, places = self._last_port(), []
        for address in addresses:
            server = await self._listen(address, port)
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
            places.append(f"{address}:{port}")
        urls = [f"http://{_USER}:{self._secret}@{place}" for place in places]
        write_private(self._file, json.dumps({"urls": urls, "port": port}))
        return places

    async def close(self) -> None:
        """Shuts it, and says so in the file."""
        for server in self._servers:
            server.close()
        for task in self._inside:
            task.cancel()
        await asyncio.gather(*self._inside, return_exceptions=True)
        with suppress(OSError):
            write_private(self._file, json.dumps({"urls": [], "port": self._last_port()}))

    # --- inside --------------------------------------------------------------------------------------

    async def _listen(self, address: str, port: int) -> asyncio.Server:
        try:
            return await asyncio.start_server(self._enter, address, port, limit=MAX_HEAD_BYTES)
        except OSError:
            if not port:
                raise
        return await asyncio.start_server(self._enter, address, 0, limit=MAX_HEAD_BYTES)

    def _last_port(self) -> int:
        try:
            return int(json.loads(self._file.read_text())["port"])
        except (OSError, ValueError, TypeError, KeyError):
            return 0

    async def _enter(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._inside) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._inside.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return  # one end went away, or sent no request: nobody is owed an answer
        finally:
            self._inside.discard(task)
            writer.close()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        refusal = self._refusal(head)
        if refusal is not None:
            writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        try:
            hub_reader, hub_writer = await self._connect()
        except (OSError, TimeoutError) as error:
            _log.warning("the hub cannot be reached for a job: %s", type(error).__name__)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, hub_writer))
                both.create_task(_pump(hub_reader, writer))
        except* OSError:
            pass  # a connection that breaks ends both halves
        finally:
            hub_writer.close()

    def _refusal(self, head: bytes) -> str | None:
        """The status line of a refusal; None: let it pass."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        wanted = "Basic " + base64.b64encode(f"{_USER}:{self._secret}".encode()).decode()
        fields = [line.partition(":") for line in lines[1:]]
        given = [v.strip() for k, _, v in fields if k.strip().lower() == "proxy-authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), wanted.encode()):
            return "407 Proxy Authentication Required"
        if len(words) != 3 or words[0] != "CONNECT" or words[1].lower() != self._goal:
            return "403 Forbidden"
        return None


async def _pump(reader: Reader, writer: Writer) -> None:
    """Bytes in one direction until its end, which is passed on."""
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


def inner_addresses() -> list[str]:
    """This machine's IPv4 addresses in private networks: what its cluster's nodes can reach."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with suppress(OSError):
                packed = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)[20:24]
                address = ipaddress.IPv4Address(packed)
                if address.is_private and not address.is_loopback:
                    found.append(str(address))
    return found
