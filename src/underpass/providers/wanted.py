"""What somebody wants a custom provider to be, checked before anything is asked or stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from underpass.core.errors import InvalidRequest
from underpass.core.names import checked_name
from underpass.providers.base_url import BaseUrl
from underpass.providers.endpoint import RESERVED_HEADERS
from underpass.providers.look import MAX_MODEL_ID_CHARS
from underpass.providers.sealing import NO_SECRETS, EndpointSecrets

MAX_KEY_CHARS = 4096
MAX_HEADERS = 20
MAX_HEADER_CHARS = 4096
MAX_DESCRIPTION_CHARS = 1000
MAX_CA_CHARS = 256 * 1024
MAX_MODELS_NAMED = 1000

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The whole of a custom provider, as it shall be."""

    name: str
    base: BaseUrl
    secrets: EndpointSecrets = NO_SECRETS
    ca_pem: str | None = None
    model_allow: tuple[str, ...] | None = None
    description: str = ""

    @classmethod
    def of(cls, fields: dict[str, Any], secrets: EndpointSecrets = NO_SECRETS) -> Wanted:
        """From the API's fields; `secrets` are those there are, for what is not given.

        Raises InvalidRequest, which never repeats a secret.
        """
        key = fields.get("key", secrets.key)
        given = fields.get("headers")
        headers = secrets.headers if given is None else tuple(sorted(given.items()))
        allow = fields.get("model_allow")
        description = str(fields.get("description") or "").strip()
        return cls(
            name=checked_name(str(fields["name"]).strip()),
            base=BaseUrl.parse(str(fields["base_url"])),
            secrets=EndpointSecrets(_checked_key(key), _checked_headers(headers)),
            ca_pem=_checked_ca(fields.get("ca_pem")),
            model_allow=None if allow is None else _checked_models(allow),
            description=description[:MAX_DESCRIPTION_CHARS],
        )


def _checked_key(key: str | None) -> str | None:
    text = (key or "").strip()
    if len(text) > MAX_KEY_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidRequest(
            "The key holds a character that no key has, or is far too long.",
            code="key_malformed",
            hint="Give the key alone, without quotes or line ends.",
        )
    return text or None


def _checked_headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if len(headers) > MAX_HEADERS:
        raise _bad_header(f"There are more than {MAX_HEADERS} headers.")
    for name, value in headers:
        if _TOKEN.fullmatch(name) is None:
            raise _bad_header(f"'{name[:100]}' cannot be the name of a header.")
        if name.lower() in RESERVED_HEADERS or name.lower().startswith(("x-underpass-", "sec-")):
            raise _bad_header(f"The header '{name}' is the hub's own to set.")
        is_line = value.isprintable() and value == value.strip() and len(value) <= MAX_HEADER_CHARS
        if not is_line or any(ord(char) > 255 for char in value):
            raise _bad_header(f"The value of the header '{name}' is not one printable line.")
    return headers


def _checked_ca(pem: str | None) -> str | None:
    if pem is not None and len(pem) > MAX_CA_CHARS:
        raise InvalidRequest(
            "The CA file is too large.", code="ca_invalid", hint="Give one authority's certificate."
        )
    return (pem or "").strip() or None


def _checked_models(allow: list[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(entry.strip() for entry in allow if entry.strip()))
    too_long = any(len(name) > MAX_MODEL_ID_CHARS for name in names)
    if not names or too_long or len(names) > MAX_MODELS_NAMED:
        raise InvalidRequest(
            "The list of models is empty or too long.",
            code="model_allow_invalid",
            hint="Leave it out to offer every model.",
        )
    return names


def _bad_header(what: str) -> InvalidRequest:
    return InvalidRequest(what, code="header_invalid")
