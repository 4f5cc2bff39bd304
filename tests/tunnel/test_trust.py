"""Whom TLS trusts."""

import ssl
from pathlib import Path

import pytest
import trustme

from underpass.core.errors import ConfigError
from underpass.tunnel.trust import ssl_context


def test_it_always_verifies(tmp_path: Path) -> None:
    """Name and chain are checked, with and without a CA file."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for context in (ssl_context(), ssl_context(tmp_path / "ca.pem")):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read"),
        (b"", "holds no certificate"),
        (b"\xff\x00", "holds no certificate"),
    ],
)
def test_a_bad_ca_file(tmp_path: Path, content: bytes | None, fault: str) -> None:
    """One sentence names the file and what is wrong with it."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=fault) as caught:
        ssl_context(file)
    assert caught.value.code == "ca_file"
    assert str(file) in caught.value.message
