"""One listening socket of this machine, as the kernel tells of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening TCP socket of this machine (of this network namespace)."""

    address: Address
    port: int
    uid: int
    inode: int

    def answers_for(self, address: Address, port: int) -> bool:
        """Whether a connection to this address and port may end up here."""
        if self.port != port:
            return False
        if self.address == address:
            return True
        # An IPv6 wildcard takes IPv4 as well, unless it was told not to: which is not shown.
        return self.address.is_unspecified and (
            self.address.version == 6 or self.address.version == address.version
        )
