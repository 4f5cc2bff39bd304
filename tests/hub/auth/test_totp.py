"""One-time passwords as RFC 6238 has them."""

from base64 import b32decode, b32encode
from urllib.parse import parse_qs, urlsplit

import pytest

from underpass.hub.auth import totp

RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_the_rfc(at: int, code: str) -> None:
    """Appendix B, the last six digits."""
    assert totp.code_at(RFC_SECRET, at // 30) == code
    assert totp.step_of(RFC_SECRET, code, at) == at // 30


def test_a_phones_clock_may_be_off_by_a_step() -> None:
    """Either way, and no further."""
    codes = {drift: totp.code_at(RFC_SECRET, 100 + drift) for drift in (-2, -1, 0, 1, 2)}
    found = {drift: totp.step_of(RFC_SECRET, code, 100 * 30) for drift, code in codes.items()}
    assert found == {-2: None, -1: 99, 0: 100, 1: 101, 2: None}
    assert totp.step_of(RFC_SECRET, "２８７０８２", 59) is None
    assert totp.step_of(RFC_SECRET, "", 59) is None


def test_what_an_app_scans() -> None:
    """Secret, hub and user, whatever they are called."""
    secret = totp.new_secret()
    assert len(b32decode(secret)) == 20
    uri = urlsplit(totp.uri(secret, user_name="alice", hub_name="Physics & Co"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Physics%20%26%20Co:alice")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["Physics & Co"]}
