"""Which forward proxy leads to a host: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

There is no standard; these are the rules that curl, Go and Python share, read strictly:

- the lower-case name wins over the upper-case one; an empty value means "no proxy";
- NO_PROXY is a list separated by commas or blanks. `*` is every host; `example.org`,
  `.example.org` and `*.example.org` are the host and all below it; an address or a network
  (`10.0.0.0/8`, `fd00::/8`) matches hosts that are written as addresses; `host:port` matches
  that port only. Names are never resolved for it;
- this machine itself is never reached through a proxy.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from underpass.core.errors import ConfigError
from underpass.tunnel.address import is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy; its password never shows in `repr` or `str`."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)
    source: str = ""
    """The variable it was read from, for messages."""

    @property
    def url(self) -> str:
        """Without the credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization (RFC 7617, UTF-8), where there is a user."""
        if self.user is None:
            return None
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")

    def __str__(self) -> str:
        return f"{self.url} (from {self.source})" if self.source else self.url


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy to use for this host, or None for a direct connection.

    Raises ConfigError (`proxy_invalid`) when the variable that applies makes no sense.
    """
    if is_loopback(host):
        return None
    name, value = _variable(environ, f"{scheme}_proxy", "all_proxy")
    if not value or is_exempt(host, port, _variable(environ, "no_proxy")[1]):
        return None
    return parse_proxy(value, source=name)


def parse_proxy(value: str, *, source: str = "") -> Proxy:
    """Reads `http://user:password@proxy:3128` or `proxy:3128`. Raises ConfigError."""
    parts = urlsplit(value if "://" in value else f"http://{value}")
    where = f" in {source}" if source else ""
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigError(
            f"The proxy{where} is of the kind '{parts.scheme[:20]}', which Underpass does not speak.",
            code="proxy_invalid",
            hint="Set HTTPS_PROXY to an http:// or https:// proxy that allows CONNECT.",
        )
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ConfigError(
            f"The proxy{where} is not an address.",
            code="proxy_invalid",
            hint="It looks like http://proxy.example.org:3128.",
        )
    return Proxy(
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORTS[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
        source=source,
    )


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY's text names this host (and, where it says one, this port)."""
    host = host.lower().rstrip(".")
    return any(_matches(host, port, entry) for entry in re.split(r"[\s,]+", no_proxy) if entry)


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    pattern, entry_port = _split_port(entry.lower())
    if entry_port is not None and entry_port != port:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        suffix = pattern.removeprefix("*").strip(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False
    return address in network


def _split_port(entry: str) -> tuple[str, int | None]:
    """`host:port`, `[v6]:port`, or anything without a port (an IPv6 address has many colons)."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", entry)
    if bracketed:
        return bracketed[1], int(bracketed[2]) if bracketed[2] else None
    host, colon, port = entry.rpartition(":")
    if colon and ":" not in host and port.isdigit():
        return host, int(port)
    return entry, None


def _variable(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first of the names that is set, lower case first: (as it is spelt, its value)."""
    for name in names:
        for spelling in (name, name.upper()):
            if spelling in environ:
                return spelling, environ[spelling].strip()
    return names[0], ""
