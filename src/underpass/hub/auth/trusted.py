"""Sign-in by a site's own proxy: a header names who is there, and only named addresses are believed.

The address is that of the connection itself, never one that a header claims.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from underpass.core.errors import ConfigError, NotAuthenticated
from underpass.hub.auth.requests import Scope

PEER = "underpass.peer"
"""Where `hub.server` keeps the address that the connection comes from, before any proxy's word."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """The header, and from where it counts."""

    name: bytes
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, header: str | None, addresses: str) -> TrustedHeader | None:
        """From the settings; None when no header is set. Raises ConfigError."""
        if not header:
            return None
        words = [word.strip() for word in addresses.split(",") if word.strip()]
        try:
            networks = tuple(ipaddress.ip_network(word) for word in words)
        except ValueError as error:
            raise ConfigError(f"The setting 'sign_in_header_from' is wrong: {error}.") from None
        if not networks:
            raise ConfigError(
                "The setting 'sign_in_header' needs 'sign_in_header_from'.",
                hint="Name the proxy's address: from anywhere else the header is not believed.",
            )
        return cls(header.strip().lower().encode(), networks)

    def user_name(self, scope: Scope) -> str:
        """Who the proxy says is there. Raises NotAuthenticated (`header_not_trusted`)."""
        values = [bytes(value) for name, value in scope["headers"] if name == self.name]
        if not self._is_from_proxy(scope) or len(values) != 1 or not values[0].strip():
            raise NotAuthenticated(
                "Nobody was signed in by the site's proxy.",
                code="header_not_trusted",
                hint="Open the hub by the site's own address, or sign in with a password.",
            )
        return values[0].decode("latin-1").strip().lower()

    def _is_from_proxy(self, scope: Scope) -> bool:
        peer = scope.get(PEER)
        try:
            address = ipaddress.ip_address(str(peer[0]) if peer else "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)
