"""What is believed of an issuer's claims. No I/O: claims and settings in, a Person out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from underpass.config.openid import OpenIdIssuer
from underpass.core.errors import InvalidRequest
from underpass.core.names import is_valid_name, suggest_name
from underpass.hub.auth.accounts import checked_email
from underpass.hub.auth.openid.words import refused

MAX_SUBJECT_CHARS = 255
MAX_GROUPS = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in at an issuer. `email` is lower-case and verified, or None."""

    issuer: str
    subject: str
    wished_name: str
    display_name: str
    email: str | None
    groups: tuple[str, ...]
    is_admin: bool


def person_of(claims: Mapping[str, Any], settings: OpenIdIssuer, label: str) -> Person:
    """The person behind verified claims. Raises SignInRefused."""
    subject = claims.get("sub")
    is_subject = isinstance(subject, str) and subject.isascii() and subject.isprintable()
    if not is_subject or not 0 < len(str(subject)) <= MAX_SUBJECT_CHARS:
        raise refused("openid_claims_missing", label, "no usable sub")
    email = _verified_email(claims, settings, label)
    words = _words(claims, settings.groups_claim)
    return Person(
        issuer=settings.issuer,
        subject=str(subject),
        wished_name=_wished_name(claims, settings.name_claim, email),
        display_name="".join(char for char in _text(claims.get("name")) if char.isprintable()),
        email=email,
        groups=_groups(words, settings.groups),
        is_admin=any(word in settings.admin_groups for word in words),
    )


def _verified_email(claims: Mapping[str, Any], settings: OpenIdIssuer, label: str) -> str | None:
    """The address, if the issuer says that it is this person's; only `true` says so."""
    email = _email(claims.get("email"))
    is_verified = claims.get("email_verified") is True
    if email is None and settings.allowed_domains:
        raise refused("openid_claims_missing", label, "without email")
    if email is None:
        return None
    if not is_verified and (settings.allowed_domains or settings.link_by_address):
        raise refused("openid_address_unverified", label)
    if settings.allowed_domains and email.partition("@")[2] not in settings.allowed_domains:
        raise refused("openid_domain_not_allowed", label)
    return email if is_verified else None


def _email(value: object) -> str | None:
    try:
        return checked_email(_text(value))
    except InvalidRequest:
        return None


def _words(claims: Mapping[str, Any], path: str | None) -> tuple[str, ...]:
    """The words of the groups claim, which may lie inside others: `realm_access.roles`."""
    if not path:
        return ()
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        return ()
    return tuple(word for word in found if isinstance(word, str))[:MAX_GROUPS]


def _groups(words: tuple[str, ...], meant: Mapping[str, str]) -> tuple[str, ...]:
    if meant:
        return tuple(sorted({meant[word] for word in words if word in meant}))
    # Keycloak writes a group as a path.
    plain = {word.removeprefix("/") for word in words}
    return tuple(sorted(word for word in plain if is_valid_name(word)))


def _wished_name(claims: Mapping[str, Any], claim: str, email: str | None) -> str:
    wished = _text(claims.get(claim)) or email or _text(claims.get("name"))
    local = wished.partition("@")[0]
    has_letters = any(char.isascii() and char.isalnum() for char in local)
    return suggest_name(local) if has_letters else "user"


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
