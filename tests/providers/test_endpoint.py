"""The way to an endpoint, over real sockets."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.stub_server import StubServer
from tests.providers.servers import Odd, odd_server
from tests.rig.tls import PrivateCa
from tests.rig.waiting import eventually_async
from underpass.core.errors import InvalidRequest, StreamReset
from underpass.providers.base_url import BaseUrl
from underpass.providers.endpoint import Endpoint, EndpointStream
from underpass.providers.faults import EndpointFault
from underpass.providers.networks import Networks
from underpass.providers.sealing import EndpointSecrets
from underpass.tunnel.link import OpenHead, StreamKind

HERE = Networks.parse("127.0.0.1")


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    async with odd_server() as server:
        yield server


def endpoint(url: str, networks: Networks = HERE, **more: Any) -> Endpoint:
    return Endpoint(BaseUrl.parse(url), networks, **more)


async def ask(
    one: Endpoint, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **h: str
) -> EndpointStream:
    data = None if body is None else json.dumps(body).encode()
    headers = [(name.replace("_", "-"), value) for name, value in h.items()]
    if data is not None:
        headers += [("content-type", "application/json"), ("content-length", str(len(data)))]
    method = "GET" if data is None else "POST"
    stream = await one.open(OpenHead(StreamKind.HTTP, "", "req_1", method, path, tuple(headers)))
    if data is not None:
        await stream.write(data)
    await stream.write_end()
    return stream


async def whole(stream: EndpointStream) -> tuple[int, bytes]:
    head, taken = await stream.response(), b""
    while data := await stream.read():
        taken += data
    return head.status, taken


async def fault_of(one: Endpoint, **headers: str) -> EndpointFault:
    try:
        stream = await ask(one, {"model": "m"}, **headers)
        with pytest.raises(EndpointFault) as caught:
            await whole(stream)
    except EndpointFault as error:  # known before the body was taken
        return error
    finally:
        await one.close()
    return caught.value


async def test_a_request_and_its_answer(odd: Odd) -> None:
    """The provider's key and headers go, in the place of the caller's; nothing is added unasked."""
    secrets = EndpointSecrets("sk-1", (("X-Team", "blue"), ("Accept", "text/x")))
    one = endpoint(f"{odd.url}/ok/v1", secrets=secrets)
    stream = await ask(one, {"model": "m"}, x_team="red", accept="application/json")
    head = await stream.response()
    said = json.loads((await whole(stream))[1])
    assert said["path"] == "/ok/v1/chat/completions"
    headers = {name.lower(): value for name, value in said["headers"].items()}
    host = odd.url.removeprefix("http://")
    assert headers == {
        "host": host,
        "content-type": "application/json",
        "content-length": "14",
        "authorization": "Bearer sk-1",
        "x-team": "blue",
        "accept": "text/x",
    }
    assert head.status == 200
    assert not [name for name, _ in head.headers if name.startswith("x-underpass-")]
    await one.close()


async def test_a_large_body_arrives_whole(stub: StubServer) -> None:
    """In pieces, without a length known ahead."""
    one = endpoint(f"{stub.url}/v1")
    head = OpenHead(StreamKind.HTTP, "", "req_1", "POST", "/v1/chat/completions", ())
    stream = await one.open(head)
    text = json.dumps({"model": "m", "pad": "y" * 900_000}).encode()
    for at in range(0, len(text), 50_000):
        await stream.write(text[at : at + 50_000])
    await stream.write_end()
    status, answer = await whole(stream)
    assert (status, json.loads(answer)["received"]["bytes"]) == (200, len(text))
    await one.close()


async def test_connections_are_kept(odd: Odd) -> None:
    """Three requests one after the other come over one connection."""
    one = endpoint(f"{odd.url}/ok/v1")
    for _ in range(3):
        assert (await whole(await ask(one)))[0] == 200
    assert len({id(request.transport) for request in odd.seen}) == 1
    await one.close()


@pytest.mark.parametrize("hang", ["before_head", "after_head", ""])
async def test_a_cancel_closes_the_connection(stub: StubServer, hang: str) -> None:
    """Before the head, after it, and in the middle: the server sees it within 250 ms."""
    one = endpoint(f"{stub.url}/v1")
    wish = {"hang": hang, "chunks": 1_000_000, "rate": 50, "tag": "t"}
    stream = await ask(one, {"model": "m", "stream": True, "stub": wish})
    await eventually_async(lambda: stub.generations(), 5)
    if hang != "before_head":
        await stream.response()
    if not hang:
        await stream.read()
    stream.cancel("client_gone")
    began = asyncio.get_running_loop().time()
    await eventually_async(lambda: stub.generations()[0].outcome == "disconnected", 5)
    assert asyncio.get_running_loop().time() - began < 0.25
    with pytest.raises(StreamReset) as caught:
        await (stream.read() if hang != "before_head" else stream.response())
    assert caught.value.reason == "client_gone"
    await one.close()


async def test_a_cancel_ends_an_upload_that_nobody_takes() -> None:
    """A server that reads nothing: what waits to be sent does not hold the connection open."""
    gone = asyncio.Event()

    async def take_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asked.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        try:
            while await reader.read(1 << 20):
                pass
        except ConnectionError:
            pass
        gone.set()
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(take_nothing, "127.0.0.1", 0, limit=1024)
    one = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    stream = await one.open(OpenHead(StreamKind.HTTP, "", "r", "POST", "/v1/embeddings", ()))

    async def upload() -> None:
        while True:
            await stream.write(b"z" * 65536)

    uploading = asyncio.create_task(upload())
    await eventually_async(lambda: stream.transport is not None and stream._pieces, 5)
    stream.cancel("client_gone")
    with pytest.raises(StreamReset):
        await uploading
    asked.set()
    await asyncio.wait_for(gone.wait(), 1)
    server.close()
    await one.close()


async def test_closing_ends_what_is_under_way(stub: StubServer) -> None:
    """A provider that is removed answers nobody any more."""
    one = endpoint(f"{stub.url}/v1")
    stream = await ask(one, {"model": "m", "stub": {"hang": "before_head"}})
    waiting = asyncio.create_task(stream.response())
    await eventually_async(lambda: stub.generations(), 5)
    await one.close()
    with pytest.raises(StreamReset, match="provider_removed"):
        await waiting


async def test_a_slow_reader_slows_the_endpoint(odd: Odd) -> None:
    """Of ten gigabytes only what fits the buffers leaves the server while nobody reads."""
    one = endpoint(f"{odd.url}/endless/v1")
    stream = await ask(one, {"model": "m"})
    await stream.response()
    sizes: list[int] = []

    def has_stalled() -> bool:
        sizes.append(odd.sent_bytes)
        return len(sizes) > 8 and sizes[-1] == sizes[-8]

    await eventually_async(has_stalled, 10)
    assert odd.sent_bytes < 32 << 20
    stream.cancel("client_gone")
    await one.close()


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"]
)
async def test_loopback_is_refused_however_it_is_written(odd: Odd, host: str) -> None:
    """By name, as decimal, hexadecimal and octal number, shortened, and as IPv6."""
    port = odd.url.rsplit(":", 1)[1]
    fault = await fault_of(endpoint(f"http://{host}:{port}/ok/v1", Networks()))
    assert fault.reason in ("address_not_allowed", "host_unknown", "not_http")
    assert fault.reason == "address_not_allowed" or host not in ("127.0.0.1", "localhost", "[::1]")
    assert not odd.seen


async def test_a_name_that_changes_what_it_stands_for(
    odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was allowed when it was saved is judged again at each connection, by its address."""
    port = int(odd.url.rsplit(":", 1)[1])
    now = {"address": "127.0.0.1"}
    loop = asyncio.get_running_loop()

    async def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (now["address"], port))]

    monkeypatch.setattr(type(loop), "getaddrinfo", lambda *a, **k: resolve())
    url = f"http://rebinding.example:{port}/ok/v1"
    one = endpoint(url)
    assert (await whole(await ask(one, {"model": "m"})))[0] == 200
    await one.close()
    now["address"] = "127.0.0.2"
    assert (await fault_of(endpoint(url))).reason == "address_not_allowed"
    assert len(odd.seen) == 1


async def test_a_redirect_is_not_followed(odd: Odd) -> None:
    """Not even to an address that is allowed."""
    fault = await fault_of(endpoint(f"{odd.url}/redirect/v1"))
    assert fault.reason == "endpoint_redirects"
    assert len(odd.seen) == 1


async def test_plain_http_stays_in_the_admin_s_networks() -> None:
    """To a public address neither key nor content goes in the clear."""
    fault = await fault_of(endpoint("http://93.184.215.14/v1"))
    assert fault.reason == "plain_http"


async def test_nobody_listens(stub: StubServer) -> None:
    """Refused, and said so; whoever watches the provider hears of it."""
    await stub.stop()
    told: list[str] = []
    one = endpoint(f"{stub.url}/v1", on_fault=lambda fault: told.append(fault.code))
    assert (await fault_of(one)).reason == "endpoint_refuses"
    assert told == ["endpoint_refuses"]


async def test_an_answer_that_breaks_off(stub: StubServer) -> None:
    """After some of it: an error, never an end."""
    one = endpoint(f"{stub.url}/v1")
    stream = await ask(one, {"model": "m", "stream": True, "stub": {"cut_after": 3, "chunks": 9}})
    with pytest.raises(EndpointFault) as caught:
        await whole(stream)
    assert caught.value.reason == "broke_off"
    await one.close()


async def test_something_that_is_no_http() -> None:
    """A server of another kind."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert (await fault_of(endpoint(f"http://127.0.0.1:{port}/v1"))).reason == "not_http"
    server.close()


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture
async def secure(private_ca: PrivateCa) -> AsyncIterator[Odd]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(private_ca.certificate, private_ca.key)
    async with odd_server(context) as server:
        yield server


async def test_a_private_authority_is_trusted_by_its_file(
    secure: Odd, private_ca: PrivateCa
) -> None:
    """With the CA file; without it the fault says what is missing."""
    one = endpoint(f"{secure.url}/ok/v1", ca_pem=private_ca.ca_file.read_text())
    assert (await whole(await ask(one)))[0] == 200
    await one.close()
    assert (await fault_of(endpoint(f"{secure.url}/ok/v1"))).reason == "tls_untrusted"


async def test_a_certificate_for_another_name(private_ca: PrivateCa) -> None:
    """Known authority, wrong name: refused, in these words."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(private_ca.certificate, private_ca.key)

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.3", 0, ssl=context)
    url = f"https://127.0.0.3:{server.sockets[0].getsockname()[1]}/v1"
    one = endpoint(url, Networks.parse("127.0.0.0/8"), ca_pem=private_ca.ca_file.read_text())
    assert (await fault_of(one)).reason == "tls_name_mismatch"
    server.close()


async def test_tls_where_there_is_none(odd: Odd) -> None:
    """https against a plain port."""
    fault = await fault_of(endpoint(odd.url.replace("http:", "https:") + "/ok/v1"))
    assert fault.reason == "tls_failed"


def test_a_ca_file_that_is_none() -> None:
    """Said when it is given, not when it is needed."""
    with pytest.raises(InvalidRequest) as caught:
        endpoint("https://a.b/v1", ca_pem="no certificate")
    assert caught.value.code == "ca_invalid"
