"""Why the hub could not be reached, in one sentence, with what to do about it.

The one place where aiohttp's and OpenSSL's exceptions become ours. A DialError may go away by
itself, so dialling goes on; a LinkRefused never does.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from underpass.core.errors import LinkRefused, TunnelError
from underpass.core.times import in_words
from underpass.tunnel.address import HubAddress
from underpass.tunnel.proxy import Proxy

# X509_V_ERR_*: what OpenSSL found wrong with the hub's certificate.
_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCH = frozenset({62, 63, 64})
_UNKNOWN_CA = frozenset({2, 18, 19, 20, 21, 24, 27})

SKEW_WORTH_SAYING_S = 120.0


class DialError(TunnelError):
    """The hub could not be reached just now; `code` says at which step it failed."""

    code = "hub_unreachable"
    is_retryable = True


class Refused(aiohttp.ClientError):
    """The server answered the handshake with something else than the upgrade."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an explanation may need to name."""

    address: HubAddress
    proxy: Proxy | None
    now: float
    """Unix seconds by this machine's clock."""
    hub_now: float | None = field(default=None)
    """Unix seconds by the hub's Date header, where one was seen."""

    def skew(self) -> str | None:
        """A sentence on the clocks, if they are far apart."""
        if self.hub_now is None or abs(self.hub_now - self.now) < SKEW_WORTH_SAYING_S:
            return None
        late = self.hub_now > self.now
        return (
            f"This machine's clock is {in_words(abs(self.hub_now - self.now))} "
            f"{'behind' if late else 'ahead of'} the hub's."
        )


def explain(error: BaseException, about: Circumstances) -> TunnelError:
    """The typed error for whatever an attempt to reach the hub raised."""
    if isinstance(error, TunnelError):
        return error
    if isinstance(error, Refused):
        return explain_answer(error.status, error.headers, error.body, about)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_answer(error.status, about)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error.certificate_error, about)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, about)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _tls(error, about)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connect(error, about)
    if isinstance(error, asyncio.TimeoutError | aiohttp.ServerTimeoutError):
        return _silence(about)
    return DialError(
        f"The connection to {_where(about)} broke off before it was ready.",
        hint="Trying again helps if the hub was restarting; a proxy that forbids WebSockets "
        "looks the same.",
    )


def explain_answer(
    status: int, headers: Mapping[str, str], body: bytes, about: Circumstances
) -> TunnelError:
    """The typed error for an HTTP answer where an upgrade was expected."""
    problem = _problem(body)
    code, said = str(problem.get("code", "")), str(problem.get("detail") or "")
    hint = problem.get("hint")
    if status == 401:
        return LinkRefused(
            said or f"{about.address.netloc} does not accept this session's token.",
            code=code or "session_token_invalid",
            hint=about.skew() or hint or "Run `underpass tunnel` again to sign in anew.",
        )
    if status == 403 and code:
        return LinkRefused(said or "The hub refuses this session.", code=code, hint=hint)
    if status == 426:
        return LinkRefused(
            said or f"{about.address.netloc} speaks another version of the tunnel protocol.",
            code="version_unsupported",
            hint=hint or "Install the Underpass version that the hub has.",
        )
    if status in (429, 500, 502, 503, 504):
        return DialError(
            f"{about.address.netloc} cannot take a connection just now (HTTP {status}).",
            code="hub_busy",
            retry_after_s=_retry_after_s(headers, about.now),
        )
    if 300 <= status < 400:
        return DialError(
            f"{about.address} sends us elsewhere (HTTP {status}).",
            code="not_a_hub",
            hint=f"If {headers.get('Location', 'that')[:200]} is the hub, give that address.",
        )
    return DialError(
        f"{about.address} answers, but not as an Underpass hub (HTTP {status} for /link).",
        code="not_a_hub",
        hint="Check the address, and that proxies in front of the hub let WebSockets through.",
    )


def hub_time(headers: Mapping[str, str]) -> float | None:
    """Unix seconds of an answer's Date header, or None."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        return None


# --- one per step of the way -------------------------------------------------------------------


def _where(about: Circumstances) -> str:
    through = f" through the proxy {about.proxy.url}" if about.proxy else ""
    return f"{about.address.netloc}{through}"


def _connect(error: aiohttp.ClientConnectorError, about: Circumstances) -> DialError:
    """No TCP connection: to the proxy where there is one, to the hub otherwise."""
    cause: BaseException | None = error.os_error
    is_name = isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(
        cause, socket.gaierror
    )
    if about.proxy is not None:
        what = f"The proxy {about.proxy} "
        what += "has a name that does not resolve." if is_name else f"{_cause(cause)}."
        hint = "Correct that variable, or add the hub to NO_PROXY if it is reached without one."
        return DialError(what, code="proxy_unreachable", hint=hint)
    if is_name:
        return DialError(
            f"The name {about.address.host} does not resolve on this machine.",
            code="hub_name_unknown",
            hint="Check its spelling; on a cluster, outside names may need HTTPS_PROXY.",
        )
    return DialError(
        f"{about.address.netloc} {_cause(cause)}.",
        hint="Check the address and that the hub runs; behind a firewall set HTTPS_PROXY.",
    )


def _cause(error: BaseException | None) -> str:
    """The end of a sentence that begins with an address."""
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "cannot be reached from this network"
    if number == errno.ETIMEDOUT:
        return "does not answer"
    return "cannot be connected to"


def _silence(about: Circumstances) -> DialError:
    return DialError(
        f"{_where(about)} does not answer.",
        code="hub_silent",
        hint="Check the address; a firewall that drops packets looks the same (set HTTPS_PROXY).",
    )


def _proxy_answer(status: int, about: Circumstances) -> DialError:
    proxy = about.proxy
    if status in (401, 407):  # tinyproxy says 401 to a wrong password
        has_user = proxy is not None and proxy.user is not None
        fault = "does not accept that user and password" if has_user else "wants a password"
        return DialError(
            f"The proxy {proxy} {fault}.",
            code="proxy_auth",
            hint="Put them into the variable: http://USER:PASSWORD@proxy:3128 "
            "(with %40 for an @ in either).",
        )
    if status == 403:
        return DialError(
            f"The proxy {proxy} does not allow connections to {about.address.netloc}.",
            code="proxy_refused",
            hint="Ask for that host and port to be allowed, or add it to NO_PROXY.",
        )
    return DialError(
        f"The proxy {proxy} could not reach {about.address.netloc} (HTTP {status}).",
        code="proxy_failed",
        hint="Check the hub's address; if it is inside this network, add it to NO_PROXY.",
    )


def _certificate(error: Exception, about: Circumstances) -> DialError:
    number = getattr(error, "verify_code", None)
    if number in (_NOT_YET_VALID, _EXPIRED):
        fault = "is not valid yet" if number == _NOT_YET_VALID else "has expired"
        clock = datetime.fromtimestamp(about.now, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return DialError(
            f"By this machine's clock ({clock}) the certificate of {about.address.netloc} {fault}.",
            code="certificate_time",
            hint=about.skew() or "Set the clock if it is wrong; else the hub needs a new one.",
        )
    if number in _NAME_MISMATCH:
        return DialError(
            f"The certificate of {about.address.netloc} is for another name.",
            code="certificate_name",
            hint="Use the name that the certificate carries; ask whoever runs the hub.",
        )
    if number in _UNKNOWN_CA or number is None:
        return DialError(
            f"The certificate of {about.address.netloc} comes from an authority that this "
            "machine does not know.",
            code="certificate_unknown_ca",
            hint="Give its CA's PEM file with --ca-file (or UNDERPASS_CA_FILE).",
        )
    reason = str(getattr(error, "verify_message", "") or "it does not verify")
    return DialError(
        f"The certificate of {about.address.netloc} is refused: {reason}.",
        code="certificate_invalid",
        hint="Ask whoever runs the hub.",
    )


def _tls(error: BaseException, about: Circumstances) -> DialError:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text or "UNKNOWN_PROTOCOL" in text:
        return DialError(
            f"{about.address.netloc} does not speak TLS there.",
            code="tls_failed",
            hint="Check the port; a hub without TLS on this machine is http://127.0.0.1:PORT.",
        )
    return DialError(
        f"TLS with {_where(about)} failed.",
        code="tls_failed",
        hint="Something between here and the hub may intercept TLS: try --ca-file with its CA.",
    )


def _problem(body: bytes) -> dict[str, Any]:
    """The problem document of a refusal, or {}."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
