"""The hub's address as a person types it, and what may be spoken to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from underpass.core.errors import ConfigError

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where the hub is: `scheme://host:port` and, behind some proxies, a path in front."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str, *, insecure_http: bool = False) -> HubAddress:
        """Reads `hub.example.org`, `https://hub.example.org:8443/base` or `127.0.0.1:8080`.

        Without a scheme it is https, and http on this machine itself. Plain http to any other
        machine takes `insecure_http`. Raises ConfigError (`hub_invalid`, `insecure_http`).
        """
        scheme, host, port, prefix = _split(text.strip())
        if scheme is None:
            scheme = "http" if is_loopback(host) else "https"
        if scheme == "http" and not insecure_http and not is_loopback(host):
            raise ConfigError(
                f"http://{host} would carry your words and the session's token unencrypted.",
                code="insecure_http",
                hint=f"Use https://{host}, or add --insecure-http if this network is yours.",
            )
        return cls(scheme, host, port or _DEFAULT_PORTS[scheme], prefix)

    @property
    def is_loopback(self) -> bool:
        """Whether the hub is on this machine."""
        return is_loopback(self.host)

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    @property
    def netloc(self) -> str:
        """Host and, unless it is the usual one, port: as a person says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, path: str) -> str:
        """The absolute URL of a path that begins with `/`."""
        return f"{self.scheme}://{self.netloc}{self.prefix}{path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.prefix}"


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> tuple[str | None, str, int | None, str]:
    """(scheme or None, host, port or None, path in front)."""
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"//{text}")
    except ValueError:  # not repeated: where a password would stand is not known
        raise _invalid("…", "its brackets do not hold an IPv6 address") from None
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        raise _invalid(text, "its port is not a number from 1 to 65535") from None
    if has_scheme and parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(text, "it begins with neither https:// nor http://")
    if not host or any(c.isspace() for c in text):
        raise _invalid(text, "it names no host")
    if parts.username is not None or parts.password is not None:
        # Not echoed: it may hold a secret.
        raise ConfigError(
            "The hub's address carries a user name or password.",
            code="hub_invalid",
            hint="Leave it out; keys go into UNDERPASS_KEY or `underpass login`.",
        )
    if parts.query or parts.fragment:
        raise _invalid(text, "it has a query or a fragment")
    return (parts.scheme if has_scheme else None), host, port, parts.path.rstrip("/")


def _invalid(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"'{text[:120]}' is not a hub's address: {why}.",
        code="hub_invalid",
        hint="It looks like https://hub.example.org.",
    )
