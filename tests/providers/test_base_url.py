"""The address of an endpoint."""

import pytest

from underpass.core.errors import InvalidRequest
from underpass.providers.base_url import BaseUrl


@pytest.mark.parametrize(
    "text",
    [
        *(
            "file:///etc/passwd",
            "ftp://a.b/v1",
            "gopher://a.b",
            "unix:/x.sock",
            "a.b/v1",
            "//a.b/v1",
        ),
        *("", "http://", "https:///v1", "http://a b/v1", "http://a.b/v1?x=1", "http://a.b/v1#x"),
        *("http://user:pw@a.b/v1", "http://@a.b/", "http://a.b:99999/v1", "http://a.b:0/v1"),
        *(
            "http://a\\b/v1",
            "http://a.b/\r\nX: 1",
            "http://%31.2/v1",
            "http://a.b/?",
            "http://[::1/v1",
        ),
        "https://" + "a" * 500,
    ],
)
def test_anything_but_a_plain_address_is_refused(text: str) -> None:
    """One code, one sentence, no network."""
    with pytest.raises(InvalidRequest) as caught:
        BaseUrl.parse(text)
    assert caught.value.code == "base_url_invalid"


def test_a_password_in_the_address_is_not_repeated() -> None:
    """It may be a secret in the wrong place."""
    with pytest.raises(InvalidRequest) as caught:
        BaseUrl.parse("https://alice:hunter2@a.b/v1")
    assert "hunter2" not in caught.value.sentence()


@pytest.mark.parametrize(
    ("base", "route", "target"),
    [
        ("https://a.b/v1", "/v1/chat/completions", "https://a.b/v1/chat/completions"),
        ("https://A.b/v1/", "/v1/models?x=1", "https://a.b/v1/models?x=1"),
        ("https://a.b/openai", "/v1/embeddings", "https://a.b/openai/embeddings"),
        ("http://a.b:8000", "/v1/models", "http://a.b:8000/models"),
        ("http://a.b:8000/v1", "/tokenize", "http://a.b:8000/tokenize"),
        ("http://a.b/deep/v1", "/rerank", "http://a.b/deep/rerank"),
    ],
)
def test_where_a_route_is(base: str, route: str, target: str) -> None:
    """As OpenAI's clients add it; what is outside `/v1` stays outside."""
    assert BaseUrl.parse(base).target(route) == target


def test_what_a_key_is_given_to() -> None:
    """Scheme, host and port, and no path."""
    assert BaseUrl.parse("HTTPS://LLM.example:8443/x/v1").origin == "https://llm.example:8443"
    assert str(BaseUrl.parse("https://a.b").with_version()) == "https://a.b/v1"
