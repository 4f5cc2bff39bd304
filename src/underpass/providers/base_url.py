"""The address of an OpenAI-compatible endpoint, and where each of the gateway's routes is under it.

A base URL is what OpenAI's clients call one: `https://api.example.org/v1`, to which they add
`/chat/completions`. The few routes that model servers keep outside `/v1` are beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from underpass.core.errors import InvalidRequest

MAX_URL_CHARS = 500
_VERSION = "/v1"


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """One endpoint's address. `str` of it is what is stored and shown."""

    scheme: str
    netloc: str
    path: str

    @classmethod
    def parse(cls, text: str) -> BaseUrl:
        """Raises InvalidRequest (`base_url_invalid`) for anything but a plain http(s) address."""
        text = text.strip()
        if len(text) > MAX_URL_CHARS:
            raise _invalid(f"it is longer than {MAX_URL_CHARS} characters")
        if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
            raise _invalid("it holds a character that has no place in an address")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _invalid("it cannot be read") from None
        if parts.scheme.lower() not in ("http", "https"):
            raise _invalid("it must begin with https:// or http://")
        if not host or port == 0:
            raise _invalid("it names no host")
        if parts.username is not None or parts.password is not None:
            raise _invalid("it holds a name or password; give the key as the key")
        if parts.query or parts.fragment or "?" in text or "#" in text:
            raise _invalid("it ends with a query or a fragment")
        if "%" in parts.netloc:
            raise _invalid("its host is escaped")
        return cls(parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a key is given to."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def is_plain_http(self) -> bool:
        """Whether what passes could be read on the way."""
        return self.scheme == "http"

    def with_version(self) -> BaseUrl:
        """The same with `/v1` at its end."""
        return BaseUrl(self.scheme, self.netloc, self.path + _VERSION)

    def target(self, route: str) -> str:
        """The whole address of a gateway's route (`/v1/chat/completions?…`, `/tokenize`)."""
        if route.startswith(f"{_VERSION}/"):
            return f"{self}{route[len(_VERSION) :]}"
        return f"{self.origin}{self.path.removesuffix(_VERSION)}{route}"


def _invalid(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"This base URL cannot be used: {why}.",
        code="base_url_invalid",
        hint="Write it as OpenAI's clients take it, such as https://llm.example.org/v1.",
    )
