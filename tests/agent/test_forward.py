"""One stream to the model server and back: bytes as they are, refusals, cancels, faults."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.running import offer, running_agent
from tests.agent.servers import saying, serving
from tests.agent.strangers import stranger
from tests.fakes.hub import Answer, FakeHub, whole
from tests.fakes.stub_http import numbered_bytes
from tests.fakes.stub_server import StubServer, sse_event
from tests.rig.llama import LlamaServer
from tests.rig.processes import free_port
from tests.rig.waiting import eventually_async
from underpass.core.errors import StreamReset
from underpass.tunnel.link import StreamKind

CANCEL_WITHIN_S = 0.25


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    """A hub for one agent."""
    async with FakeHub() as one:
        yield one


def chat(stream: bool = True, **stub: Any) -> dict[str, Any]:
    """A request that tells the stub how to answer."""
    return {"model": "stub", "stream": stream, "stub": stub}


def seen(stub: StubServer, tag: str) -> Any:
    """The stub's record of a request, or None."""
    return next((one for one in stub.seen if one.tag == tag), None)


# --- bytes as they are ---------------------------------------------------------------------------


async def test_a_streamed_answer(hub: FakeHub, stub: StubServer) -> None:
    """Events arrive byte for byte, with the server's own headers."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        answer = await hub.request(body=chat(chunks=50))
        assert answer.status == 200
        expected = b"".join(sse_event(n, 200) for n in range(50)) + b"data: [DONE]\n\n"
        assert answer.body == expected
        assert str(answer.header("content-type")).startswith("text/event-stream")
        meter = running.agent.meter
        assert meter.bytes_out >= len(expected)
        assert meter.events_out >= 51
        await eventually_async(lambda: meter.streams == 0, 5, "the stream is over")


async def test_chunks_are_not_held_back(hub: FakeHub, stub: StubServer) -> None:
    """The first event is there long before the last one is made."""
    async with running_agent(hub, offer(str(stub.port))):
        stream = await hub.open(headers=(("content-type", "application/json"),))
        await stream.write(json.dumps(chat(chunks=1000, rate=10)).encode())
        await stream.write_end()
        await stream.response()
        assert await stream.read() == sse_event(0, 200)
        assert await stream.read() == sse_event(1, 200)
        stream.cancel("enough")


async def test_a_large_body_both_ways(hub: FakeHub, stub: StubServer) -> None:
    """8 MiB up and 8 MiB down, each byte once and in order."""
    size = 8 << 20
    async with running_agent(hub, offer(str(stub.port))):
        filling = "x" * size
        body = json.dumps({**chat(stream=False, chunks=1), "filling": filling}).encode()
        answer = await hub.request(body=body)
        received = answer.json()["received"]
        assert received["bytes"] == len(body)
        assert received["sha256"] == hashlib.sha256(body).hexdigest()
        answer = await hub.request(body=chat(body_bytes=size))
        assert answer.header("content-length") == str(size)
        assert answer.body == numbered_bytes(0, size)


async def test_a_body_without_a_length_is_streamed(hub: FakeHub, stub: StubServer) -> None:
    """Without Content-Length it goes chunked, as it comes."""
    async with running_agent(hub, offer(str(stub.port))):
        stream = await hub.open(headers=(("content-type", "application/json"),))
        body = json.dumps(chat(stream=False)).encode()
        for start in range(0, len(body), 7):
            await stream.write(body[start : start + 7])
        await stream.write_end()
        answer = await whole(stream)
        assert answer.json()["received"]["sha256"] == hashlib.sha256(body).hexdigest()
        assert stub.seen[-1].headers["transfer-encoding"] == "chunked"


async def test_what_the_server_sees(hub: FakeHub, stub: StubServer) -> None:
    """Its own host, its own key, our request id; nothing of the hub or the client."""
    headers = (
        ("Host", "hub.example.org"),
        ("Authorization", "Bearer up_secret"),
        ("Cookie", "a=b"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Accept", "text/event-stream"),
        ("User-Agent", "openai/1"),
    )
    async with running_agent(hub, offer(str(stub.port)), upstream_key="own-key"):
        await hub.request("GET", "/v1/models?x=%2F", headers=headers)
        got = next(one for one in stub.seen if "x=" in one.path)
        assert got.path == "/v1/models?x=%2F"
        sent = {name.lower(): value for name, value in got.headers.items()}
        assert sent["host"] == f"127.0.0.1:{stub.port}"
        assert sent["authorization"] == "Bearer own-key"
        assert sent["user-agent"] == "openai/1"
        assert sent["x-request-id"].startswith("req_")
        assert not {"cookie", "x-forwarded-for", "accept-encoding", "content-length"} & set(sent)


async def test_a_servers_own_error_passes(hub: FakeHub, stub: StubServer) -> None:
    """Status and body as they are, and not marked as the agent's."""
    async with running_agent(hub, offer(str(stub.port))):
        answer = await hub.request(body=chat(stream=False, status=422))
        assert answer.status == 422
        assert answer.json()["error"]["type"] == "stub_error"
        assert answer.header("x-underpass-error") is None


async def test_healthy_connections_are_reused(hub: FakeHub, stub: StubServer) -> None:
    """Requests one after another need no new connection."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        before = set(stub._connections)
        for _ in range(5):
            await hub.request("GET", "/v1/models")
        assert set(stub._connections) <= before


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("POST", "/pause"),
        ("GET", "/v1/../metrics"),
        ("GET", "/v1/%2e%2e/metrics"),
        ("GET", "//v1/models"),
        ("GET", "/v1/models/"),
        ("DELETE", "/v1/models/stub"),
        ("POST", "/v1/models"),
        ("GET", "/health"),
    ],
)
async def test_other_routes_are_refused_again(
    hub: FakeHub, stub: StubServer, method: str, path: str
) -> None:
    """Whatever a hub lets pass, the agent serves the list's routes only."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        before = len(stub.seen)
        answer = await hub.request(method, path)
        assert answer.status == 404
        assert answer.header("x-underpass-error") == "route_not_allowed"
        assert answer.json()["code"] == "route_not_allowed"
        assert not [one for one in stub.seen[before:] if one.path == path]


async def test_a_forged_agent_error_is_stripped(hub: FakeHub) -> None:
    """Only the agent's own answers carry its mark."""
    raw = b"HTTP/1.1 200 OK\r\nX-Underpass-Error: x\r\nContent-Length: 2\r\n\r\nhi"
    answer = await ask(hub, raw)
    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.header("x-underpass-error") is None


async def test_the_cap_of_streams(
    hub: FakeHub, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the cap: 429 with Retry-After, and no connection to the server."""
    async with running_agent(hub, offer(str(stub.port))) as running:
        service = running.agent._tunnels._services[0]
        monkeypatch.setattr(service._forwarder, "_max_streams", 1)
        first = await hub.open()
        await first.write(json.dumps(chat(hang="after_head", tag="first")).encode())
        await first.write_end()
        await first.response()
        answer = await hub.request(body=chat(tag="second"))
        assert answer.status == 429
        assert answer.header("retry-after") == "1"
        assert answer.header("x-underpass-error") == "too_many_streams"
        assert seen(stub, "second") is None
        first.cancel("enough")


async def test_another_users_port_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    """Nothing is sent to a server of another user of the machine, and the answer says whose it is."""
    log = tmp_path / "log"
    with stranger("0", log) as port:
        async with running_agent(hub, offer(str(port))):
            answer = await hub.request("GET", "/v1/models")
            assert answer.status == 502
            assert answer.header("x-underpass-error") == "port_of_another_user"
            assert "belongs to nobody" in answer.json()["message"]
            said = await hub.wait_said("tunnel.readiness", state="starting")
            assert "belongs to nobody" in said["reason"]
    assert b"GET" not in log.read_bytes()


async def test_a_port_that_is_taken_over_later(
    hub: FakeHub, stub: StubServer, tmp_path: Path
) -> None:
    """Our server stops, another user's takes its port: refused on the next connection."""
    async with running_agent(hub, offer(str(stub.port))):
        await hub.wait_said("tunnel.readiness", state="running")
        await stub.stop()
        log = tmp_path / "log"
        with stranger(str(stub.port), log):
            said = await hub.wait_said("tunnel.readiness", state="unreachable")
            assert said["models"][0]["id"] == "stub"
            answer = await hub.request(body=chat())
            assert answer.header("x-underpass-error") == "port_of_another_user"
        assert b"POST" not in log.read_bytes()


# --- cancel --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stub_words", "stream"),
    [
        ({"hang": "before_head"}, True),
        ({"hang": "before_head"}, False),
        ({"hang": "after_head"}, True),
        ({"hang": "after_head"}, False),
        ({"chunks": 100_000, "rate": 200}, True),
    ],
)
async def test_a_cancel_frees_the_server(
    hub: FakeHub, stub: StubServer, stub_words: dict[str, Any], stream: bool
) -> None:
    """Before the first byte, in the middle, streaming or not: its connection is closed at once."""
    async with running_agent(hub, offer(str(stub.port))):
        opened = await hub.open()
        await opened.write(json.dumps(chat(stream, tag="t", **stub_words)).encode())
        await opened.write_end()
        await eventually_async(lambda: seen(stub, "t"), 5, "the request is there")
        if stub_words.get("chunks"):
            await opened.response()
            await opened.read()
        began = time.monotonic()
        opened.cancel("client_gone")
        request = seen(stub, "t")
        await eventually_async(lambda: request.outcome == "disconnected", 5, "disconnected")
        assert request.ended_at - began < CANCEL_WITHIN_S


async def test_a_cancel_in_the_middle_of_an_upload(hub: FakeHub) -> None:
    """A server that does not read, with megabytes under way: closed at once all the same."""
    gone = asyncio.Event()

    async def lazy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"POST"):
            writer.close()
            await writer.wait_closed()
            return
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not writer.is_closing():
            try:
                writer.write(b" ")  # a dead peer is noticed by writing
                await writer.drain()
                await asyncio.sleep(0.01)
            except ConnectionError:
                break
        writer.transport.abort()
        gone.set()

    async with serving(lazy) as port:
        async with running_agent(hub, offer(str(port))):
            stream = await hub.open(headers=(("content-length", str(64 << 20)),))

            async def pour() -> None:
                with pytest.raises(StreamReset):
                    while True:
                        await stream.write(b"x" * 65536)

            pouring = asyncio.create_task(pour())
            await eventually_async(lambda: stream.bytes_out > 256 * 1024, 5, "an upload under way")
            began = time.monotonic()
            stream.cancel("client_gone")
            async with asyncio.timeout(5):
                await gone.wait()
            assert time.monotonic() - began < CANCEL_WITHIN_S + 0.05
            await pouring


async def test_a_cancel_reaches_llama_server(hub: FakeHub, llama_server: LlamaServer) -> None:
    """The real one, streaming or not; it looks at a silent client only once or twice a second."""
    async with running_agent(hub, offer(str(llama_server.port))):
        await hub.wait_said("tunnel.readiness", state="running", within_s=20)
        for streams in (True, False):
            stream = await hub.open(headers=(("content-type", "application/json"),))
            body = {
                "model": "tiny",
                "stream": streams,
                "max_tokens": 30_000,
                "messages": [{"role": "user", "content": "hi"}],
            }
            await stream.write(json.dumps(body).encode())
            await stream.write_end()
            await asyncio.to_thread(llama_server.wait_for_busy_slot)
            before = llama_server.cancels()
            stream.cancel("client_gone")
            await asyncio.to_thread(llama_server.wait_for_cancel, before, 0.25 if streams else 1.75)
            await asyncio.to_thread(llama_server.wait_for_slot_release)


async def test_a_client_that_stops_reading_stops_the_server(hub: FakeHub, stub: StubServer) -> None:
    """Back-pressure end to end: what is under way stays bounded, and nothing is lost."""
    size = 64 << 20
    async with running_agent(hub, offer(str(stub.port))):
        stream = await hub.open()
        await stream.write(json.dumps(chat(body_bytes=size, tag="big")).encode())
        await stream.write_end()
        await stream.response()
        request = await eventually_async(lambda: seen(stub, "big"), 5, "big")
        sent = -1
        while sent != request.bytes_sent:  # until nothing moves any more
            sent = request.bytes_sent
            await asyncio.sleep(0.3)
        assert 0 < sent < 32 << 20
        got = 0
        while chunk := await stream.read():
            assert chunk == numbered_bytes(got, len(chunk))
            got += len(chunk)
        assert got == size


# --- servers that misbehave ----------------------------------------------------------------------


async def ask(hub: FakeHub, answer: bytes, *, reset: bool = False) -> Answer:
    """One request to such a server."""
    async with serving(saying(answer, reset=reset)) as port, running_agent(hub, offer(str(port))):
        return await hub.request("GET", "/v1/models")


async def test_nothing_listens(hub: FakeHub) -> None:
    """502 `upstream_unreachable`, naming target and cause."""
    port = free_port()
    async with running_agent(hub, offer(str(port))):
        answer = await hub.request(body=chat())
        assert answer.status == 502
        assert answer.header("x-underpass-error") == "upstream_unreachable"
        message = answer.json()["message"]
        assert f"127.0.0.1:{port}" in message
        assert "nothing listens" in message


@pytest.mark.parametrize(
    ("raw", "reset", "words"),
    [
        (b"", False, "closed the connection"),
        (b"", True, "closed the connection"),
        (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", False, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000, False, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1_000_000, False, "not HTTP"),
        (b"HTTP/1.1 banana OK\r\n\r\n", False, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", False, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", False, "closed the connection"),
    ],
)
async def test_answers_that_are_none(hub: FakeHub, raw: bytes, reset: bool, words: str) -> None:
    """Closed, reset, garbage, endless headers: 502 with a typed code and a sentence."""
    answer = await ask(hub, raw, reset=reset)
    assert answer.status == 502
    assert answer.header("x-underpass-error") == "upstream_unreachable"
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("raw", "reset"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n|ZZ\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", True),
    ],
)
async def test_answers_that_break_off(hub: FakeHub, raw: bytes, reset: bool) -> None:
    """After the head an error is the stream's reset, never a silent end."""
    with pytest.raises(StreamReset) as caught:
        await ask(hub, raw, reset=reset)
    assert caught.value.reason.startswith("upstream_cut")


async def test_a_request_that_is_shorter_than_it_said(hub: FakeHub, stub: StubServer) -> None:
    """The server must not wait for ever for the rest: the connection is closed, the answer typed."""
    async with running_agent(hub, offer(str(stub.port))):
        stream = await hub.open(headers=(("content-length", "1000"),))
        await stream.write(b"{}")
        await stream.write_end()
        answer = await whole(stream)
        assert answer.status == 502
        assert answer.header("x-underpass-error") == "upstream_unreachable"


async def test_a_server_that_answers_before_it_has_read(hub: FakeHub) -> None:
    """An early 413 passes, although most of the request is still on its way."""
    raw = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
    async with serving(saying(raw)) as port, running_agent(hub, offer(str(port))):
        stream = await hub.open(headers=(("content-length", str(1 << 20)),))
        await stream.write(b"x" * 10_000)
        answer = await whole(stream)
        assert (answer.status, answer.body) == (413, b"big")
        stream.cancel("enough")


# --- sockets and raw bytes -----------------------------------------------------------------------


async def test_a_unix_socket(hub: FakeHub, stub: StubServer, tmp_path: Path) -> None:
    """The same over a socket; the server is called localhost."""
    path = tmp_path / "s.sock"
    listener = await asyncio.get_running_loop().create_unix_server(stub._connect, str(path))
    async with listener:
        async with running_agent(hub, offer(f"unix:{path}")):
            await hub.wait_said("tunnel.readiness", state="running")
            answer = await hub.request(body=chat(chunks=3))
            assert answer.body.startswith(sse_event(0, 200))
            assert stub.seen[-1].headers["host"] == "localhost"


async def test_raw_bytes_both_ways(hub: FakeHub) -> None:
    """A tunnel without the flag carries any bytes, each direction with its own end."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()
        writer.write(b"bye")
        writer.close()
        await writer.wait_closed()

    async with serving(echo) as port:
        async with running_agent(hub, offer(str(port), openai=False)):
            stream = await hub.open("", "", kind=StreamKind.RAW)
            assert (await stream.response()).status == 200
            await stream.write(b"hello ")
            assert await stream.read() == b"HELLO "
            await stream.write(b"you")
            await stream.write_end()
            rest = b""
            while chunk := await stream.read():
                rest += chunk
            assert rest == b"YOUbye"
            await hub.wait_said("tunnel.readiness", state="running")


async def test_raw_is_not_for_openai_tunnels(hub: FakeHub, stub: StubServer) -> None:
    """A provider's tunnel is never a way to the whole port."""
    async with running_agent(hub, offer(str(stub.port))):
        stream = await hub.open("", "", kind=StreamKind.RAW)
        answer = await whole(stream)
        assert answer.status == 404
        assert answer.header("x-underpass-error") == "route_not_allowed"


async def test_raw_to_nothing_and_cancel(hub: FakeHub) -> None:
    """Refused with the same typed answer; a cancel closes the connection at once."""
    async with running_agent(hub, offer(str(free_port()), openai=False)):
        stream = await hub.open("", "", kind=StreamKind.RAW)
        assert (await whole(stream)).header("x-underpass-error") == "upstream_unreachable"


async def test_a_raw_cancel_closes_the_connection(hub: FakeHub) -> None:
    """Within 250 ms, as for requests."""
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            gone.set()
            writer.transport.abort()

    async with serving(wait) as port:
        async with running_agent(hub, offer(str(port), openai=False)):
            stream = await hub.open("", "", kind=StreamKind.RAW)
            await stream.response()
            began = time.monotonic()
            stream.cancel("enough")
            async with asyncio.timeout(5):
                await gone.wait()
            assert time.monotonic() - began < CANCEL_WITHIN_S


async def test_an_unknown_tunnel(hub: FakeHub, stub: StubServer) -> None:
    """A stream for a tunnel that the agent does not have is answered, not dropped."""
    async with running_agent(hub, offer(str(stub.port))):
        answer = await hub.request("GET", "/v1/models", tunnel="tun_other")
        assert answer.status == 503
        assert answer.header("x-underpass-error") == "tunnel_stopped"
