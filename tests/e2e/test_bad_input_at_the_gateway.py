"""What bad input gets at `/v1`: each fault has its status, its code and a sentence that helps."""

import http.client
import json
import re
import socket
from typing import Any

import pytest

from tests.e2e.conftest import MakeStack, World
from tests.fakes.stub_server import StubServer
from tests.rig.api import Answer, Api
from tests.rig.processes import free_port
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually

CHAT = "/v1/chat/completions"


def _ask(api: Api, model: str, **more: Any) -> Answer:
    return api.post(CHAT, {"model": model, "messages": [], **more})


def _check_shape(answer: Answer) -> None:
    """OpenAI's shape, and no secret in it."""
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.error) >= {"message", "type", "param", "code"}
    assert not re.search(rb"up[st]?_[A-Za-z0-9_-]{20}", answer.body)


def test_unknown_model_names_close_ones(world: World) -> None:
    """404 in OpenAI's shape, with what was probably meant."""
    answer = _ask(world.hub, "llama/tinny")
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert "llama/tiny" in answer.error["message"]
    _check_shape(answer)


def test_ambiguous_model_names_the_candidates(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """A bare name that two providers have is 400, with both full names."""
    stack = make_stack()
    alice = stack.add_person("alice")
    for name in ("one", "two"):
        stack.open_tunnel(alice, str(stub_process.port), name)
    answer = _ask(stack.api(alice), "stub")
    assert answer.status == 400
    assert answer.error["code"] == "model_ambiguous"
    assert "one/stub" in answer.error["message"]
    assert "two/stub" in answer.error["message"]
    _check_shape(answer)


def test_stopped_tunnel_says_what_to_do(make_stack: MakeStack, stub_process: StubProcess) -> None:
    """503 `tunnel_stopped`; the provider stays listed, with its models on `?all=true` only."""
    stack = make_stack()
    alice = stack.add_person("alice")
    agent = stack.open_tunnel(alice, str(stub_process.port), "box")
    agent.stop()
    stack.wait_provider(alice, "box", "stopped")
    answer = _ask(stack.api(alice), "box/stub")
    assert answer.status == 503
    assert answer.error["code"] == "tunnel_stopped"
    assert "restart" in answer.error["message"].lower()
    listed = stack.api(alice).get("/v1/models").json()["data"]
    assert [m["id"] for m in listed] == []
    listed = stack.api(alice).get("/v1/models?all=true").json()["data"]
    assert [(m["id"], m["status"]) for m in listed] == [("box/stub", "stopped")]


def test_loading_model_says_when_to_retry(make_stack: MakeStack, tmp_path: Any) -> None:
    """A server that answers 503 while it loads is `loading`: 503 `model_loading` and Retry-After."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stub = StubProcess(tmp_path / "stub.log")
    try:
        agent = stack.open_tunnel(alice, str(stub.port), "box")
        agent.stop()
        stack.wait_provider(alice, "box", "stopped")
        stub.set_mode("loading")
        stack.start_tunnel(alice, str(stub.port), "box")
        stack.wait_provider(alice, "box", "loading")
        answer = _ask(stack.api(alice), "box/stub")
        assert answer.status == 503
        assert answer.error["code"] == "model_loading"
        assert int(answer.headers["retry-after"]) >= 1
        stub.set_mode("ok")
        stack.wait_provider(alice, "box", "running")
        assert _ask(stack.api(alice), "box/stub").status == 200
    finally:
        stub.stop()


def test_refusing_server_names_target_and_cause(make_stack: MakeStack, tmp_path: Any) -> None:
    """A server that stopped listening is 502 `upstream_unreachable`, then the provider's status."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stub = StubProcess(tmp_path / "stub.log")
    stack.open_tunnel(alice, str(stub.port), "box")
    stub.stop()
    answer = _ask(stack.api(alice), "box/stub")
    assert answer.status == 502
    assert answer.error["code"] == "upstream_unreachable"
    assert str(stub.port) in answer.error["message"]
    stack.wait_provider(alice, "box", "unreachable")
    stub.start()
    stack.wait_provider(alice, "box", "running")
    stub.stop()


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/..%2fpause",
        "/v1/metrics",
        "/pause",
        "/slots",
        "/v1/../admin",
        "/v1/..%2fmetrics",
        "/v1/%2e%2e/metrics",
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/chat%2fcompletions",
        "/V1/chat/completions",
        "/v1/chat/completions;x",
        "/v1/unload",
    ],
)
def test_routes_outside_the_list_are_404(world: World, path: str) -> None:
    """Nothing else of a model server is reachable, in whatever spelling; the server never hears of it."""
    before = len(world.stub.all_seen())
    for method in ("GET", "POST"):
        answer = world.hub.call(method, path, {"model": "stub/stub"} if method == "POST" else None)
        assert answer.status in (404, 405), (method, path, answer)
        assert b"secret" not in answer.body
    seen = [r["path"] for r in world.stub.all_seen()[before:]]
    assert not set(seen) & {"/metrics", "/pause", "/slots", "/admin", path}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{not json", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"", "application/json"),
        (b"{}", "application/json"),
        (b'{"model": 7}', "application/json"),
        (b'{"model": ""}', "application/json"),
        (b'{"model": null}', "application/json"),
        (b'{"model": "stub/stub", "model": "other"', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"model": "stub/stub"}', "text/plain"),
        (b"model=stub", "application/x-www-form-urlencoded"),
    ],
)
def test_malformed_requests_are_400(world: World, body: bytes, content_type: str) -> None:
    """Malformed JSON, a missing model and a wrong content type are refused at the hub."""
    answer = world.hub.call("POST", CHAT, body, {"Content-Type": content_type})
    assert answer.status in (400, 415)
    _check_shape(answer)


def test_body_over_the_limit_is_413(world: World) -> None:
    """A body that says it is over 64 MiB is refused before it is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", world.stack.port, timeout=20)
    connection.putrequest("POST", CHAT)
    connection.putheader("Authorization", f"Bearer {world.alice.key}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(65 * 1024 * 1024))
    connection.endheaders(b'{"model": "stub/stub"')
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"]
    connection.close()


def test_chunked_body_over_the_limit_is_413(world: World) -> None:
    """A body without a length is counted as it comes; the hub's memory does not grow by it."""
    before = world.stack.hub.rss_bytes()
    with socket.create_connection(("127.0.0.1", world.stack.port), timeout=30) as sock:
        sock.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {world.alice.key}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        start = b'{"model": "stub/stub", "pad": "'
        sock.sendall(b"%x\r\n%b\r\n" % (len(start), start))
        piece = b"x" * 1_000_000
        try:
            for _ in range(70):
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered and closed before all was sent, as it may
        try:
            answer = sock.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert b" 413 " in answer
    assert world.stack.hub.rss_bytes() - before < 40_000_000


def test_wrong_revoked_and_missing_keys_are_401(world: World) -> None:
    """Each gets 401 in the shape of the door it knocked at, and learns nothing else."""
    made = world.hub.post("/api/keys", {"name": "short-lived"}).json()
    revoked = Api(world.stack.url, made["secret"])
    assert revoked.get("/v1/models").status == 200
    deleted = world.hub.call("DELETE", f"/api/keys/{made['key']['id']}")
    assert deleted.status in (200, 204)
    eventually(lambda: revoked.get("/v1/models").status == 401, 5, "the revoked key is refused")
    for key in (made["secret"], "up_wrong", "nonsense", None):
        api = Api(world.stack.url, key)
        answer = _ask(api, "llama/tiny")
        assert answer.status == 401
        _check_shape(answer)
        assert api.get("/api/providers").status == 401


def test_expired_key_is_401(world: World) -> None:
    """A key whose time is over opens nothing."""
    made = world.hub.post("/api/keys", {"name": "expired", "expires_at": "2020-01-01T00:00:00Z"})
    if made.status == 201:
        assert Api(world.stack.url, made.json()["secret"]).get("/v1/models").status == 401
    else:
        assert made.status in (400, 422)


async def test_a_stream_that_breaks_ends_with_an_error_event(
    world: World, stub: StubServer
) -> None:
    """After the first byte there is no status any more: the fault is one last event."""
    body = {"stream": True, "stub": {"chunks": 50, "rate": 200, "cut_after": 5}}
    answer = _ask(world.hub, "stub/stub", **body)
    assert answer.status == 200
    events = [part for part in answer.body.split(b"\n\n") if part.startswith(b"data: {")]
    assert b"000000004" in events[-2]
    assert "error" in json.loads(events[-1][6:])


def test_a_target_with_nothing_on_it_is_starting(make_stack: MakeStack) -> None:
    """Nobody listens yet: the provider says so, and the gateway answers 503 or 404, never hangs."""
    stack = make_stack()
    alice = stack.add_person("alice")
    stack.start_tunnel(alice, str(free_port()), "box")
    provider = stack.wait_provider(alice, "box", "starting")
    assert provider["status_reason"]
    assert _ask(stack.api(alice), "box/anything").status in (404, 503)
