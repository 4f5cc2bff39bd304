"""The secrets of one sign-in: state, nonce and PKCE verifier, all made from one cookie.

The browser that begins a sign-in gets a cookie of 256 random bits. What goes to the issuer is made
from it, so only that browser can end the sign-in, and the database, which holds the cookie's hash
to see that it is used once, holds nothing that could.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from underpass.core.ids import hash_secret, new_secret
from underpass.hub.auth.requests import HOST_PREFIX

LIFETIME_S = 600.0
MAX_NEXT_CHARS = 500


def cookie_place(*, is_secure: bool) -> tuple[str, str]:
    """Name and path of the cookie: behind TLS for the whole host, as the prefix demands."""
    if is_secure:
        return f"{HOST_PREFIX}underpass_openid", "/"
    return "underpass_openid", "/api/auth/openid"


@dataclass(frozen=True, slots=True)
class FlowSecrets:
    """What one cookie stands for."""

    cookie: str = field(repr=False)

    @classmethod
    def new(cls) -> FlowSecrets:
        """Those of a sign-in that begins."""
        return cls(new_secret("upo_"))

    @property
    def id(self) -> str:
        """What is stored."""
        return hash_secret(self.cookie)

    @property
    def state(self) -> str:
        """Comes back with the browser; binds the answer to it."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """Comes back inside the ID token; binds the token to this sign-in."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """PKCE: shown to the token endpoint only; a stolen code is worth nothing without it."""
        return self._made("verifier")

    def is_state(self, state: str) -> bool:
        """Whether that is the state of this sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))

    def _made(self, purpose: str) -> str:
        made = hmac.new(self.cookie.encode(), purpose.encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(made).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with the browser, and the cookie that it sent."""

    state: str = ""
    code: str = field(default="", repr=False)
    error: str = ""
    iss: str | None = None
    cookie: str = field(default="", repr=False)


def safe_next(wanted: str) -> str:
    """The page to go to afterwards, if it is one of ours; else the first one.

    Browsers read `//host`, `/\\host` and a path with a tab or a newline in it as another site.
    """
    is_plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    if not is_plain or not wanted.startswith("/") or len(wanted) > MAX_NEXT_CHARS:
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    is_ours = not parts.scheme and not parts.netloc and not wanted.startswith("//")
    is_page = not parts.path.startswith(("/api", "/v1", "/link"))
    return wanted if is_ours and is_page else "/"
