"""What authentication reads from a request: header, cookie, origin, address."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from underpass.core.errors import NotAllowed, NotAuthenticated

Scope = Mapping[str, Any]

COOKIE = "underpass_session"
HOST_PREFIX = "__Host-"
"""Before the name of each cookie behind TLS: browsers take such a one from this very host only, so that
no other host of the site's domain can put one of its own in its place."""
CSRF_HEADER = b"x-underpass-csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def bearer_of(scope: Scope) -> str | None:
    """The key of `Authorization: Bearer`, or of `x-api-key` outside `/api`; None without one.

    Raises NotAuthenticated for another kind of Authorization.
    """
    value = header(scope, b"authorization")
    if value is not None:
        kind, _, secret = value.strip().partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise NotAuthenticated(
                "The Authorization header is not of the form 'Bearer up_…'.", code="key_invalid"
            )
        return secret.strip()
    if not str(scope["path"]).startswith("/api/"):
        # Anthropic's clients send their key so.
        value = header(scope, b"x-api-key")
        return value.strip() if value and value.strip() else None
    return None


def cookie_of(scope: Scope, name: str = COOKIE) -> str | None:
    """The browser session's cookie, or another of ours; None without one."""
    for key, value in scope["headers"]:
        if key != b"cookie":
            continue
        try:
            cookies = SimpleCookie(bytes(value).decode("latin-1"))
        except CookieError:
            continue
        if name in cookies:
            return cookies[name].value or None
    return None


def is_https(scope: Scope, public_url: str | None) -> bool:
    """Whether the browser is at an https address, so that cookies are for those only."""
    return (public_url or f"{scope.get('scheme', 'http')}:").startswith("https:")


def session_cookie(*, is_secure: bool) -> str:
    """The name of the browser session's cookie."""
    return f"{HOST_PREFIX}{COOKIE}" if is_secure else COOKIE


def check_csrf(scope: Scope, public_url: str | None) -> None:
    """A request that a cookie vouches for must come from our own pages.

    Raises NotAllowed (`csrf`). Another site can make a browser send the cookie; it can neither set
    this header without asking first nor forge where the request comes from.
    """
    if scope["method"] in SAFE_METHODS:
        return
    if header(scope, CSRF_HEADER) != "1" or _origin(scope, public_url) != "same":
        raise NotAllowed(
            "This request did not come from the hub's own pages.",
            code="csrf",
            hint="Programs use a key: Authorization: Bearer up_….",
        )


def check_not_cross_site(scope: Scope, public_url: str | None) -> None:
    """Refuse a sign-in that another site makes a browser send. Raises NotAllowed (`csrf`)."""
    if _origin(scope, public_url) == "other":
        raise NotAllowed("This request came from another site.", code="csrf")


def _origin(scope: Scope, public_url: str | None) -> str:
    """`same`, `other`, or `unknown` (not from a browser)."""
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return "same" if site == "same-origin" else "other"
    origin = header(scope, b"origin")
    if origin is None:
        return "unknown"
    own = {header(scope, b"host") or ""}
    if public_url:
        own.add(urlsplit(public_url).netloc)
    return "same" if urlsplit(origin).netloc in own - {""} else "other"


def address_of(scope: Scope) -> str:
    """Who is at the other end, after the trusted proxies; empty when unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def set_cookie(
    secret: str, *, max_age_s: int, is_secure: bool, name: str | None = None, path: str = "/"
) -> str:
    """The Set-Cookie header of a new sign-in, or of `name`; `max_age_s` 0 ends it."""
    name = name or session_cookie(is_secure=is_secure)
    parts = [f"{name}={secret}", f"Path={path}", f"Max-Age={max_age_s}", "HttpOnly", "SameSite=Lax"]
    return "; ".join([*parts, "Secure"] if is_secure else parts)
