"""Which requests get through, who may ask, and the shape of every answer that is the hub's own."""

import json

import pytest

from tests.fakes.gateway_hub import CHAT, Hub
from tests.fakes.linked import JSON, read_all
from tests.fakes.registry import ANN, BOB, custom, tunnel
from underpass.core.principal import Principal
from underpass.gateway.door import Door
from underpass.gateway.limits import GatewayLimits
from underpass.gateway.routes import GatewayApp
from underpass.registry.live import Registry
from underpass.tunnel.link import Head

JSON_ROUTES = [
    CHAT,
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v1/score",
    "/v1/audio/speech",
    "/v1/tokenize",
    "/v1/detokenize",
    "/rerank",
    "/score",
    "/tokenize",
    "/detokenize",
]


@pytest.mark.parametrize("route", JSON_ROUTES)
async def test_every_route_of_the_list_passes_byte_for_byte(hub: Hub, route: str) -> None:
    """Request and answer pass as they are; only the model's name is another."""
    odd = b'{ "x":"\\u00e9\xc3\xa9" ,"model" : "gpu/qwen","n": 1.0e0 , "model_":"gpu/qwen"}\n'
    exchange = hub.post(route, odd, anthropic_version="2023-06-01", anthropic_beta="a,b")
    stream = await hub.pair.opened()
    assert await read_all(stream) == odd.replace(b': "gpu/qwen",', b': "qwen",')
    assert (stream.opening.method, stream.opening.path) == ("POST", route)
    sent = dict(stream.opening.headers)
    assert (sent["anthropic-version"], sent["anthropic-beta"]) == ("2023-06-01", "a,b")
    assert sent["content-length"] == str(len(odd) - 4)
    await stream.respond(Head(200, (*JSON, ("x-server", "1"), ("content-length", "9"))))
    await stream.write(b'{"a" : 1}')
    await stream.write_end()
    await exchange.done()
    assert (exchange.status, exchange.body, exchange.is_complete) == (200, b'{"a" : 1}', True)
    assert exchange.header("x-server") == "1"
    assert exchange.header("content-length") == "9"
    assert exchange.header("x-request-id") == sent["x-request-id"] == stream.request_id


@pytest.mark.parametrize("route", ["/v1/audio/transcriptions", "/v1/audio/translations"])
async def test_audio_passes_with_only_the_model_part_changed(hub: Hub, route: str) -> None:
    """Multipart, with the file before the model and larger than what is held in memory."""
    part = b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    text = part % (b"file", bytes(range(256)) * 800) + part % (b"model", b"gpu/qwen") + b"--B--\r\n"
    exchange = hub.post(route, text, content_type="multipart/form-data; boundary=B")
    stream = await hub.pair.opened()
    assert await read_all(stream) == text.replace(b"gpu/qwen", b"qwen")
    await stream.respond(Head(200, JSON))
    await stream.write_end()
    assert (await exchange.done()).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/metrics"),
        ("POST", "/v1/pause"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/v1/../admin"),
        ("POST", "/v1/./chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/Chat/Completions"),
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1/%2e%2e/admin"),
        ("POST", "/v1/chat/completions%00"),
        ("POST", "/v1/chat/completions;x"),
        ("POST", "/v1/responses/resp_1"),
        ("POST", "/v1/models"),
        ("POST", "/v1/models/gpu/qwen"),
        ("DELETE", "/v1/models/gpu/qwen"),
        ("GET", CHAT),
        ("PUT", CHAT),
        ("HEAD", CHAT),
        ("TRACE", CHAT),
        ("OPTIONS", "/v1/metrics"),
        ("GET", "/v1/audio/voices"),
    ],
)
async def test_everything_else_is_404_at_the_hub(hub: Hub, method: str, path: str) -> None:
    """Other routes, other methods, dotted and encoded forms: never a stream, never a 405."""
    exchange = await hub.get(path, method=method).done()
    assert exchange.status == 404
    if method != "HEAD":
        assert exchange.error["code"] == "route_not_found"
    assert not hub.pair.hub.streams


async def test_options_names_the_methods_and_opens_nothing(hub: Hub) -> None:
    """204 with Allow and without any CORS header: other origins are not invited."""
    exchange = await hub.get(CHAT, method="OPTIONS").done()
    assert (exchange.status, exchange.header("allow")) == (204, "POST, OPTIONS")
    assert not [name for name, _ in exchange.headers if name.startswith("access-control")]
    exchange = await hub.get("/v1/models", method="OPTIONS").done()
    assert exchange.header("allow") == "HEAD, GET, OPTIONS"


@pytest.mark.parametrize("target", ["/v1/models", "/v1/models/gpu/qwen"])
async def test_who_calls_must_be_known(hub: Hub, target: str) -> None:
    """A wrong key is 401 in OpenAI's shape, on every route; a good x-api-key is taken as well."""
    exchange = await hub.get(target, who="nobody").done()
    assert (exchange.status, exchange.error["code"]) == (401, "key_invalid")
    assert exchange.error["type"] == "authentication_error"
    assert exchange.header("www-authenticate") == "Bearer"
    exchange = await hub.post(CHAT, authorization="Bearer nobody").done()
    assert exchange.status == 401
    exchange = await hub.post(CHAT, b"{}", authorization="", x_api_key="ann").done()
    assert exchange.error["code"] == "model_missing"


async def test_a_key_needs_the_scope_of_the_gateway(hub: Hub) -> None:
    """A key for something else is 403."""
    hub.people["ann"] = Principal("usr_ann", "ann", scopes=frozenset({"read"}))
    exchange = await hub.get("/v1/models").done()
    assert (exchange.status, exchange.error["code"]) == (403, "scope_missing")
    assert exchange.error["type"] == "permission_error"


async def test_the_list_of_models(hub: Hub) -> None:
    """OpenAI's fields with status and window; stopped providers only with all=true."""
    hub.registry.put_provider(tunnel("old", "phi", status="stopped"))
    hub.registry.put_provider(tunnel("new", "big", status="loading"))
    exchange = await hub.get("/v1/models").done()
    listed = {item["id"]: item for item in exchange.json["data"]}
    assert list(listed) == ["gpu/qwen", "gpu/org/llama:8b", "new/big"]
    qwen = listed["gpu/qwen"]
    assert (qwen["object"], qwen["owned_by"], qwen["created"]) == ("model", "ann", 1_700_000_000)
    assert (qwen["status"], qwen["max_model_len"]) == ("running", 4096)
    assert listed["new/big"]["status"] == "loading"
    assert exchange.json["object"] == "list"
    exchange = await hub.get("/v1/models?all=true").done()
    assert {item["id"]: item["status"] for item in exchange.json["data"]}["old/phi"] == "stopped"
    exchange = await hub.get("/v1/models", method="HEAD").done()
    assert (exchange.status, exchange.body) == (200, b"")
    assert int(exchange.header("content-length") or 0) > 0


@pytest.mark.parametrize(
    "name", ["gpu/org/llama:8b", "gpu%2Forg%2Fllama%3A8b", "ann:gpu/org/llama:8b", "org/llama:8b"]
)
async def test_one_model_by_any_of_its_names(hub: Hub, name: str) -> None:
    """Slashes as they are or encoded, as the SDKs send them; the answer has the full id."""
    exchange = await hub.get(f"/v1/models/{name}").done()
    assert (exchange.status, exchange.json["id"]) == (200, "gpu/org/llama:8b")
    exchange = await hub.get("/v1/models/gpu/qwem").done()
    assert (exchange.status, exchange.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("who", ["bob", "root"])
async def test_a_strangers_model_does_not_exist(hub: Hub, who: str) -> None:
    """Neither in the list, nor by id, nor as a target, nor as a close name: not for an admin."""
    assert (await hub.get("/v1/models?all=true", who=who).done()).json["data"] == []
    assert (await hub.get("/v1/models/gpu/qwen", who=who).done()).status == 404
    for model in ("gpu/qwen", "ann:gpu/qwen", "qwen", "gpu/qwem"):
        body = json.dumps({"model": model}).encode()
        exchange = await hub.post(CHAT, body, authorization=f"Bearer {who}").done()
        nothing = json.dumps({"model": "x" * len(model)}).encode()
        unknown = await hub.post(CHAT, nothing, authorization=f"Bearer {who}").done()
        assert exchange.status == unknown.status == 404
        assert exchange.body.replace(model.encode(), b"") == unknown.body.replace(
            b"x" * len(model), b""
        )
    assert not hub.pair.hub.streams


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b"not json", 400, "invalid_json", None),
        (b'{"model": "gpu/qwen", ]', 400, "invalid_json", None),
        (b'{"messages": []}', 400, "model_missing", "model"),
        (b'{"model": 1}', 400, "model_invalid", "model"),
        (b'{"model": "gpu/qwem"}', 404, "model_not_found", "model"),
        (b'{"model": "\\ud800"}', 404, "model_not_found", "model"),
        (b'{"x": "' + b"y" * 400_000 + b'"}', 413, "too_large", None),
    ],
)
async def test_bad_bodies_have_openais_shape(
    hub: Hub, body: bytes, status: int, code: str, param: str | None
) -> None:
    """Malformed, no model, no string, unknown, too large: each with its status and code."""
    exchange = await hub.post(CHAT, body).done()
    assert (exchange.status, exchange.error["code"], exchange.error["param"]) == (
        status,
        code,
        param,
    )
    assert exchange.header("x-request-id")
    assert hub.door.calls_under_way == 0


async def test_a_wrong_content_type_is_400(hub: Hub) -> None:
    """curl's default, for instance, and the hint says what to send."""
    exchange = await hub.post(CHAT, content_type="application/x-www-form-urlencoded").done()
    assert (exchange.status, exchange.error["code"]) == (400, "content_type")
    assert "Content-Type: application/json" in exchange.error["message"]


async def test_an_ambiguous_model_names_the_candidates(hub: Hub) -> None:
    """400 model_ambiguous."""
    hub.registry.put_provider(tunnel("cpu", "qwen"))
    exchange = await hub.post(CHAT, b'{"model": "qwen"}').done()
    assert (exchange.status, exchange.error["code"]) == (400, "model_ambiguous")
    assert exchange.error["candidates"] == ["cpu/qwen", "gpu/qwen"]


async def test_stopped_and_loading_say_what_to_do(hub: Hub) -> None:
    """503 tunnel_stopped; 503 model_loading with Retry-After."""
    hub.set_status("stopped")
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (503, "tunnel_stopped")
    assert "restart the session and its tunnel" in exchange.error["message"]
    hub.set_status("loading")
    exchange = await hub.post().done()
    assert (exchange.status, exchange.error["code"]) == (503, "model_loading")
    assert int(exchange.header("retry-after") or 0) > 0


async def test_errors_on_messages_are_anthropics_too(hub: Hub) -> None:
    """The same OpenAI shape with Anthropic's `type` beside it."""
    exchange = await hub.post("/v1/messages", b'{"model": "nope"}').done()
    assert exchange.json["type"] == "error"
    assert exchange.error["type"] == "not_found_error"


async def test_one_request_id_at_every_hop(hub: Hub) -> None:
    """The hub's goes to the agent, the server and back; a header of the caller's does not."""
    exchange = hub.post(x_request_id="chosen")
    exchange.scope["underpass.request_id"] = "req_from_the_hub"
    stream = await hub.pair.opened()
    assert stream.request_id == "req_from_the_hub"
    assert dict(stream.opening.headers)["x-request-id"] == "req_from_the_hub"
    stream.cancel("x")
    assert (await exchange.done()).header("x-request-id") == "req_from_the_hub"


async def test_a_fault_of_ours_is_500_without_a_word_about_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the trace, the caller an id to name."""

    async def broken(scope: object) -> Principal:
        raise RuntimeError("inner words")

    app = GatewayApp(Door(Registry(), GatewayLimits()), broken)
    from tests.fakes.asgi import Exchange

    exchange = await Exchange(app, "GET", "/v1/models").done()
    assert (exchange.status, exchange.error["code"]) == (500, "internal")
    assert "inner words" not in exchange.body.decode()
    assert "inner words" in caplog.text


async def test_nothing_that_passes_is_logged(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what a user typed nor what a model answered, at any level, in success or failure."""
    caplog.set_level("DEBUG")
    for body in (b'{"model": "gpu/qwen", "p": "secret-in"}', b'{"model": "secret-in", "p": ]'):
        exchange = hub.post(CHAT, body)
        if b"qwen" in body:
            stream = await hub.pair.opened()
            await stream.respond(Head(500, JSON))
            await stream.write(b"secret-out")
            await stream.write_end()
        await exchange.done()
    assert "secret" not in caplog.text


async def test_shared_custom_providers_are_listed(hub: Hub) -> None:
    """What bob shares with everyone stands in ann's list, under his name if ann has its twin."""
    hub.registry.put_provider(custom("gpu", "big", owner=BOB, everyone=True))
    hub.registry.put_provider(custom("api", "m", owner=BOB, everyone=True))
    listed = [item["id"] for item in (await hub.get("/v1/models").done()).json["data"]]
    assert listed == ["gpu/qwen", "gpu/org/llama:8b", "api/m", "bob:gpu/big"]
    assert ANN.user_name == "ann"


async def test_other_kinds_of_connections_are_refused(hub: Hub) -> None:
    """A WebSocket to the gateway is closed before it opens."""
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await hub.app({"type": "websocket", "path": "/v1/realtime"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
    await hub.app({"type": "lifespan"}, None, send)  # type: ignore[arg-type]


def test_the_gateways_paths() -> None:
    """What the hub's app hands over: /v1 and the four routes outside it."""
    for path in ("/v1", "/v1/", "/v1/x", "/tokenize", "/score"):
        assert GatewayApp.serves(path)
    for path in ("/", "/v1x", "/api/me", "/tokenize/x"):
        assert not GatewayApp.serves(path)
