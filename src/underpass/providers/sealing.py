"""Secrets at rest (of custom providers, of second factors): AES-256-GCM under a key in a file
outside the database.

The file holds one key a line; the first seals, all of them open. To rotate: put a new line first
(`openssl rand -hex 32`), restart the hub (it seals anew whatever an older line sealed), and
delete the old line. Each sealed text is bound to what it belongs to, a provider's to the id and to
the origin that it is sent to: moved to another row, or with another address put beside it, it no
longer opens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from underpass.core.errors import ConfigError, Conflict, StorageError

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealBroken(Conflict):
    """A sealed text does not open: its key is not in the file, or the row was changed."""

    code = "seal_broken"


@dataclass(frozen=True, slots=True)
class EndpointSecrets:
    """What is sent to an endpoint and shown to nobody."""

    key: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return self.key is None and not self.headers


NO_SECRETS = EndpointSecrets()


class Sealer:
    """Seals and opens with the keys of one file."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._first = _name(keys[0])

    def seal(self, content: EndpointSecrets, provider_id: str, origin: str) -> str:
        """The text to store of a provider's secrets."""
        plain = json.dumps({"key": content.key, "headers": content.headers})
        return self.seal_text(plain, provider_id, origin)

    def open(self, sealed: str, provider_id: str, origin: str) -> EndpointSecrets:
        """What was sealed of a provider. Raises SealBroken."""
        found: dict[str, Any] = json.loads(self.open_text(sealed, provider_id, origin))
        return EndpointSecrets(
            found["key"], tuple((name, value) for name, value in found["headers"])
        )

    def seal_text(self, plain: str, owner_id: str, purpose: str) -> str:
        """The text to store of any secret; it opens for the same owner and purpose only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = self._ciphers[self._first]
        sealed = nonce + cipher.encrypt(nonce, plain.encode(), _bound(owner_id, purpose))
        return f"{self._first}.{base64.b64encode(sealed).decode()}"

    def open_text(self, sealed: str, owner_id: str, purpose: str) -> str:
        """What was sealed. Raises SealBroken."""
        name, _, text = sealed.partition(".")
        try:
            data = base64.b64decode(text, validate=True)
            plain = self._ciphers[name].decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(owner_id, purpose)
            )
        except (KeyError, InvalidTag, ValueError, binascii.Error):
            raise SealBroken(
                "The hub can no longer open the key of this provider.",
                hint="Give the provider its key again, or restore the hub's key file.",
            ) from None
        return plain.decode()

    def is_outdated(self, sealed: str) -> bool:
        """Whether another key than the file's first sealed it."""
        return not sealed.startswith(f"{self._first}.")


def load_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of the file, which is made, for its owner alone, where there is none.

    Raises ConfigError (readable by others, no key in it), StorageError.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        mode = path.stat().st_mode
        words = path.read_text("ascii").split()
        keys = tuple(bytes.fromhex(word) for word in words)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(
            f"The key file {path} cannot be read: {error.strerror}.",
            hint="Give it to the user that runs the hub.",
        ) from error
    except ValueError:
        keys = ()
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"The key file {path} can be read by others than its owner.",
            hint=f"Run: chmod 600 {path}",
        )
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ConfigError(
            f"The key file {path} does not hold keys: one a line, 64 hexadecimal digits each.",
            hint="Restore it from a backup, or write a new key: openssl rand -hex 32",
        )
    return keys


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return  # another hub process made it just now
    except OSError as error:
        raise StorageError(
            f"The key file {path} cannot be made: {error.strerror}.",
            hint="Name one that the hub can write with the setting secret_key_file.",
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")


def _name(key: bytes) -> str:
    """How a sealed text says which key opens it; tells nothing of the key."""
    return hashlib.sha256(b"underpass key name\0" + key).hexdigest()[:12]


def _bound(owner_id: str, purpose: str) -> bytes:
    return f"{owner_id}\0{purpose}".encode()
