"""OpenAI's shape of errors, and what the tunnel's errors mean to a caller."""

import json

import pytest

from tests.fakes.registry import tunnel
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


def test_the_target_is_named_once() -> None:
    """If the agent's words name it already, they stand alone."""
    words = "127.0.0.1:8000 refused the connection."
    error = errors.from_agent("upstream_unreachable", words, 502, VIEW)
    assert isinstance(error, UpstreamUnreachable)
    assert error.message == words
