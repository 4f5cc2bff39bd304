"""A request on its way: uploads beside answers, the agent's errors, what is counted."""

import asyncio
import json

import pytest

from tests.fakes.gateway_hub import CHAT, Hub
from tests.fakes.linked import JSON, read_all
from underpass.core.errors import AppError
from underpass.gateway.call import read_up_to
from underpass.tunnel.link import Head
from underpass.tunnel.protocol.limits import LinkSettings

PLAIN = b'{"model": "gpu/qwen"}'
LARGE = b'{"model": "gpu/qwen", "x": "' + b"y" * 300_000 + b'"}'


async def test_a_large_body_flows_while_it_comes(hub: Hub) -> None:
    """The agent has the beginning before the client has sent the end; the length is corrected."""
    exchange = hub.post(CHAT, None, content_length=str(len(LARGE)))
    exchange.upload(LARGE[:60_000])
    stream = await hub.pair.opened()
    assert dict(stream.opening.headers)["content-length"] == str(len(LARGE) - 4)
    received = b""
    while len(received) < 59_000:
        received += await stream.read()
    exchange.upload(LARGE[60_000:], is_last=True)
    received += await read_all(stream)
    assert received == LARGE.replace(b"gpu/", b"")
    await stream.respond(Head(200, JSON))
    await stream.write_end()
    assert (await exchange.done()).status == 200


async def test_a_body_of_unknown_length_has_no_length_header(hub: Hub) -> None:
    """A chunked upload stays one; a small one is whole by then, so its length is known."""
    exchange = hub.post(CHAT, None)
    exchange.upload(LARGE[:70_000])
    stream = await hub.pair.opened()
    assert "content-length" not in dict(stream.opening.headers)
    exchange.disconnect()
    await exchange.done()
    exchange = hub.post(CHAT, None)
    exchange.upload(PLAIN, is_last=True)
    stream = await hub.pair.opened()
    assert dict(stream.opening.headers)["content-length"] == str(len(PLAIN) - 4)
    exchange.disconnect()
    await exchange.done()


async def test_a_slow_server_slows_the_upload(hub: Hub) -> None:
    """What the server does not read waits at the client: the hub takes a bounded piece of it."""
    exchange = hub.post(CHAT, None, content_length="399000")
    exchange.upload(b'{"model": "gpu/qwen", "x": "')
    for _ in range(380):
        exchange.upload(b"y" * 1000)
    stream = await hub.pair.opened()
    left = -1
    while left != exchange._inbox.qsize():
        left = exchange._inbox.qsize()
        await asyncio.sleep(0.05)
    assert left > 20, "the client still has most of it"
    exchange._inbox.put_nowait({"type": "http.request", "body": b'"}', "more_body": False})
    assert len(await read_all(stream)) == 380_000 + 24 + 2
    stream.cancel("x")
    await exchange.done()


async def test_a_server_may_answer_before_it_has_read_all(hub: Hub) -> None:
    """A 413 of the server's own passes while the client still sends."""
    exchange = hub.post(CHAT, None, content_length=str(len(LARGE)))
    exchange.upload(LARGE[:60_000])
    stream = await hub.pair.opened()
    await stream.respond(Head(413, JSON))
    await stream.write(b'{"mine": 1}')
    await stream.write_end()
    await exchange.done()
    assert (exchange.status, exchange.body) == (413, b'{"mine": 1}')
    assert hub.door.calls_under_way == 0


async def test_a_body_that_grows_too_large_is_413_and_cancelled(hub: Hub) -> None:
    """Found on the way: the server never gets the end, the client gets its status."""
    exchange = hub.post(CHAT, None)
    exchange.upload(LARGE[:-2])
    stream = await hub.pair.opened()
    reading = asyncio.create_task(read_all(stream))
    exchange.upload(b"y" * 200_000)
    assert await stream.wait_cancelled() == "request_failed"
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (413, "too_large")
    with pytest.raises(AppError):
        await reading


async def test_a_body_that_turns_out_bad_is_400_and_cancelled(hub: Hub) -> None:
    """A second model at the end of a large body."""
    exchange = hub.post(CHAT, None)
    exchange.upload(LARGE[:-1])
    stream = await hub.pair.opened()
    reading = asyncio.create_task(read_all(stream))
    exchange.upload(b', "model": "gpu/other"}', is_last=True)
    await stream.wait_cancelled()
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (400, "model_invalid")
    with pytest.raises(AppError):
        await reading


@pytest.mark.parametrize(
    ("status", "code", "wanted"),
    [
        (502, "upstream_unreachable", 502),
        (503, "model_loading", 503),
        (503, "tunnel_stopped", 503),
        (404, "route_not_allowed", 404),
        (404, "unsupported_by_server", 404),
        (400, "bad_request", 400),
        (500, "port_of_another_user", 502),
    ],
)
async def test_the_agents_own_errors_are_ours(
    hub: Hub, status: int, code: str, wanted: int
) -> None:
    """Answers with the agent's header become OpenAI errors with its code and its words."""
    exchange = hub.post()
    stream = await hub.pair.opened()
    await stream.respond(Head(status, (("x-underpass-error", code), *JSON)))
    await stream.write(json.dumps({"code": code, "message": "Connection refused."}).encode())
    await stream.write_end()
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (wanted, code)
    assert "Connection refused." in exchange.error["message"]
    if code == "upstream_unreachable":
        assert "127.0.0.1:8000" in exchange.error["message"]
    if code == "model_loading":
        assert exchange.header("retry-after") == "5"


async def test_an_agents_error_without_words_still_has_its_code(hub: Hub) -> None:
    """Nothing the agent can send makes the hub fail."""
    exchange = hub.post()
    stream = await hub.pair.opened()
    await stream.respond(Head(502, (("x-underpass-error", "odd"),)))
    await stream.write(b"[]")
    await stream.write_end()
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (502, "odd")


async def test_a_request_that_the_agent_breaks_off_is_502(hub: Hub) -> None:
    """Before the head, with target and cause."""
    exchange = hub.post()
    stream = await hub.pair.opened()
    stream.cancel("upstream_closed")
    await exchange.done()
    assert (exchange.status, exchange.error["code"]) == (502, "upstream_unreachable")
    assert "127.0.0.1:8000" in exchange.error["message"]
    assert "upstream closed" in exchange.error["message"]


async def test_an_agent_that_leaves_is_503(hub: Hub) -> None:
    """It drains, or its link is closed: no new requests, and what to do."""
    hub.pair.agent.drain("wall_time")
    while not hub.pair.hub.core.is_peer_draining:
        await asyncio.sleep(0)
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (503, "tunnel_stopped")
    await hub.pair.hub.close("over", code="stopped")
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (503, "tunnel_stopped")


async def test_headers_that_do_not_fit_the_tunnel_are_400(hub: Hub) -> None:
    """The caller can mend it, so the caller is told."""
    exchange = await hub.post(x_large="y" * 20_000).done()
    assert (exchange.status, exchange.error["code"]) == (400, "headers_too_large")
    assert hub.door.calls_under_way == 0


async def test_a_full_tunnel_is_429(hub: Hub) -> None:
    """The tunnel's own bound on streams, with Retry-After."""
    assert isinstance(hub.pair.hub.core.settings, LinkSettings)
    hub.pair.hub.core.settings = LinkSettings(max_streams=0)
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (429, "too_many_requests")
    assert exchange.header("retry-after") == "1"


async def test_use_is_counted_per_user_and_provider(hub: Hub) -> None:
    """Requests, errors, leavers, bytes both ways and the time to the first byte."""
    for status in (200, 500):
        exchange = hub.post()
        stream = await hub.pair.opened()
        await stream.respond(Head(status, JSON))
        await stream.write(b"12345")
        await stream.write_end()
        await exchange.done()
    exchange = hub.post()
    stream = await hub.pair.opened()
    [usage] = hub.door.usage.all()
    assert usage.active == 1
    exchange.disconnect()
    await exchange.done()
    exchange = hub.post()
    stream = await hub.pair.opened()
    stream.cancel("upstream_closed")
    await exchange.done()
    assert (usage.user_id, usage.provider_id) == ("usr_ann", hub.view.id)
    assert (usage.requests, usage.errors, usage.cancelled, usage.active) == (4, 2, 1, 0)
    assert (usage.bytes_in, usage.bytes_out) == (4 * len(b'{"model": "qwen"}'), 10)
    assert usage.first_bytes == 2
    assert 0 < usage.first_byte_s < 5


async def test_a_stream_can_be_asked_for_in_the_query(hub: Hub) -> None:
    """GET of a response that is still being made: it has no body to say so."""
    for query, wanted in (("stream=true", "identity"), ("stream=false", None), ("a=1", None)):
        exchange = hub.get(f"/v1/responses/resp_1?model=qwen&{query}")
        stream = await hub.pair.opened()
        assert dict(stream.opening.headers).get("accept-encoding") == wanted
        exchange.disconnect()
        await exchange.done()


async def test_reading_up_to_a_bound() -> None:
    """Takes what there is, and never much more than the bound."""
    pieces = [b"a" * 10] * 5

    async def read() -> bytes:
        return pieces.pop() if pieces else b""

    assert await read_up_to(read, 25) == b"a" * 25
    assert await read_up_to(read, 100) == b"a" * 20
