"""The way back: chunk by chunk, alive while silent, cancelled at once, never cut off silently."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.fakes.asgi import Exchange
from tests.fakes.gateway_hub import CHAT, Hub, make_hub
from tests.fakes.linked import JSON, SSE, linked, read_all
from underpass.gateway.limits import GatewayLimits
from underpass.gateway.sse import KEEPALIVE
from underpass.tunnel.link import Head
from underpass.tunnel.protocol.limits import LinkSettings

STREAMING = b'{"model": "gpu/qwen", "stream": true}'
PLAIN = b'{"model": "gpu/qwen"}'
SOON_S = 0.25
"""SPEC: a client that goes away closes the upstream connection within this."""


@pytest.fixture
async def short_hub(limits: GatewayLimits) -> AsyncIterator[Hub]:
    """A hub whose links have almost no grace."""
    async with linked(LinkSettings(grace_s=0.05)) as pair:
        yield await make_hub(pair, limits)


# --- passing on --------------------------------------------------------------------------------


def _ends_with(last: bytes, exchange: Exchange) -> bool:
    return exchange.body.endswith(last)


async def test_each_chunk_passes_when_it_comes(hub: Hub) -> None:
    """The head at once, then every chunk before the next one is made."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await exchange.until(lambda it: it.status == 200)
    for number in range(5):
        await stream.write(b"data: %d\n\n" % number)
        await exchange.until(partial(_ends_with, b"data: %d\n\n" % number))
    assert not exchange.is_complete
    await stream.write_end()
    await exchange.done()
    assert exchange.is_complete
    assert exchange.header("content-type") == "text/event-stream"
    assert exchange.header("x-accel-buffering") == "no"
    assert exchange.header("cache-control") == "no-cache"


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("body", [PLAIN, STREAMING])
async def test_a_servers_own_error_passes_with_status_and_body(
    hub: Hub, status: int, body: bytes
) -> None:
    """Whatever its shape; also in the place of a stream, because nothing was sent before it."""
    exchange = hub.post(CHAT, body)
    stream = await hub.pair.opened()
    await stream.respond(Head(status, (*JSON, ("retry-after", "7"))))
    await stream.write(b'{"object": "error", "message": "mine"}')
    await stream.write_end()
    await exchange.done()
    assert exchange.status == status
    assert exchange.body == b'{"object": "error", "message": "mine"}'
    assert exchange.header("retry-after") == "7"


async def test_a_slow_client_stops_the_agent_and_nobody_else(hub: Hub) -> None:
    """The relay stops taking, no credit goes out; another stream on the link is as quick as ever."""
    slow = hub.post(CHAT, STREAMING)
    slow.pause()
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))

    async def flood() -> None:
        while True:
            await stream.write(b"x" * 65536)

    flooding = asyncio.create_task(flood())
    written, before = 0, -1
    while written != before or not written:
        before = written
        await asyncio.sleep(0.05)
        written = stream.bytes_out
    assert written < 8 * 1024 * 1024, "the window bounds what is on its way"
    quick = hub.post(CHAT, PLAIN)
    other = await hub.pair.opened()
    await other.respond(Head(200, JSON))
    await other.write(b"{}")
    await other.write_end()
    assert (await asyncio.wait_for(quick.done(), SOON_S)).body == b"{}"
    slow.resume()
    await slow.until(lambda it: len(it.body) > written)
    slow.disconnect()
    await asyncio.wait_for(stream.wait_cancelled(), SOON_S)
    flooding.cancel()
    await slow.done()


# --- a client that goes away -------------------------------------------------------------------


@pytest.mark.parametrize("route", [CHAT, "/v1/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("body", [PLAIN, STREAMING], ids=["plain", "streaming"])
@pytest.mark.parametrize("phase", ["before the head", "after the head", "in the middle"])
async def test_a_client_that_goes_away_cancels_at_once(
    hub: Hub, route: str, body: bytes, phase: str
) -> None:
    """Streaming or not, before and after the first byte: the agent hears of it at once."""
    exchange = hub.post(route, body)
    stream = await hub.pair.opened()
    await read_all(stream)
    if phase != "before the head":
        await stream.respond(Head(200, SSE if body is STREAMING else JSON))
        await exchange.until(lambda it: it.status)
    if phase == "in the middle":
        await stream.write(b"data: 1\n\n")
        await exchange.until(lambda it: it.body)
    exchange.disconnect()
    reason = await asyncio.wait_for(stream.wait_cancelled(), SOON_S)
    assert reason == "client_gone"
    await exchange.done()
    assert not exchange.is_complete
    assert hub.door.calls_under_way == 0


async def test_a_client_that_goes_away_while_it_uploads(hub: Hub) -> None:
    """While its small body is held, no stream was opened; of a large one the stream is cancelled."""
    exchange = hub.post(CHAT, None)
    exchange.upload(PLAIN[:5])
    exchange.disconnect()
    await exchange.done()
    assert hub.door.calls_under_way == 0
    exchange = hub.post(CHAT, None, content_length="300000")
    exchange.upload(b'{"model": "gpu/qwen", "x": "' + b"y" * 30_000)
    stream = await hub.pair.opened()
    assert stream.opening.method == "POST"
    exchange.disconnect()
    assert await asyncio.wait_for(stream.wait_cancelled(), SOON_S) == "client_gone"
    await exchange.done()


async def test_a_client_that_goes_away_behind_a_server_that_does_not_read(hub: Hub) -> None:
    """The upload waits for credit, and the client's leaving is still seen."""
    exchange = hub.post(CHAT, None, content_length="390000")
    exchange.upload(b'{"model": "gpu/qwen", "x": "' + b"y" * 100_000)
    stream = await hub.pair.opened()
    exchange.upload(b"y" * 100_000)
    exchange.disconnect()
    assert await asyncio.wait_for(stream.wait_cancelled(), SOON_S) == "client_gone"
    await exchange.done()


async def test_a_slow_client_that_goes_away(hub: Hub) -> None:
    """The relay hangs in a send; the cancel does not wait for it."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await exchange.until(lambda it: it.status)
    exchange.pause()
    await stream.write(b"data: 1\n\n" * 100)
    exchange._inbox.put_nowait({"type": "http.disconnect"})
    assert await asyncio.wait_for(stream.wait_cancelled(), SOON_S) == "client_gone"
    await exchange.done()


async def test_the_hubs_own_shutdown_cancels_too(hub: Hub) -> None:
    """A cancelled request task is no client that left: the cancel goes on to who asked for it."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.done()
    await asyncio.wait_for(stream.wait_cancelled(), SOON_S)


# --- silence -----------------------------------------------------------------------------------


async def test_a_silent_stream_gets_comments_between_events(hub: Hub) -> None:
    """Again and again while silent; the events themselves stay whole and in order."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await stream.write(b"data: 1\n\n")
    await exchange.until(lambda it: it.body.count(KEEPALIVE) >= 2)
    await stream.write(b"data: 2\n\n")
    await stream.write_end()
    await exchange.done()
    assert exchange.body.replace(KEEPALIVE, b"") == b"data: 1\n\ndata: 2\n\n"
    assert exchange.body.startswith(b"data: 1\n\n" + KEEPALIVE)


@pytest.mark.parametrize("pieces", [[b"data: 1"], [b"data: 1\n"], [b"da", b"ta: 1\r\n"]])
async def test_no_comment_stands_inside_an_event(
    hub: Hub, pieces: list[bytes], limits: GatewayLimits
) -> None:
    """A server that pauses in the middle of an event is left alone until the event has ended."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    for piece in pieces:
        await stream.write(piece)
    await asyncio.sleep(limits.keepalive_s * 4)
    assert exchange.body == b"".join(pieces)
    for end in (b"\n", b"\n"):
        await stream.write(end)
    await exchange.until(lambda it: KEEPALIVE in it.body)
    assert exchange.body.startswith(b"".join(pieces) + b"\n\n" + KEEPALIVE)
    await stream.write_end()
    await exchange.done()


async def test_a_stream_that_flows_gets_no_comment() -> None:
    """Only silence is filled: a stream of many times `keepalive_s` that never pauses has none."""
    async with linked() as pair:
        hub = await make_hub(pair, GatewayLimits(keepalive_s=0.6))
        exchange = hub.post(CHAT, STREAMING)
        stream = await pair.opened()
        await stream.respond(Head(200, SSE))
        for _ in range(50):
            await stream.write(b"data: 1\n\n")
            await asyncio.sleep(0.02)
        await stream.write_end()
        assert (await exchange.done()).body == b"data: 1\n\n" * 50


async def test_a_plain_answer_is_never_touched(hub: Hub, limits: GatewayLimits) -> None:
    """No comment before or inside of what is not an event stream, and no 200 ahead of time."""
    exchange = hub.post(CHAT, PLAIN)
    stream = await hub.pair.opened()
    await asyncio.sleep(limits.keepalive_s * 4)
    assert exchange.status == 0
    await stream.respond(Head(200, JSON))
    await asyncio.sleep(limits.keepalive_s * 4)
    await stream.write(b"{}")
    await stream.write_end()
    assert (await exchange.done()).body == b"{}"


async def test_a_compressed_stream_is_never_touched(hub: Hub, limits: GatewayLimits) -> None:
    """A comment in the middle of gzip would break it; and for streams none is asked for."""
    exchange = hub.post(CHAT, STREAMING, accept_encoding="gzip")
    stream = await hub.pair.opened()
    assert dict(stream.opening.headers)["accept-encoding"] == "identity"
    await stream.respond(Head(200, (*SSE, ("content-encoding", "gzip"))))
    await asyncio.sleep(limits.keepalive_s * 4)
    await stream.write(b"\x1f\x8b")
    await stream.write_end()
    assert (await exchange.done()).body == b"\x1f\x8b"


async def test_a_model_that_thinks_long_keeps_its_client(hub: Hub) -> None:
    """Who asked for a stream gets 200 and comments while no head comes, then the stream."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await exchange.until(lambda it: it.body.count(KEEPALIVE) >= 2)
    assert (exchange.status, exchange.header("content-type")) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    await stream.respond(Head(200, SSE))
    await stream.write(b"data: 1\n\n")
    await stream.write_end()
    await exchange.done()
    assert exchange.body.replace(KEEPALIVE, b"") == b"data: 1\n\n"
    assert exchange.is_complete


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (500, b'{"error": {"message": "mine", "code": 500}}', "mine"),
        (400, b'{"object": "error", "message": "flat"}', "flat"),
        (503, b"", "The model server answered 503"),
        (200, b'{"choices": []}', "The model server answered 200"),
    ],
)
async def test_an_error_after_a_comment_is_one_last_event(
    hub: Hub, status: int, answer: bytes, message: str
) -> None:
    """The status is gone by then, so the server's error comes as `data: {"error": …}`."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await exchange.until(lambda it: KEEPALIVE in it.body)
    await stream.respond(Head(status, JSON))
    await stream.write(answer)
    await stream.write_end()
    await exchange.done()
    events = exchange.body.replace(KEEPALIVE, b"")
    assert events.startswith(b"data: ")
    assert events.endswith(b"\n\n")
    assert message in json.loads(events[6:])["error"]["message"]
    assert exchange.is_complete


async def test_an_agents_error_after_a_comment_is_one_last_event(hub: Hub) -> None:
    """Ours too, in the same shape."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await exchange.until(lambda it: KEEPALIVE in it.body)
    await stream.respond(Head(502, (("x-underpass-error", "upstream_unreachable"),)))
    await stream.write(b'{"code": "upstream_unreachable", "message": "refused"}')
    await stream.write_end()
    await exchange.done()
    error = json.loads(exchange.body.replace(KEEPALIVE, b"")[6:])["error"]
    assert error["code"] == "upstream_unreachable"


# --- a tunnel that is lost ---------------------------------------------------------------------


async def test_a_lost_carrier_loses_nothing(hub: Hub) -> None:
    """Within the grace the stream goes on where it stopped; the client notices nothing."""
    exchange = hub.post(CHAT, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await stream.write(b"data: 1\n\n")
    await exchange.until(lambda it: it.body)
    await hub.pair.cut()
    await stream.write(b"data: 2\n\n")
    await hub.pair.join()
    await stream.write(b"data: 3\n\n")
    await stream.write_end()
    await exchange.done()
    assert exchange.body.replace(KEEPALIVE, b"") == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert exchange.is_complete


async def test_a_lost_tunnel_ends_a_stream_with_an_error_event(short_hub: Hub) -> None:
    """After the grace: one last event, with a code, and the answer is ended properly."""
    exchange = short_hub.post(CHAT, STREAMING)
    stream = await short_hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await stream.write(b"data: 1\n\n")
    await exchange.until(lambda it: it.body)
    await short_hub.pair.cut()
    await exchange.done()
    events = exchange.body.replace(KEEPALIVE, b"")
    assert events.startswith(b"data: 1\n\ndata: {")
    error = json.loads(events[len(b"data: 1\n\ndata: ") :])["error"]
    assert (error["code"], error["type"]) == ("tunnel_lost", "api_error")
    assert "incomplete" in error["message"]
    assert exchange.is_complete


async def test_a_lost_tunnel_breaks_a_plain_answer_off(short_hub: Hub) -> None:
    """Never a silent truncation: the answer is left incomplete, so the connection is closed."""
    exchange = short_hub.post(CHAT, PLAIN)
    stream = await short_hub.pair.opened()
    await stream.respond(Head(200, JSON))
    await stream.write(b'{"a": ')
    await exchange.until(lambda it: it.body)
    await short_hub.pair.cut()
    await exchange.done()
    assert exchange.body == b'{"a": '
    assert not exchange.is_complete


async def test_a_tunnel_lost_before_the_head_is_a_status(short_hub: Hub) -> None:
    """504 tunnel_lost for a plain call: nothing was sent before it."""
    exchange = short_hub.post(CHAT, PLAIN)
    await short_hub.pair.opened()
    await short_hub.pair.cut()
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (504, "tunnel_lost")


@pytest.mark.parametrize("route", [CHAT, "/v1/messages", "/v1/responses"])
async def test_a_server_that_breaks_off_in_an_event(hub: Hub, route: str) -> None:
    """The open event is closed first, so that ours can be read; Messages get a named event."""
    exchange = hub.post(route, STREAMING)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await stream.write(b'data: {"half')
    await exchange.until(lambda it: it.body)
    stream.cancel("upstream_closed")
    await exchange.done()
    name = b"" if route == CHAT else b"event: error\n"
    assert exchange.body.startswith(b'data: {"half\n\n' + name + b"data: {")
    document = json.loads(exchange.body.rpartition(b"data: ")[2])
    assert document["error"]["code"] == "upstream_unreachable"
    assert document.get("type") == (None if route == CHAT else "error")
    assert exchange.is_complete
