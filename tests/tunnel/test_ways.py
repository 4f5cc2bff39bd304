"""Which way out is taken: the first that reaches the hub, found by trying."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from underpass.core.errors import LinkRefused
from underpass.tunnel import ways as module
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way, WebSocketCarrier
from underpass.tunnel.dial_errors import DialError
from underpass.tunnel.ways import DIRECT, LOGIN_NODE, PROXY, Ways

HUB = HubAddress.parse("https://hub.example.org")
PROXIED = {"HTTPS_PROXY": "http://proxy:3128"}


class Played:
    """Ways whose ends are played: `works` says which proxies (or `direct`) lead to the hub."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *works: str) -> None:
        self.works = set(works)
        self.hangs: set[str] = set()
        self.refuses: set[str] = set()
        self.tried: list[str] = []
        monkeypatch.setattr(module, "dial", self.dial)
        monkeypatch.setattr(module, "HEAD_START_S", 0.05)

    async def dial(self, way: Way, token: str) -> Any:
        where = way.proxy.host if way.proxy else "direct"
        self.tried.append(where)
        if where in self.hangs:
            await asyncio.Event().wait()
        if where in self.refuses:
            raise LinkRefused("No.", code="session_ended")
        if where not in self.works:
            raise DialError(f"{where} does not lead there.")
        return WebSocketCarrier.__new__(WebSocketCarrier)


def ways(environ: dict[str, str] | None = None, relay_file: Path | None = None) -> Ways:
    way = Way(HUB, environ=environ or {})
    return Ways.of_job(way, environ or {}, None if relay_file is None else str(relay_file), None)


@pytest.fixture
def relay_file(tmp_path: Path) -> Path:
    file = tmp_path / "relay.json"
    file.write_text(json.dumps({"urls": ["http://underpass:s@login:4100"], "port": 4100}))
    return file


@pytest.mark.parametrize(
    ("environ", "works", "via", "tried"),
    [
        ({}, ["direct"], DIRECT, ["direct"]),
        (PROXIED, ["proxy"], PROXY, ["proxy"]),
        (PROXIED, ["direct"], DIRECT, ["proxy", "direct"]),
        (PROXIED, ["login"], LOGIN_NODE, ["proxy", "direct", "login"]),
        ({}, ["login"], LOGIN_NODE, ["direct", "login"]),
    ],
)
async def test_the_first_that_works(
    monkeypatch: pytest.MonkeyPatch,
    relay_file: Path,
    environ: dict[str, str],
    works: list[str],
    via: str,
    tried: list[str],
) -> None:
    """In their order, and it is said which one it is."""
    played = Played(monkeypatch, *works)
    found = ways(environ, relay_file)
    await found.dial("ups_x")
    assert (found.via, played.tried) == (via, tried)


async def test_a_way_that_hangs_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, relay_file: Path
) -> None:
    """The next is tried beside it; the next time the one that worked goes first."""
    played = Played(monkeypatch, "login")
    played.hangs = {"direct"}
    found = ways({}, relay_file)
    async with asyncio.timeout(5):
        await found.dial("ups_x")
    await found.dial("ups_x")
    assert played.tried == ["direct", "login", "login"]


async def test_no_way_says_what_each_of_them_said(
    monkeypatch: pytest.MonkeyPatch, relay_file: Path
) -> None:
    """And what to do."""
    Played(monkeypatch)
    with pytest.raises(DialError) as caught:
        await ways({}, relay_file).dial("ups_x")
    assert "direct: direct does not lead there; login node: login" in caught.value.message
    with pytest.raises(DialError, match=r"^direct does not lead there\.$"):
        await ways().dial("ups_x")


async def test_the_hub_s_own_no_ends_it(monkeypatch: pytest.MonkeyPatch, relay_file: Path) -> None:
    """It was reached: other ways would hear the same."""
    played = Played(monkeypatch, "login")
    played.refuses = {"direct"}
    with pytest.raises(LinkRefused):
        await ways({}, relay_file).dial("ups_x")
    assert played.tried == ["direct"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"urls": 3}', '{"urls": ["ftp://x"]}'])
async def test_a_login_node_that_is_gone_is_no_way(
    monkeypatch: pytest.MonkeyPatch, relay_file: Path, text: str
) -> None:
    """Its file says what there is at the moment."""
    played = Played(monkeypatch, "login")
    relay_file.write_text(text)
    with pytest.raises(DialError):
        await ways({}, relay_file).dial("ups_x")
    assert played.tried == ["direct"]


def test_without_tls_nothing_goes_through_the_login_node(relay_file: Path) -> None:
    """It could read it."""
    plain = Way(HubAddress.parse("http://127.0.0.1:8080"), environ={})
    assert Ways.of_job(plain, {}, str(relay_file), None)._relays is None
