"""Ids and secrets.

An id names a thing in URLs, tables and logs and is no credential: whoever guesses one still
meets the owner check. A secret is 256 random bits, shown once and stored as its hash.
"""

from __future__ import annotations

import hashlib
import secrets
import time

# Crockford's base32: no i, l, o, u, so an id can be read aloud and never spells a word.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS = 9  # 45 bits of milliseconds: until the year 3084
_RANDOM_CHARS = 11  # 55 bits in each millisecond

# Without vowels and look-alikes (0 O, 1 I L): it is read from one screen and typed on another.
_CODE_ALPHABET = "BCDFGHJKMNPQRSTVWXZ23456789"


def _base32(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """A new id such as `ses_01k9…`: ids of one prefix sort by the time they were made."""
    stamp = _base32(time.time_ns() // 1_000_000, _TIME_CHARS)
    return f"{prefix}_{stamp}{_base32(secrets.randbits(5 * _RANDOM_CHARS), _RANDOM_CHARS)}"


def new_secret(prefix: str) -> str:
    """A new secret of 256 bits behind `prefix` (`up_` for keys, `ups_` for session tokens)."""
    return prefix + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is stored of a secret, as 64 hex digits.

    Plain SHA-256 is right here, and only here: these secrets have 256 random bits, so there is
    nothing to guess. Passwords go through argon2id.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def short_code() -> str:
    """A code such as `BDFG-2345` (38 bits) that a person compares or types once, within minutes."""
    letters = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"
