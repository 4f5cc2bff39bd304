"""A target is read in each form a person would type, and refused with what would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.errors import InvalidRequest
from underpass.core.targets import Target


@pytest.mark.parametrize(
    ("text", "canonical", "is_loopback"),
    [
        ("8000", "127.0.0.1:8000", True),
        (" 8000 ", "127.0.0.1:8000", True),
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("127.9.9.9:1", "127.9.9.9:1", True),
        ("localhost:65535", "localhost:65535", True),
        ("[::1]:80", "[::1]:80", True),
        ("[2001:DB8::1]:80", "[2001:db8::1]:80", False),
        ("GPU-17:8000", "gpu-17:8000", False),
        ("10.0.0.1:8000", "10.0.0.1:8000", False),
        ("unix:/tmp/a b.sock", "unix:/tmp/a b.sock", True),
    ],
)
def test_forms_of_a_target(text: str, canonical: str, is_loopback: bool) -> None:
    """Ports, addresses, hosts and sockets are read, and written back in one way."""
    target = Target.parse(text)
    assert str(target) == canonical
    assert target.is_loopback is is_loopback
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "65536", "-1", "80a", "+80", "٣", "host", "host:", ":80", "a:b:80", "::1:80",
        "[::1]",
        "[::g]:80", "http://127.0.0.1:8000", "a b:80", "a/b:80", "u@h:80", "unix:", "unix:rel.sock",
        "unix:/" + "a" * 107, "unix:/a\0b", "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    """The error is typed, says what would do, and is short whatever was typed."""
    with pytest.raises(InvalidRequest, match="is not a target") as refused:
        Target.parse(text)
    assert refused.value.code == "target_invalid"
    assert len(refused.value.message) < 400


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_typed_error(text: str) -> None:
    """Nothing else than InvalidRequest ever comes out."""
    try:
        target = Target.parse(text)
    except InvalidRequest:
        return
    assert Target.parse(str(target)) == target
