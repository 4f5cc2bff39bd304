"""What a tunnel leads to: a TCP port or a Unix socket on the session's side."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from underpass.core.errors import InvalidRequest

# The kernel's sun_path has 108 bytes with the closing zero byte.
MAX_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Target:
    """Either `host` and `port`, or `socket_path` (absolute)."""

    host: str = ""
    port: int = 0
    socket_path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Reads `8000`, `127.0.0.1:8000`, `[::1]:8000`, `gpu-17:8000` or `unix:/path.sock`.

        Raises InvalidRequest (`target_invalid`) with what is wrong and what would do.
        """
        text = text.strip()
        if text.startswith("unix:"):
            return cls(socket_path=_socket_path(text.removeprefix("unix:")))
        if "://" in text:
            raise _invalid(text, "a target is a port or a socket, not a URL")
        host, separator, port_text = text.rpartition(":")
        if not separator:
            return cls(host="127.0.0.1", port=_port(text, text))
        if host.startswith("[") and host.endswith("]"):
            host = _ipv6(text, host[1:-1])
        elif ":" in host:
            raise _invalid(text, "an IPv6 address stands in brackets, as in [::1]:8000")
        if not host or any(c.isspace() or c in "/@" for c in host):
            raise _invalid(text, f"'{host}' is not a host")
        return cls(host=host.lower(), port=_port(text, port_text))

    @property
    def is_loopback(self) -> bool:
        """Whether it can only be reached on its own machine."""
        if self.socket_path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.socket_path is not None:
            return f"unix:{self.socket_path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _invalid(text: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{text[:120]}' is not a target: {why}.",
        code="target_invalid",
        hint="Give a port (8000), host and port (127.0.0.1:8000) or unix:/path/to.sock.",
    )


def _port(text: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise _invalid(text, f"'{digits[:40]}' is not a port")
    port = int(digits[:9])
    if not 1 <= port <= 65535:
        raise _invalid(text, "a port is a number from 1 to 65535")
    return port


def _ipv6(text: str, address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        raise _invalid(text, f"'{address[:60]}' is not an IPv6 address") from None


def _socket_path(path: str) -> str:
    if not path.startswith("/"):
        raise _invalid(f"unix:{path}", "the path of a socket is absolute")
    if "\0" in path or len(path.encode()) > MAX_SOCKET_PATH_BYTES:
        raise _invalid(
            f"unix:{path}", f"the path of a socket has at most {MAX_SOCKET_PATH_BYTES} bytes"
        )
    return path
