"""`/api/tunnels/{id}/connect`: raw bytes, for the tunnel's owner alone."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.linked import LinkedPair, linked
from tests.hub.conftest import Browser, RunningHub
from underpass.core.states import SessionStatus, TunnelStatus
from underpass.store import SessionRecord, TunnelRecord, UserRecord
from underpass.tunnel.link import Head, Stream, StreamKind

PATH = "/api/tunnels/tun_raw/connect"


@pytest.fixture
async def pair(hub: RunningHub, alice: UserRecord) -> AsyncIterator[LinkedPair]:
    """alice's raw tunnel `tun_raw`, with its agent in the test's hands; `tun_openai` beside it."""
    store = hub.services.store
    await store.sessions.add(
        SessionRecord(
            id="ses_1",
            owner_id=alice.id,
            name="nb",
            created_at=1.0,
            status=SessionStatus.RUNNING,
            is_attached=True,
        )
    )
    for name, is_openai in (("raw", False), ("openai", True)):
        await store.tunnels.add(
            TunnelRecord(
                id=f"tun_{name}",
                session_id="ses_1",
                owner_id=alice.id,
                name=name,
                target="127.0.0.1:8888",
                created_at=1.0,
                openai=is_openai,
                status=TunnelStatus.RUNNING,
            )
        )
    async with linked() as pair:
        hub.services.registry.bind_tunnel("tun_raw", pair.hub)
        yield pair
        hub.services.registry.unbind_tunnel("tun_raw", pair.hub)


@pytest.fixture
async def program(hub: RunningHub, alice: UserRecord) -> Browser:
    """alice's program."""
    return await hub.program(await hub.key(alice))


async def connect(
    program: Browser, pair: LinkedPair
) -> tuple[aiohttp.ClientWebSocketResponse, Stream]:
    """A connection, at both of its ends."""
    opening = asyncio.create_task(
        program.http.ws_connect(program.url + PATH, headers=program.headers)
    )
    stream = await asyncio.wait_for(pair.opened(), 5)
    assert stream.opening.kind is StreamKind.RAW
    await stream.respond(Head(200, ()))
    return await opening, stream


async def test_bytes_both_ways_and_half_closes(program: Browser, pair: LinkedPair) -> None:
    """Each direction has its own end, an empty message; the socket closes after the target's."""
    socket, stream = await connect(program, pair)
    await socket.send_bytes(b"GET /")
    assert await stream.read() == b"GET /"
    await socket.send_bytes(b"")
    assert await stream.read() == b""
    await stream.write(b"answer")
    assert await socket.receive_bytes() == b"answer"
    await stream.write_end()
    assert await socket.receive_bytes() == b""
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_client_that_goes_cancels_the_stream(program: Browser, pair: LinkedPair) -> None:
    """The agent closes the target's connection."""
    socket, stream = await connect(program, pair)
    await socket.close()
    assert await asyncio.wait_for(stream.wait_cancelled(), 5) == "client_gone"


async def test_a_target_that_breaks_off(program: Browser, pair: LinkedPair) -> None:
    """The socket is closed as broken, so that nobody takes a part for the whole."""
    socket, stream = await connect(program, pair)
    stream.cancel("upstream_cut")
    message = await socket.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)


async def test_a_target_that_breaks_off_when_the_client_has_gone_is_no_error(
    program: Browser, pair: LinkedPair, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ends go at once: there is nobody to close the socket for, and nothing to log."""
    for _ in range(20):
        socket, stream = await connect(program, pair)
        closing = asyncio.create_task(socket.close())
        stream.cancel("upstream_cut")
        await closing
    assert "Exception in ASGI application" not in caplog.text


async def refused(program: Browser, path: str = PATH) -> tuple[int, str]:
    """Status and code of the answer in the place of the upgrade."""
    headers = {
        **program.headers,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with program.http.get(program.url + path, headers=headers) as answer:
        return answer.status, (await answer.json(content_type=None))["code"]


async def test_who_may_not(hub: RunningHub, program: Browser, pair: LinkedPair) -> None:
    """Strangers and admins: not there. No key: 401. A key without the scope: 403."""
    bob = await hub.user("bob")
    boss = await hub.user("boss", is_admin=True)
    for user in (bob, boss):
        other = await hub.program(await hub.key(user))
        assert await refused(other) == (404, "not_found")
    assert await refused(await hub.program()) == (401, "not_authenticated")
    assert await refused(program, "/api/tunnels/tun_none/connect") == (404, "not_found")


async def test_a_cookie_is_no_key(hub: RunningHub, program: Browser, pair: LinkedPair) -> None:
    """A page of somebody else's making cannot open a socket to one's session."""
    page = await hub.browser("alice")
    assert await refused(page) == (401, "not_authenticated")


async def test_an_openai_tunnel_carries_nothing_else(program: Browser, pair: LinkedPair) -> None:
    """Not its admin routes, not its metrics: not at all."""
    path = "/api/tunnels/tun_openai/connect"
    assert await refused(program, path) == (409, "route_not_allowed")


async def test_a_stopped_tunnel(hub: RunningHub, program: Browser, pair: LinkedPair) -> None:
    """What to do about it."""
    hub.services.registry.unbind_tunnel("tun_raw", pair.hub)
    assert await refused(program) == (503, "tunnel_stopped")


async def test_nothing_listens(program: Browser, pair: LinkedPair) -> None:
    """The agent's refusal becomes an HTTP answer, before the upgrade."""
    asking = asyncio.create_task(refused(program))
    stream = await asyncio.wait_for(pair.opened(), 5)
    await stream.respond(Head(502, (("x-underpass-error", "upstream_unreachable"),)))
    assert await asking == (502, "upstream_unreachable")


async def test_a_revoked_key_ends_what_it_opened(
    hub: RunningHub, alice: UserRecord, pair: LinkedPair
) -> None:
    """At once, also while nothing passes; the target's connection is closed."""
    key, secret = await hub.services.auth.keys.create(alice.id, name="x", scopes=["sessions"])
    socket, stream = await connect(await hub.program(secret), pair)
    other, untouched = await connect(await hub.program(await hub.key(alice)), pair)
    await hub.services.auth.keys.revoke(key.id)
    async with asyncio.timeout(5):
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert await stream.wait_cancelled() == "client_gone"
        await untouched.write(b"on")
        assert await other.receive_bytes() == b"on"
