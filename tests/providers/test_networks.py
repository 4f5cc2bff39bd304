"""Which addresses are open."""

import pytest

from underpass.core.errors import ConfigError
from underpass.providers.networks import Networks

INNER = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::5", "ff02::1"),
    # An IPv4 address in an IPv6 one's clothes: mapped, compatible, NAT64, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1"),
    *("2001:0:7f00:1::", "2001:db8::1", "::ffff:0:127.0.0.1"),
]
OUTER = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", INNER)
def test_what_only_the_hub_can_reach_is_closed(address: str) -> None:
    """Private, loopback, link-local, reserved; in every notation that a resolver gives."""
    assert not Networks().allows(address)


@pytest.mark.parametrize("address", OUTER)
def test_what_everybody_can_reach_is_open(address: str) -> None:
    """Public addresses need no word of the admin."""
    assert Networks().allows(address)
    assert not Networks().names(address)


def test_an_admin_opens_networks() -> None:
    """Those and no others, also where an IPv6 notation stands for one of them."""
    networks = Networks.parse("10.20.0.0/16, 127.0.0.1 ,fd12::/48")
    for address in ("10.20.3.4", "127.0.0.1", "::ffff:10.20.3.4", "64:ff9b::a14:304", "fd12::9"):
        assert networks.allows(address), address
        assert networks.names(address)
    for address in ("10.21.0.1", "127.0.0.2", "::1", "fd13::1"):
        assert not networks.allows(address), address


@pytest.mark.parametrize("text", ["10.20.0.1/16", "somewhere", "10.0.0.0/99"])
def test_a_network_that_is_none(text: str) -> None:
    """The setting is named, at the start of the hub."""
    with pytest.raises(ConfigError, match="allowed_networks"):
        Networks.parse(text)


def test_what_is_no_address_is_closed() -> None:
    """Only what a socket would take is judged as an address."""
    assert not Networks.parse("0.0.0.0/0").allows("localhost")
