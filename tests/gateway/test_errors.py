"""OpenAI's shape of errors, and what the tunnel's errors mean to a caller."""

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.gateway_hub import Hub
from tests.fakes.linked import SSE
from tests.fakes.registry import tunnel
from tests.fakes.served import served
from underpass.core.errors import (
    AppError,
    InvalidRequest,
    ModelLoading,
    NotAuthenticated,
    ResumeExpired,
    StreamReset,
    TunnelError,
    UpstreamUnreachable,
)
from underpass.gateway import errors
from underpass.tunnel.link import Head
from underpass.tunnel.protocol import goodbye

VIEW = tunnel("gpu", "qwen")


def test_the_shape_is_openais() -> None:
    """message with the hint, type, param, code; further fields beside them."""
    error = InvalidRequest("Wrong.", hint="Do this.", param="model", candidates=["a/b"])
    assert json.loads(errors.body(error, "/v1/chat/completions")) == {
        "error": {
            "message": "Wrong. Do this.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "invalid_request",
            "candidates": ["a/b"],
        }
    }
    assert errors.document(error, has_type=True)["type"] == "error"


def test_headers_say_when_to_come_back_and_how_to_sign_in() -> None:
    """Retry-After in whole seconds, rounded up; WWW-Authenticate on 401."""
    loading = dict(errors.headers(ModelLoading("x", retry_after_s=1.2), "req_1"))
    assert loading[b"retry-after"] == b"2"
    assert loading[b"x-request-id"] == b"req_1"
    assert dict(errors.headers(NotAuthenticated("x"), "r"))[b"www-authenticate"] == b"Bearer"
    assert b"retry-after" not in dict(errors.headers(AppError("x"), "r"))


@pytest.mark.parametrize(
    ("error", "has_begun", "code", "status"),
    [
        (ResumeExpired("x"), False, "tunnel_lost", 504),
        (ResumeExpired("x"), True, "tunnel_lost", 504),
        (StreamReset("stopped"), False, "tunnel_stopped", 503),
        (StreamReset("stopped"), True, "tunnel_lost", 504),
        (StreamReset("gone"), True, "tunnel_lost", 504),
        (StreamReset("refused"), False, "tunnel_stopped", 503),
        (StreamReset("upstream_closed"), True, "upstream_unreachable", 502),
        (TunnelError("x", code="link_closed"), False, "tunnel_stopped", 503),
        (TunnelError("x", code="draining"), False, "tunnel_stopped", 503),
        (TunnelError("x", code="head_invalid"), False, "invalid_request", 400),
        (TunnelError("x", code="odd"), True, "odd", 502),
    ],
)
def test_tunnel_errors_become_the_providers(
    error: TunnelError, has_begun: bool, code: str, status: int
) -> None:
    """No error of the tunnel crosses the gateway; each says what to do or what is missing."""
    mapped = errors.from_tunnel(error, VIEW, has_begun=has_begun)
    assert not isinstance(mapped, TunnelError)
    assert (mapped.code, mapped.http_status) == (code, status)
    assert ("incomplete" in mapped.message) is has_begun
    if status != 400:
        assert "'gpu' on node7" in mapped.message


def test_all_of_the_protocols_last_words_are_known() -> None:
    """A code with which a link ends says that the way is gone, not that the server broke off."""
    for reason in goodbye.PERMANENT | goodbye.RESTART:
        mapped = errors.from_tunnel(StreamReset(reason), VIEW, has_begun=True)
        assert mapped.code == "tunnel_lost"
    refused = errors.from_tunnel(StreamReset(goodbye.REFUSED), VIEW, has_begun=False)
    assert refused.code == "tunnel_stopped"


def test_the_target_is_named_once() -> None:
    """If the agent's words name it already, they stand alone."""
    words = "127.0.0.1:8000 refused the connection."
    error = errors.from_agent("upstream_unreachable", words, 502, VIEW)
    assert isinstance(error, UpstreamUnreachable)
    assert error.message == words


# --- what the SDKs make of it ------------------------------------------------------------------


def openai_client(port: int, key: str = "ann") -> openai.AsyncOpenAI:
    """As a user sets it up, without retries."""
    return openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1",
        api_key=key,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )


def anthropic_client(port: int, key: str = "ann") -> anthropic.AsyncAnthropic:
    """The same for Messages, with x-api-key."""
    return anthropic.AsyncAnthropic(
        base_url=f"http://127.0.0.1:{port}",
        api_key=key,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
    )


MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("key", "model", "status", "kind", "code"),
    [
        ("nobody", "qwen", "running", "AuthenticationError", "key_invalid"),
        ("ann", "nope", "running", "NotFoundError", "model_not_found"),
        ("bob", "gpu/qwen", "running", "NotFoundError", "model_not_found"),
        ("ann", "", "running", "BadRequestError", "model_invalid"),
        ("ann", "qwen", "stopped", "InternalServerError", "tunnel_stopped"),
        ("ann", "qwen", "loading", "InternalServerError", "model_loading"),
    ],
)
async def test_both_sdks_raise_the_error_of_the_status(
    hub: Hub, key: str, model: str, status: str, kind: str, code: str
) -> None:
    """The class that their users catch, with our code and words in it."""
    hub.set_status(status)
    async with served(hub.app) as port, openai_client(port, key) as client:
        with pytest.raises(getattr(openai, kind)) as caught:
            await client.chat.completions.create(model=model, messages=MESSAGES)
        assert caught.value.code == code
        assert caught.value.request_id
        async with anthropic_client(port, key) as other:
            with pytest.raises(anthropic.APIStatusError) as caught_too:
                await other.messages.create(model=model, messages=MESSAGES, max_tokens=5)
        assert caught_too.value.status_code == caught.value.status_code
        assert isinstance(caught_too.value.body, dict)
        assert caught_too.value.body["error"]["code"] == code


async def test_both_sdks_raise_a_stream_that_breaks_off(hub: Hub) -> None:
    """The last event is an error to them: nobody takes half an answer for a whole one."""
    async with served(hub.app) as port, openai_client(port) as client:
        creating = asyncio.create_task(
            client.chat.completions.create(model="qwen", messages=MESSAGES, stream=True)
        )
        stream = await hub.pair.opened()
        await stream.respond(Head(200, SSE))
        await stream.write(b'data: {"choices": []}\n\n')
        chunks = await creating
        await anext(aiter(chunks))
        stream.cancel("upstream_closed")
        with pytest.raises(openai.APIError, match="incomplete"):
            await anext(aiter(chunks))
        async with anthropic_client(port) as other:
            creating_too = asyncio.create_task(
                other.messages.create(model="qwen", messages=MESSAGES, max_tokens=5, stream=True)
            )
            stream = await hub.pair.opened()
            await stream.respond(Head(200, SSE))
            events = await creating_too
            stream.cancel("upstream_closed")
            with pytest.raises(anthropic.APIStatusError, match="incomplete"):
                await anext(aiter(events))


async def test_the_model_routes_of_both_sdks(hub: Hub) -> None:
    """List and retrieve, with a slash in the id as each SDK writes it."""
    async with served(hub.app) as port, openai_client(port) as client:
        assert "gpu/qwen" in [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("gpu/org/llama:8b")).id == "gpu/org/llama:8b"
        async with anthropic_client(port) as other:
            assert "gpu/qwen" in [model.id async for model in other.models.list()]
            assert (await other.models.retrieve("gpu/qwen")).display_name == "gpu/qwen"
