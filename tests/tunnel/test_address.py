"""The hub's address as a person types it."""

import pytest

from underpass.core.errors import ConfigError
from underpass.tunnel.address import HubAddress, is_loopback


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hub.example.org", "https://hub.example.org"),
        ("https://Hub.Example.org/", "https://hub.example.org"),
        ("https://hub.example.org:8443/base/", "https://hub.example.org:8443/base"),
        ("https://hub.example.org:443", "https://hub.example.org"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        (" https://hub ", "https://hub"),
    ],
)
def test_what_people_type(typed: str, meant: str) -> None:
    """A bare host means https, this machine means http, a path in front is kept."""
    assert str(HubAddress.parse(typed)) == meant


@pytest.mark.parametrize("typed", ["http://hub.example.org", "http://10.0.0.7:8080"])
def test_plain_http_to_another_machine_is_refused(typed: str) -> None:
    """Plain http is for loopback only, and the refusal names both ways out."""
    with pytest.raises(ConfigError) as caught:
        HubAddress.parse(typed)
    assert caught.value.code == "insecure_http"
    assert "https://" in caught.value.sentence()
    assert "--insecure-http" in caught.value.sentence()
    assert HubAddress.parse(typed, insecure_http=True).scheme == "http"


@pytest.mark.parametrize(
    "typed",
    ["", "ftp://hub", "https://", "https://hub:99999", "a b", "hub?x=1", "http://[::1", "[x]"],
)
def test_what_is_no_address(typed: str) -> None:
    """Anything else is one sentence with an example."""
    with pytest.raises(ConfigError) as caught:
        HubAddress.parse(typed)
    assert caught.value.code == "hub_invalid"
    assert "https://hub.example.org" in caught.value.sentence()


def test_a_password_in_the_address_is_not_echoed() -> None:
    """Credentials in the address are refused without being shown."""
    with pytest.raises(ConfigError) as caught:
        HubAddress.parse("https://alice:geheim@hub.example.org")
    assert "geheim" not in caught.value.sentence()


def test_url_and_netloc() -> None:
    """Paths are joined behind the prefix; the usual port is not said."""
    address = HubAddress.parse("https://hub.example.org/base")
    assert address.url("/link") == "https://hub.example.org/base/link"
    assert address.netloc == "hub.example.org"
    assert address.is_tls
    assert not address.is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("localhost.evil.org", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only addresses that cannot leave the machine count."""
    assert is_loopback(host) is expected
