"""Which addresses the hub may connect to on behalf of a user.

Whoever adds a provider makes the hub send requests. So that nobody reaches what only the hub can
reach (its own loopback, the machines beside it, a cloud's metadata), only public addresses are
open, and the networks that the admin named. What is judged is always the address that a socket is
about to connect to: a name can change what it stands for between two looks.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from underpass.core.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_BITS = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that an admin allowed beside the public addresses."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Networks:
        """From `10.20.0.0/16, fd12::/48, 10.1.2.3`. Raises ConfigError."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        try:
            return cls(tuple(ipaddress.ip_network(word) for word in words))
        except ValueError as error:
            raise ConfigError(
                f"The setting 'allowed_networks' is wrong: {error}.",
                hint="Write networks such as 10.20.0.0/16, separated by commas.",
            ) from None

    def names(self, address: str) -> bool:
        """Whether the admin named a network that this address is in."""
        parsed = _parsed(address)
        if parsed is None:
            return False
        ways = (parsed, *_inside(parsed))
        return any(way in network for way in ways for network in self.allowed)

    def allows(self, address: str) -> bool:
        """Whether a socket may connect to `address`, as the system's resolver gave it."""
        parsed = _parsed(address)
        return parsed is not None and (self.names(address) or _is_public(parsed))


def _parsed(address: str) -> Address | None:
    try:
        # A scope (`fe80::1%eth0`) says through which card, not whose the address is.
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _inside(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 one stands for: mapped, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & _V4_BITS))
    return tuple(one for one in found if one is not None)


def _is_public(address: Address) -> bool:
    inner = _inside(address)
    if inner and not all(map(_is_public, inner)):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # Outside of 2000::/3 there is nothing public but what stands for a public IPv4 address.
        is_stand_in = address.ipv4_mapped is not None or address in _NAT64
        return is_stand_in or (address in _GLOBAL_V6 and address.is_global)
    return address.is_global and not address.is_multicast and not address.is_reserved
