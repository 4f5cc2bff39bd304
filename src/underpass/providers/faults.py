"""What goes wrong on the way to an endpoint, as words: the one place that knows aiohttp's errors.

A fault's `predicate` goes on from a subject that the caller chooses ("The endpoint of provider
'lab' …"): whoever only uses a provider is not told where it is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

import aiohttp

from underpass.core.errors import StreamReset

# X509_V_ERR_*: what OpenSSL found wrong with a certificate.
_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCH = frozenset({62, 63, 64})


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is stable; `hint` says to whoever manages the provider what to do."""

    code: str
    predicate: str
    hint: str = ""


class AddressRefused(OSError):
    """A socket was about to connect to an address that is not open to users."""


class PlainHttpRefused(OSError):
    """A socket was about to carry a key and content in the clear over a public network."""


class EndpointFault(StreamReset):
    """A request that an endpoint did not answer, or not to its end."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code, f"The endpoint {fault.predicate}.")
        self.fault = fault


REDIRECTED = Fault(
    "endpoint_redirects",
    "answers with a redirect, which is not followed",
    "Give the address that it redirects to, if you trust that one.",
)
SILENT = Fault("endpoint_silent", "does not answer in time", "Check that its server runs.")
_ADDRESS = Fault(
    "address_not_allowed",
    "has an address that this hub does not connect to: private, loopback or link-local",
    "An admin can allow its network with the setting allowed_networks.",
)
_PLAIN = Fault(
    "plain_http",
    "is asked over plain http, so the key and what is said could be read on the way",
    "Use https; an admin can allow the network with the setting allowed_networks.",
)
_UNKNOWN_HOST = Fault(
    "host_unknown", "has a host name that the hub cannot resolve", "Check the name."
)
_REFUSES = Fault("endpoint_refuses", "refuses connections", "Check its port, and that it runs.")
_UNREACHABLE = Fault(
    "endpoint_unreachable", "cannot be reached from the hub", "Check its address, and firewalls."
)
_NO_TLS = Fault(
    "tls_failed", "does not speak TLS as it should", "Check the port, and https against http."
)
_NOT_HTTP = Fault("not_http", "does not answer in HTTP", "Check its port.")
_BROKE_OFF = Fault("broke_off", "broke the connection off", "Look at its own log.")


def of(error: BaseException) -> Fault:
    """The fault that an exception of aiohttp or of a socket is."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _UNKNOWN_HOST
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _NO_TLS
    if isinstance(error, asyncio.TimeoutError):
        return SILENT
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connect(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return _NOT_HTTP
    return _BROKE_OFF


def _connect(error: OSError) -> Fault:
    if isinstance(error, AddressRefused):
        return _ADDRESS
    if isinstance(error, PlainHttpRefused):
        return _PLAIN
    if isinstance(error, ConnectionRefusedError):
        return _REFUSES
    return _UNKNOWN_HOST if isinstance(error, socket.gaierror) else _UNREACHABLE


def _certificate(error: BaseException) -> Fault:
    number = getattr(error, "verify_code", 0)
    if number in _NAME_MISMATCH:
        return Fault(
            "tls_name_mismatch",
            "shows a certificate that is for another name",
            "Use the name that its certificate is for.",
        )
    if number in (_EXPIRED, _NOT_YET_VALID):
        return Fault(
            "tls_expired",
            "shows a certificate that is not valid at this time",
            "Have it renewed, or check the hub's clock.",
        )
    return Fault(
        "tls_untrusted",
        "shows a certificate of an authority that the hub does not know",
        "Give the authority's certificate as the CA file.",
    )
