"""What may be asked for."""

from typing import Any

import pytest

from underpass.core.errors import InvalidRequest
from underpass.providers.sealing import EndpointSecrets
from underpass.providers.wanted import Wanted

GOOD = {"name": "lab", "base_url": "https://a.b/v1"}


def test_what_is_not_given_stays() -> None:
    """Key and headers; null takes the key away, an empty table the headers."""
    old = EndpointSecrets("sk-old", (("x-a", "1"),))
    assert Wanted.of(GOOD, old).secrets == old
    assert Wanted.of({**GOOD, "key": None, "headers": {}}, old).secrets.is_empty
    assert Wanted.of({**GOOD, "key": " sk-new\n"}, old).secrets.key == "sk-new"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "a/b", "name_invalid"),
        ("base_url", "file:///etc/passwd", "base_url_invalid"),
        ("key", "sk-one\r\nX-Evil: 1", "key_malformed"),
        ("key", "sk-secret" * 1000, "key_malformed"),
        ("headers", {"Host": "inner"}, "header_invalid"),
        ("headers", {"Content-Length": "3"}, "header_invalid"),
        ("headers", {"X-Underpass-Error": "x"}, "header_invalid"),
        ("headers", {"x y": "1"}, "header_invalid"),
        ("headers", {"x-a": "sk-secret\r\nHost: inner"}, "header_invalid"),
        ("headers", {"x-a": "snow ☃"}, "header_invalid"),
        ("headers", {f"x-{n}": "1" for n in range(21)}, "header_invalid"),
        ("model_allow", [], "model_allow_invalid"),
        ("model_allow", ["  "], "model_allow_invalid"),
        ("ca_pem", "x" * 300_000, "ca_invalid"),
    ],
)
def test_what_is_refused(field: str, value: Any, code: str) -> None:
    """Each with its code; no message repeats a secret."""
    with pytest.raises(InvalidRequest) as caught:
        Wanted.of({**GOOD, field: value})
    assert caught.value.code == code
    assert "sk-" not in caught.value.sentence()
