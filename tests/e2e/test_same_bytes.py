"""What a client gets through the hub is what the model server sends, byte for byte.

Where the server itself writes something new each time (ids, times, timings), those spots are masked on
both sides; nothing else is.
"""

import hashlib
import json
import re
from typing import Any

import pytest

from tests.e2e.conftest import World
from tests.fakes.stub_http import numbered_bytes
from tests.rig.api import Answer, Api

NEW_EACH_TIME = [
    (re.compile(rb"\b(chatcmpl|resp|msg|rs|fc|call)[-_][A-Za-z0-9]{20,}"), rb"\1-ID"),
    (re.compile(rb'"(created|created_at|completed_at)":\d+'), rb'"\1":0'),
    (re.compile(rb'"timings":\{[^}]*\}'), b'"timings":{}'),
    (re.compile(rb'"id":"[A-Za-z0-9]{32}"'), b'"id":"ID"'),
]
CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Count to ten."}],
    "max_tokens": 60,
    "temperature": 0,
    "seed": 1,
}
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
TEXT: dict[str, Any] = {"prompt": "Once", "max_tokens": 60, "temperature": 0, "logprobs": 2}
MESSAGES: dict[str, Any] = {**CHAT, "system": "Be brief."}
RESPONSES: dict[str, Any] = {"input": "Hi", "max_output_tokens": 40, "temperature": 0}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, **USAGE}),
    ("/v1/completions", TEXT),
    ("/v1/completions", {**TEXT, "stream": True}),
    ("/v1/messages", MESSAGES),
    ("/v1/messages", {**MESSAGES, "stream": True}),
    ("/v1/messages/count_tokens", CHAT),
    ("/v1/responses", RESPONSES),
    ("/v1/responses", {**RESPONSES, "stream": True}),
    ("/v1/embeddings", {"input": ["one", "two"]}),
    ("/tokenize", {"content": "Words become numbers."}),
    ("/detokenize", {"tokens": [74, 75, 278]}),
    ("/v1/chat/completions", {"messages": "not a list"}),
    ("/v1/completions", {}),
]


def _masked(body: bytes) -> bytes:
    for pattern, mask in NEW_EACH_TIME:
        body = pattern.sub(mask, body)
    return body


def _shape(answer: Answer) -> tuple[int, str, bytes]:
    return answer.status, answer.headers["content-type"], _masked(answer.body)


@pytest.mark.parametrize(("path", "body"), CASES, ids=lambda v: str(v)[:60])
def test_same_answer_as_the_model_server(world: World, path: str, body: dict[str, Any]) -> None:
    """Status, content type and body are equal on every route, for good and for bad requests."""
    direct = Api(world.llama.url)
    direct.post(path, {**body, "model": "tiny"})  # so that both find the prompt in the cache
    expected = direct.post(path, {**body, "model": "tiny"})
    through = world.hub.post(path, {**body, "model": "llama/tiny"})
    assert _shape(through) == _shape(expected)
    assert len(expected.body) > 10


def test_only_the_model_is_rewritten(world: World) -> None:
    """The server receives the client's own bytes but for the model's name, strange fields and all."""
    body = (
        b'{ "stub": {"tag": "rewritten"},\r\n\t"unknown": [1.0, 1e2, "\\u00e9\xc3\xa9"],'
        b'"model" :  "stub/stub" , "messages": [ ] , "big": 12345678901234567890 }'
    )
    through = world.hub.post("/v1/chat/completions", body)
    received = through.json()["received"]
    expected = body.replace(b'"stub/stub"', b'"stub"')
    assert received["bytes"] == len(expected)
    assert received["sha256"] == hashlib.sha256(expected).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 16384, 65_537, 20_000_000])
def test_bulk_answers_arrive_whole(world: World, size: int) -> None:
    """Bytes of any number come through in order, whatever their type."""
    body = {"model": "stub/stub", "stub": {"body_bytes": size}}
    answer = world.hub.post("/v1/audio/speech", body)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(size)
    assert answer.body == numbered_bytes(0, size) if size else answer.body == b""


def test_a_stream_is_equal_to_the_byte(world: World) -> None:
    """A thousand numbered events through the hub are the server's thousand events."""
    body = {"stream": True, "stub": {"chunks": 1000, "chunk_bytes": 333}}
    expected = Api(world.stub.url).post("/v1/chat/completions", {**body, "model": "stub"})
    through = world.hub.post("/v1/chat/completions", {**body, "model": "stub/stub"})
    assert through.body == expected.body
    assert through.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500, 503, 529])
def test_the_servers_own_errors_pass(world: World, status: int) -> None:
    """A server's 4xx or 5xx reaches the client with its status and body, streaming or not."""
    for stream in (False, True):
        body = {"stream": stream, "stub": {"status": status}}
        expected = Api(world.stub.url).post("/v1/chat/completions", {**body, "model": "stub"})
        through = world.hub.post("/v1/chat/completions", {**body, "model": "stub/stub"})
        assert _shape(through) == _shape(expected)
        assert json.loads(through.body)["error"]["message"] == "as the test asked"
