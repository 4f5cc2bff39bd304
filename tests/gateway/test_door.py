"""The door: limits, keys, which provider holds a response; the same for programs and for our chat."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes.gateway_hub import CHAT, Hub
from tests.fakes.linked import JSON, SSE, read_all
from tests.fakes.registry import ANN, BOB, tunnel
from underpass.core.errors import (
    HubStopping,
    ModelLoading,
    NotAllowed,
    NotFound,
    ProviderError,
    TooMany,
    TunnelStopped,
)
from underpass.gateway.door import DoorRequest
from underpass.tunnel.link import Head

BODY = b'{"model": "gpu/qwen", "stream": true}'


def request(
    path: str = CHAT, body: bytes | AsyncIterator[bytes] = BODY, **more: bool
) -> DoorRequest:
    """A POST as our own chat makes it."""
    return DoorRequest("POST", path, (("content-type", "application/json"),), body, "req_1", **more)


async def test_a_chat_run_uses_the_same_door(hub: Hub) -> None:
    """Bytes in, head and chunks out; the stream is durable if asked for, and can be released."""
    calling = asyncio.create_task(hub.door.call(ANN, request(durable=True)))
    stream = await hub.pair.opened()
    assert stream.opening.durable
    assert stream.request_id == "req_1"
    assert await read_all(stream) == BODY.replace(b"gpu/", b"")
    await stream.respond(Head(200, SSE))
    answer = await calling
    assert (answer.status, answer.headers) == (200, SSE)
    assert (answer.provider.name, answer.upstream_model) == ("gpu", "qwen")
    await stream.write(b"data: 1\n\n")
    await stream.write_end()
    assert [chunk async for chunk in answer.chunks] == [b"data: 1\n\n"]
    answer.release()
    assert hub.door.calls_under_way == 0
    assert repr(hub.door) == "Door(calls=0)"


async def test_stop_closes_the_upstream_connection(hub: Hub) -> None:
    """`cancel` reaches the agent with its reason, and a reader is told that it was stopped."""
    calling = asyncio.create_task(hub.door.call(ANN, request()))
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    answer = await calling
    reading = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    answer.cancel("stopped")
    answer.cancel("again")
    assert await asyncio.wait_for(stream.wait_cancelled(), 0.25) == "stopped"
    with pytest.raises(ProviderError) as caught:
        await reading
    assert caught.value.code == "cancelled"


async def test_cancelling_the_wait_cancels_the_stream(hub: Hub) -> None:
    """A run that is stopped before the head came needs nothing but its task's cancel."""
    calling = asyncio.create_task(hub.door.call(ANN, request()))
    stream = await hub.pair.opened()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.wait_for(stream.wait_cancelled(), 0.25)
    assert hub.door.calls_under_way == 0


async def test_a_stopping_hub_tells_everyone_and_frees_the_servers(hub: Hub) -> None:
    """A stream ends with a last event, a call with a 503; new ones are sent away; a run of a chat
    goes on at the next hub."""
    streaming = hub.post(CHAT, BODY)
    stream = await hub.pair.opened()
    await stream.respond(Head(200, SSE))
    await stream.write(b"data: 1\n\n")
    waiting = hub.post()
    silent = await hub.pair.opened()
    run = asyncio.create_task(hub.door.call(ANN, request(durable=True)))
    durable = await hub.pair.opened()
    hub.door.begin_stop()
    refused = await hub.post().done()
    assert (refused.status, refused.error["code"]) == (503, "hub_stopping")
    assert refused.header("retry-after") == "2"
    assert hub.door.visits.ordinary == 2
    hub.door.end_calls()
    assert await asyncio.wait_for(stream.wait_cancelled(), 0.25) == "hub_stopping"
    assert await asyncio.wait_for(silent.wait_cancelled(), 0.25) == "hub_stopping"
    ended = await streaming.done()
    assert ended.status == 200
    assert b"data: 1\n\n" in ended.body
    assert b"hub_stopping" in ended.body
    told = await waiting.done()
    assert (told.status, told.error["code"]) == (503, "hub_stopping")
    assert not durable.is_cancelled
    assert hub.door.visits.ordinary == 0
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_call_that_was_not_sent_yet_is_not_sent_by_a_stopping_hub(hub: Hub) -> None:
    """Its body was still coming, or it was prepared: the model server never hears of it."""
    prepared = await hub.door.prepare(ANN, request())
    uploading = hub.post(CHAT, None)
    while hub.door.calls_under_way < 2:
        await asyncio.sleep(0)
    hub.door.end_calls()
    with pytest.raises(HubStopping):
        await prepared.send()
    uploading.upload(BODY, is_last=True)
    assert (await uploading.done()).error["code"] == "hub_stopping"
    assert hub.door.calls_under_way == 0


async def test_only_so_many_requests_of_one_user_at_a_time(hub: Hub) -> None:
    """One more is 429 with Retry-After; another user is not touched; an end makes room."""
    hub.registry.put_provider(tunnel("gpu", "qwen", owner=BOB))
    open_ones = [hub.post() for _ in range(3)]
    streams = [await hub.pair.opened() for _ in open_ones]
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (429, "too_many_requests")
    assert exchange.header("retry-after") == "1"
    with pytest.raises(TooMany):
        await hub.door.call(ANN, request())
    other = await hub.post(authorization="Bearer bob").done()
    assert other.error["code"] == "tunnel_stopped"
    streams[0].cancel("x")
    await open_ones[0].done()
    freed = hub.post()
    await hub.pair.opened()
    for one in (*open_ones[1:], freed):
        one.disconnect()
        await one.done()


async def test_bodies_that_are_still_coming_count_too(hub: Hub) -> None:
    """Uploads hold memory, so they take places as well."""
    waiting = [hub.post(CHAT, None) for _ in range(3)]
    while hub.door.calls_under_way < 3:
        await asyncio.sleep(0)
    assert (await hub.post().done()).status == 429
    for one in waiting:
        one.disconnect()
        await one.done()
    assert hub.door.calls_under_way == 0


@pytest.mark.parametrize(
    ("allow", "is_allowed"),
    [
        (("gpu/qwen",), True),
        (("ann:gpu/qwen",), True),
        (("gpu/*",), True),
        (("*",), True),
        (("cpu/*", "gpu/q*"), True),
        (("gpu/org/llama:8b",), False),
        (("qwen",), False),
        ((), False),
    ],
)
async def test_a_key_reaches_only_its_models(
    hub: Hub, allow: tuple[str, ...], is_allowed: bool
) -> None:
    """By id or pattern; the rest is 403 and not in the list, by whatever name it is asked for."""
    limited = replace(ANN, model_allow=allow)
    hub.people["ann"] = limited
    listed = [item["id"] for item in (await hub.get("/v1/models").done()).json["data"]]
    assert ("gpu/qwen" in listed) is is_allowed
    for spelling in ("gpu/qwen", "qwen", "ann:gpu/qwen"):
        body = json.dumps({"model": spelling}).encode()
        if is_allowed:
            call = await hub.door.prepare(limited, request(body=body))
            call.close()
        else:
            with pytest.raises(NotAllowed) as caught:
                await hub.door.prepare(limited, request(body=body))
            assert caught.value.code == "model_not_allowed"
            assert (await hub.get(f"/v1/models/{spelling}").done()).status == 403


async def test_the_door_refuses_what_is_not_in_the_list(hub: Hub) -> None:
    """Also when our own chat asks, and the model list is no request to a server."""
    for path in ("/v1/pause", "/metrics", "/v1/../admin"):
        with pytest.raises(NotFound):
            await hub.door.call(ANN, request(path))
    with pytest.raises(NotFound):
        await hub.door.call(ANN, replace(request(), method="GET", path="/v1/models"))


async def test_a_provider_without_a_link_is_stopped(hub: Hub) -> None:
    """Its picture may be a moment older than the link's end."""
    hub.registry.unbind_tunnel(hub.view.tunnel_id or "", hub.pair.hub)
    with pytest.raises(TunnelStopped):
        await hub.door.call(ANN, request())
    assert hub.door.calls_under_way == 0


# --- responses ---------------------------------------------------------------------------------


async def respond(hub: Hub, answer: bytes, headers: tuple[tuple[str, str], ...] = JSON) -> None:
    """ann makes a response that is answered with `answer`, in small pieces."""
    exchange = hub.post("/v1/responses", b'{"model": "gpu/qwen"}')
    stream = await hub.pair.opened()
    await stream.respond(Head(200, headers))
    for at in range(0, len(answer), 7):
        await stream.write(answer[at : at + 7])
    await stream.write_end()
    assert (await exchange.done()).body == answer


@pytest.mark.parametrize(
    ("answer", "headers", "response_id"),
    [
        (b'{"id": "resp_abc", "output": [{"id": "msg_1"}]}', JSON, "resp_abc"),
        (b'{"created_at": 1, "x": {"id": "c_1"}, "id":"resp_abc"}', JSON, "resp_abc"),
        (b'{"id" : "0198-own", "output": []}', JSON, "0198-own"),
        (
            b'event: response.created\ndata: {"response":{"id":"resp_s"}}\n\ndata: x\n\n',
            SSE,
            "resp_s",
        ),
    ],
)
@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/cancel")])
async def test_a_response_is_found_again_where_it_was_made(
    hub: Hub,
    answer: bytes,
    headers: tuple[tuple[str, str], ...],
    response_id: str,
    method: str,
    end: str,
) -> None:
    """GET and cancel go to the provider that gave the id out, streamed or not."""
    await respond(hub, answer, headers)
    exchange = hub.get(f"/v1/responses/{response_id}{end}?stream=true", method=method)
    stream = await hub.pair.opened()
    assert (stream.opening.method, stream.opening.path) == (
        method,
        f"/v1/responses/{response_id}{end}?stream=true",
    )
    assert await read_all(stream) == b""
    await stream.respond(Head(200, JSON))
    await stream.write(b"{}")
    await stream.write_end()
    assert (await exchange.done()).body == b"{}"


async def test_a_strangers_response_is_not_found(hub: Hub) -> None:
    """bob, who guesses the id, gets the 404 of one that was never made."""
    await respond(hub, b'{"id": "resp_abc"}')
    exchange = await hub.get("/v1/responses/resp_abc", who="bob").done()
    nothing = await hub.get("/v1/responses/resp_abd", who="bob").done()
    assert (exchange.status, exchange.error["code"]) == (404, "response_not_found")
    assert exchange.body.replace(b"abc", b"") == nothing.body.replace(b"abd", b"")
    mine = await hub.get("/v1/responses/resp_abd").done()
    assert "?model=" in mine.error["message"]


async def test_a_model_in_the_query_says_where(hub: Hub) -> None:
    """After a restart of the hub; the rest of the query passes, and only one's own models count."""
    exchange = hub.get("/v1/responses/resp_x?a=1&model=gpu%2Fqwen&b=%2F")
    stream = await hub.pair.opened()
    assert stream.opening.path == "/v1/responses/resp_x?a=1&b=%2F"
    stream.cancel("x")
    await exchange.done()
    exchange = await hub.get("/v1/responses/resp_x?model=gpu/qwen", who="bob").done()
    assert exchange.error["code"] == "model_not_found"


async def test_a_response_of_a_provider_that_is_not_ready(hub: Hub) -> None:
    """The same errors as for a new request; a provider that is gone is 404."""
    await respond(hub, b'{"id": "resp_abc"}')
    ask = replace(request(body=b""), method="GET", path="/v1/responses/resp_abc")
    hub.set_status("loading")
    with pytest.raises(ModelLoading):
        await hub.door.call(ANN, ask)
    hub.registry.drop_provider(hub.view.id)
    with pytest.raises(NotFound):
        await hub.door.call(ANN, ask)
