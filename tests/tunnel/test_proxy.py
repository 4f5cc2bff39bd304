"""Proxy variables, read as the tools that people know read them."""

import pytest

from underpass.core.errors import ConfigError
from underpass.tunnel.proxy import is_exempt, parse_proxy, proxy_for


def test_the_scheme_chooses_the_variable() -> None:
    """https goes by HTTPS_PROXY, http by HTTP_PROXY, either by ALL_PROXY if its own is not set."""
    environ = {"HTTPS_PROXY": "http://s:1", "HTTP_PROXY": "http://p:2", "ALL_PROXY": "http://a:3"}
    assert str(proxy_for("https", "hub", 443, environ)) == "http://s:1 (from HTTPS_PROXY)"
    assert str(proxy_for("http", "hub", 80, environ)) == "http://p:2 (from HTTP_PROXY)"
    del environ["HTTPS_PROXY"]
    assert str(proxy_for("https", "hub", 443, environ)) == "http://a:3 (from ALL_PROXY)"
    assert proxy_for("https", "hub", 443, {}) is None


def test_lower_case_wins_and_empty_means_none() -> None:
    """`https_proxy=` switches a proxy off even where HTTPS_PROXY names one."""
    environ = {"HTTPS_PROXY": "http://s:1", "https_proxy": ""}
    assert proxy_for("https", "hub", 443, environ) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    """A proxy's loopback is not ours."""
    assert proxy_for("https", host, 443, {"HTTPS_PROXY": "http://p:1"}) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "exempt"),
    [
        ("*", "anything.org", 443, True),
        ("example.org", "example.org", 443, True),
        ("example.org", "hub.example.org", 443, True),
        (".example.org", "hub.example.org", 443, True),
        ("*.example.org", "hub.example.org", 443, True),
        ("example.org", "badexample.org", 443, False),
        ("EXAMPLE.org", "Hub.Example.ORG", 443, True),
        ("example.org", "example.org.", 443, True),
        ("other.org, example.org", "example.org", 443, True),
        ("other.org example.org", "example.org", 443, True),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("10.0.0.0/8", "10.20.30.40", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:8080", "10.1.2.3", 443, False),
        ("fd00::/8", "fd12::1", 443, True),
        ("[fd12::1]:443", "fd12::1", 443, True),
        ("[fd12::1]:444", "fd12::1", 443, False),
        ("fd12::1", "fd12::1", 443, True),
        ("10.0.0.0/8", "ten.example.org", 443, False),
        ("", "hub", 443, False),
        (",, ,", "hub", 443, False),
        (".", "hub", 443, False),
        ("10.0.0.0/99", "10.0.0.1", 443, False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, exempt: bool) -> None:
    """Hosts, suffixes, networks, ports and `*`."""
    assert is_exempt(host, port, no_proxy) is exempt


def test_credentials_are_decoded_and_never_shown() -> None:
    """User and password may hold escapes; no text of the proxy holds the password."""
    proxy = parse_proxy("http://al%40ice:p%3Ass%2F@proxy.example.org:3128", source="HTTPS_PROXY")
    assert (proxy.user, proxy.password) == ("al@ice", "p:ss/")
    assert "p:ss" not in f"{proxy} {proxy!r} {proxy.url}"
    assert proxy.url == "http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("http://proxy", "http://proxy:80"),
        ("https://proxy", "https://proxy:443"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_forms_of_a_proxy(value: str, url: str) -> None:
    """The scheme may be left out, and so may the port."""
    assert parse_proxy(value).url == url


@pytest.mark.parametrize("value", ["socks5://u:geheim@p:1080", "http://", "http://p:x"])
def test_a_proxy_that_makes_no_sense(value: str) -> None:
    """One sentence names the variable and what to set, without the password."""
    with pytest.raises(ConfigError) as caught:
        parse_proxy(value, source="ALL_PROXY")
    assert caught.value.code == "proxy_invalid"
    assert "ALL_PROXY" in caught.value.message
    assert "geheim" not in caught.value.sentence()
