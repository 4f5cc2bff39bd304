"""Whom TLS trusts: the system's store, and a CA file where one is set. Never "anybody"."""

from __future__ import annotations

import ssl
from pathlib import Path

import truststore

from underpass.core.errors import ConfigError


def ssl_context(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """A client context that verifies name and chain. SSL_CERT_FILE is honoured by the store.

    Raises ConfigError (`ca_file`) when the file cannot be read or holds no certificate.
    """
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nothing but HTTP/1.1 carries a WebSocket here; a middlebox must not choose h2 for us.
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        _add(context, Path(ca_file).expanduser())
    return context


def _add(context: ssl.SSLContext, path: Path) -> None:
    try:
        pem = path.read_text(encoding="ascii")
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:  # not PEM, not ASCII, or empty
        raise ConfigError(
            f"The CA file {path} holds no certificate in PEM form.",
            code="ca_file",
            hint="It begins with -----BEGIN CERTIFICATE-----; ask whoever runs the hub for it.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The CA file {path} cannot be read: {error.strerror or error}.",
            code="ca_file",
            hint="Give --ca-file (or UNDERPASS_CA_FILE) the path of a PEM file.",
        ) from error
