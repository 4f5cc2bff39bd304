"""Opening the WebSocket: real TLS, a real proxy, and what is said when it fails."""

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.fakes.hub import TOKEN, FakeHub, Refusal, wait_up
from tests.rig.processes import free_port
from tests.rig.proxy import Tinyproxy
from tests.rig.tls import PrivateCa, make_private_ca
from tests.rig.waiting import eventually_async
from underpass.core.clock import FakeClock
from underpass.core.errors import AppError, LinkRefused
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import WRITE_HIGH_BYTES, Way, WebSocketCarrier, dial
from underpass.tunnel.dial_errors import DialError
from underpass.tunnel.link import CarrierClosed, Link
from underpass.tunnel.protocol.agent import AgentLink


def way(url: str, *, ca_file: Path | None = None, **environ: str) -> Way:
    """The way to a hub with nothing from the developer's own environment."""
    return Way(HubAddress.parse(url, insecure_http=True), environ=environ, ca_file=ca_file)


def server_context(ca: PrivateCa) -> ssl.SSLContext:
    """A server's TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.certificate, ca.key)
    return context


async def fails(the_way: Way, code: str) -> AppError:
    """The error of an attempt; its code and its one line with what to do are checked."""
    with pytest.raises((DialError, LinkRefused)) as caught:
        await dial(the_way, TOKEN)
    error = caught.value
    assert error.code == code, repr(error)
    assert TOKEN not in error.sentence()
    assert "\n" not in error.sentence()
    return error


async def link_up(the_way: Way, hub: FakeHub) -> tuple[Link, "asyncio.Task[None]"]:
    """A real link over a dialled carrier."""
    carrier = await dial(the_way, TOKEN)
    link = Link(AgentLink())
    task = asyncio.create_task(link.serve(carrier))
    await wait_up(hub)
    return link, task


async def close(link: Link, task: "asyncio.Task[None]") -> None:
    await link.close("test ends")
    await task


# --- it works ------------------------------------------------------------------------------------


async def test_plain_http_on_this_machine() -> None:
    """The token goes in a header, the subprotocol is ours, nothing is compressed."""
    async with FakeHub() as hub:
        link, task = await link_up(way(hub.url), hub)
        headers = hub.handshakes[0]
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["Sec-WebSocket-Protocol"] == "underpass.v1"
        assert "Sec-WebSocket-Extensions" not in headers
        await close(link, task)


async def test_a_private_ca_through_a_proxy_with_a_password(
    private_ca: PrivateCa, tinyproxy: Tinyproxy
) -> None:
    """TLS by name through CONNECT with Basic auth, trusted by the CA file."""
    async with FakeHub(server_context(private_ca)) as hub:
        # A name that is not loopback by its looks, so that the proxy is used.
        url = f"https://hub.test:{hub.port}"
        proxy = {"HTTPS_PROXY": tinyproxy.url}
        error = await fails(way(url, ca_file=private_ca.ca_file, **proxy), "proxy_failed")
        assert f"hub.test:{hub.port}" in error.message
        by_name = socket.gethostname()
        link, task = await link_up_by_name(hub, private_ca, tinyproxy, by_name)
        assert any(f"{by_name}:{hub.port}" in line for line in tinyproxy.connects())
        await close(link, task)


async def link_up_by_name(
    hub: FakeHub, ca: PrivateCa, proxy: Tinyproxy, name: str
) -> tuple[Link, "asyncio.Task[None]"]:
    """Through the proxy under a name that only a proxy is asked for."""
    folder = ca.ca_file.parent / "by-name"
    folder.mkdir(exist_ok=True)
    other = make_private_ca(folder, name)
    assert hub._tls is not None
    hub._tls.load_cert_chain(other.certificate, other.key)
    the_way = way(f"https://{name}:{hub.port}", ca_file=other.ca_file, HTTPS_PROXY=proxy.url)
    return await link_up(the_way, hub)


async def test_no_proxy_goes_direct(private_ca: PrivateCa) -> None:
    """A host in NO_PROXY is not asked of the proxy, here one that does not exist."""
    async with FakeHub(server_context(private_ca)) as hub:
        the_way = way(
            hub.url,
            ca_file=private_ca.ca_file,
            HTTPS_PROXY=f"http://127.0.0.1:{free_port()}",
            NO_PROXY="127.0.0.1",
        )
        link, task = await link_up(the_way, hub)
        await close(link, task)


# --- it fails, and says why ----------------------------------------------------------------------


async def test_nothing_listens() -> None:
    """A refused connection."""
    error = await fails(way(f"http://127.0.0.1:{free_port()}"), "hub_unreachable")
    assert "refuses the connection" in error.message
    assert error.is_retryable


async def test_a_name_that_does_not_resolve() -> None:
    """Said with the hint that matters on clusters; retried, as DNS comes and goes."""
    error = await fails(way("https://no-such-hub.invalid"), "hub_name_unknown")
    assert "no-such-hub.invalid" in error.message
    assert "HTTPS_PROXY" in str(error.hint)
    assert error.is_retryable


async def test_an_unknown_ca(private_ca: PrivateCa) -> None:
    """Says how to name the CA, and never offers to look away."""
    async with FakeHub(server_context(private_ca)) as hub:
        error = await fails(way(hub.url), "certificate_unknown_ca")
        assert "--ca-file" in error.sentence()
        assert "insecure" not in error.sentence()


async def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """A right CA with the wrong name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.org").configure_cert(context)
    async with FakeHub(context) as hub:
        error = await fails(way(hub.url, ca_file=tmp_path / "ca.pem"), "certificate_name")
        assert "another name" in error.message


@pytest.mark.parametrize("kind", ["expired", "early"])
async def test_clock_skew(tmp_path: Path, kind: str) -> None:
    """The certificate's time is wrong: our clock is named, and compared with the hub's."""
    authority = trustme.CA()
    now = datetime.now(UTC)
    span = (
        {"not_after": now - timedelta(days=1)}
        if kind == "expired"
        else {"not_before": now + timedelta(days=1)}
    )
    leaf = authority.issue_cert("127.0.0.1", **span)  # type: ignore[arg-type]
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    async with FakeHub(context) as hub:
        the_way = way(hub.url, ca_file=tmp_path / "ca.pem")
        error = await fails(the_way, "certificate_time")
        assert "this machine's clock" in error.message
        assert "Set the clock" in error.sentence()
        clock = FakeClock(1_600_000_000.0)
        wrong = Way(the_way.address, environ={}, ca_file=tmp_path / "ca.pem", clock=clock)
        error = await fails(wrong, "certificate_time")
        assert "behind the hub's" in error.sentence()


async def test_tls_where_there_is_none() -> None:
    """https:// to a port that speaks http."""
    async with FakeHub() as hub:
        error = await fails(way(f"https://127.0.0.1:{hub.port}"), "tls_failed")
        assert "does not speak TLS" in error.message


async def test_proxies_that_fail(private_ca: PrivateCa, tinyproxy: Tinyproxy) -> None:
    """No password, a wrong one, no proxy there, no such proxy name: one line each."""
    bare = tinyproxy.url_without_password
    wrong = bare.replace("://", "://proxy-user:geheim@")
    hub = "https://hub.example.org"
    error = await fails(way(hub, HTTPS_PROXY=bare), "proxy_auth")
    assert "wants a password" in error.message
    assert "HTTPS_PROXY" in error.message
    error = await fails(way(hub, HTTPS_PROXY=wrong), "proxy_auth")
    assert "does not accept" in error.message
    assert "geheim" not in error.sentence()
    nowhere = f"http://127.0.0.1:{free_port()}"
    error = await fails(way(hub, HTTPS_PROXY=nowhere), "proxy_unreachable")
    assert "refuses the connection" in error.message
    error = await fails(way(hub, HTTPS_PROXY="http://no-proxy.invalid:3128"), "proxy_unreachable")
    assert "does not resolve" in error.message


@pytest.mark.parametrize(
    ("refusal", "code", "is_final"),
    [
        (Refusal(401, {"code": "session_token_invalid"}), "session_token_invalid", True),
        (Refusal(401), "session_token_invalid", True),
        (Refusal(403, {"code": "session_ended", "detail": "It ended."}), "session_ended", True),
        (Refusal(426), "version_unsupported", True),
        (Refusal(403), "not_a_hub", False),
        (Refusal(404), "not_a_hub", False),
        (Refusal(200), "not_a_hub", False),
        (Refusal(302, headers={"Location": "https://sso.example.org"}), "not_a_hub", False),
        (Refusal(503, headers={"Retry-After": "7"}), "hub_busy", False),
        (Refusal(502), "hub_busy", False),
    ],
)
async def test_refusals(refusal: Refusal, code: str, is_final: bool) -> None:
    """401, 403 and version are final; everything else may pass."""
    async with FakeHub() as hub:
        hub.link_refusal = refusal
        error = await fails(way(hub.url), code)
        assert isinstance(error, LinkRefused) is is_final
        assert len(hub.handshakes) == 1  # a redirect is not followed
        if refusal.headers.get("Retry-After"):
            assert error.retry_after_s == 7


async def test_a_wrong_clock_is_named_with_a_refused_token() -> None:
    """The hub's Date header is compared."""
    async with FakeHub() as hub:
        hub.link_refusal = Refusal(401)
        clock = FakeClock(4_000_000_000.0)
        the_way = Way(HubAddress.parse(hub.url), environ={}, clock=clock)
        assert "ahead of the hub's" in (await fails(the_way, "session_token_invalid")).sentence()


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence has an end."""
    monkeypatch.setattr("underpass.tunnel.dial.HANDSHAKE_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        the_way = way(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert "does not answer" in (await fails(the_way, "hub_silent")).message


async def test_a_server_that_hangs_up() -> None:
    """A connection that breaks in the handshake."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await fails(way(f"http://127.0.0.1:{port}"), "hub_unreachable")


async def test_names_are_resolved_at_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that moved is found by the next attempt."""
    asked: list[str] = []
    resolve: Callable[..., object] = socket.getaddrinfo

    def counted(host: str, *args: object, **more: object) -> object:
        asked.append(host)
        return resolve("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    the_way = way(f"http://moving.example.org:{free_port()}")
    for _ in range(2):
        await fails(the_way, "hub_unreachable")
    assert asked == ["moving.example.org"] * 2


# --- the carrier ---------------------------------------------------------------------------------


async def test_sending_waits_for_a_peer_that_does_not_read() -> None:
    """Back-pressure is real: what waits here stays near the high-water mark."""
    release, gone = asyncio.Event(), asyncio.Event()
    received = 0

    async def lazy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        key = ""
        while (line := await reader.readline()).strip():
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":")[1].strip().decode()
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        accept = base64.b64encode(digest).decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n".encode()
            + b"Sec-WebSocket-Protocol: underpass.v1\r\n\r\n"
        )
        await release.wait()
        try:
            while data := await reader.read(65536):
                received += len(data)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            gone.set()

    server = await asyncio.start_server(lazy, "127.0.0.1", 0, limit=1024)
    async with server:
        carrier = await dial(way(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), TOKEN)
        sent = 0

        async def pour() -> None:
            nonlocal sent
            for _ in range(2000):
                await carrier.send(b"x" * 16384)
                sent += 16384

        task = asyncio.create_task(pour())
        await eventually_async(lambda: carrier._protocol.writing_paused, 10, "writing is paused")
        before = sent
        await asyncio.sleep(0)
        assert sent == before < 2000 * 16384
        waiting = carrier._transport.get_write_buffer_size()
        assert waiting <= WRITE_HIGH_BYTES + 2 * 16384
        release.set()
        await task
        await carrier.close()
        await eventually_async(lambda: received > 2000 * 16384, 10, "all bytes arrive")
        await gone.wait()


async def test_a_cut_connection_is_told_to_both_halves() -> None:
    """CarrierClosed at receive, and at send soon after."""
    async with FakeHub() as hub:
        carrier = await dial(way(hub.url), TOKEN)
        await eventually_async(lambda: bool(hub._sockets), 5, "the hub has the socket")
        hub.cut()
        with pytest.raises(CarrierClosed):
            await carrier.receive()
        with pytest.raises(CarrierClosed):
            for _ in range(100):
                await carrier.send(b"x")
        await carrier.close()
        await carrier.close()


async def test_socket_options() -> None:
    """No delay for small frames, and little unsent in the kernel."""
    async with FakeHub() as hub:
        carrier: WebSocketCarrier = await dial(way(hub.url), TOKEN)
        sock = carrier._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, 25) == 16384
        await carrier.close()
