"""The door on a login node: to the hub alone, for those with its secret, and only bytes."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from underpass.clusters.relay import MAX_HEAD_BYTES, RELAY_FILE, Relay, inner_addresses
from underpass.tunnel.proxy import parse_proxy


@asynccontextmanager
async def door(folder: Path, *, is_hub_there: bool = True) -> AsyncIterator[tuple[str, str]]:
    """A relay to an echoing hub: its url with the secret, and what the hub is called."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            writer.write(piece.upper())
        writer.close()

    hub = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = hub.sockets[0].getsockname()[1]
    if not is_hub_there:
        hub.close()
        await hub.wait_closed()
    relay = Relay(
        "Hub.example.org",
        443,
        lambda: asyncio.open_connection("127.0.0.1", port),
        folder / RELAY_FILE,
    )
    await relay.start(["127.0.0.1"])
    try:
        (url,) = json.loads((folder / RELAY_FILE).read_text())["urls"]
        yield url, "hub.example.org:443"
    finally:
        await relay.close()
        hub.close()


async def say(url: str, head: bytes, more: bytes = b"") -> bytes:
    """What the door answers to these bytes."""
    proxy = parse_proxy(url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(head + more)
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


def connect(url: str, goal: str, secret: str | None = None) -> bytes:
    proxy = parse_proxy(url)
    given = proxy.password if secret is None else secret
    word = base64.b64encode(f"underpass:{given}".encode()).decode()
    return f"CONNECT {goal} HTTP/1.1\r\nProxy-Authorization: Basic {word}\r\n\r\n".encode()


async def test_bytes_pass_both_ways(tmp_path: Path) -> None:
    """To the end of each half; the file is for its owner alone."""
    async with door(tmp_path) as (url, goal):
        assert (tmp_path / RELAY_FILE).stat().st_mode & 0o777 == 0o600
        answer = await say(url, connect(url, goal), b"hello" * 40_000)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 Connection established"
        assert body == b"HELLO" * 40_000
    assert json.loads((tmp_path / RELAY_FILE).read_text())["urls"] == []


@pytest.mark.parametrize(
    ("goal", "secret", "status"),
    [
        ("hub.example.org:443", "wrong", 407),
        ("hub.example.org:443", "", 407),
        ("hub.example.org:22", None, 403),
        ("169.254.169.254:80", None, 403),
        ("hub.example.org:443@evil:1", None, 403),
    ],
)
async def test_it_leads_nowhere_else(
    tmp_path: Path, goal: str, secret: str | None, status: int
) -> None:
    """And not a byte further without its secret."""
    async with door(tmp_path) as (url, _):
        answer = await say(url, connect(url, goal, secret))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n\r\n",
        b"GET http://hub.example.org/ HTTP/1.1\r\n\r\n",
        b"CONNECT\r\n\r\n",
        b"\xff" * 100 + b"\r\n\r\n",
        b"x" * (2 * MAX_HEAD_BYTES),
        b"CONNECT hub.example.org:443 HTTP/1.1\r\nProxy-Authorization: \r\nProxy-Authorization: x\r\n\r\n",
    ],
)
async def test_whatever_comes_it_stands(tmp_path: Path, head: bytes) -> None:
    """No request in any form gets through, and the next one is served."""
    async with door(tmp_path) as (url, goal):
        assert b" 200 " not in await say(url, head)
        assert b" 200 " in await say(url, connect(url, goal))


async def test_a_hub_that_is_away_is_said(tmp_path: Path) -> None:
    """502; the agent comes again."""
    async with door(tmp_path, is_hub_there=False) as (url, goal):
        assert (await say(url, connect(url, goal))).startswith(b"HTTP/1.1 502 ")


async def test_the_port_stays(tmp_path: Path) -> None:
    """Jobs that run find a login node that was restarted; its secret is new all the same."""
    async with door(tmp_path) as (first, _):
        pass
    async with door(tmp_path) as (second, _):
        assert parse_proxy(first).port == parse_proxy(second).port
        assert parse_proxy(first).password != parse_proxy(second).password


def test_inner_addresses_are_private() -> None:
    """Never loopback, never a public one."""
    for address in inner_addresses():
        assert not address.startswith("127.")
