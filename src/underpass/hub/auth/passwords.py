"""Passwords: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from underpass.core.errors import InvalidRequest

MIN_CHARS = 8
MAX_CHARS = 1024
"""Longer ones are refused and not cut: hashing a megabyte is work that a stranger could order."""

# RFC 9106's shape at a size that a small hub can afford: 32 MiB for about 50 ms. Two at a time,
# so that a burst of sign-ins costs 64 MiB and not the machine.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
_AT_ONCE = 2

# What an unknown name is checked against, so that the answer takes as long as for a known one.
_NOBODY = (
    "$argon2id$v=19$m=32768,t=3,p=1$+QK8pyXzeVbke8wUcmzaRA"
    "$CtptPxXZbO80PjEo1qAvqFsGynM6Bqq1XesQeskwfG0"
)


def check_password_rules(password: str) -> None:
    """Raises InvalidRequest (`password_too_short`, `password_too_long`)."""
    if len(password) < MIN_CHARS:
        raise InvalidRequest(
            f"A password needs at least {MIN_CHARS} characters.", code="password_too_short"
        )
    if len(password) > MAX_CHARS:
        raise InvalidRequest(
            f"A password has at most {MAX_CHARS} characters.", code="password_too_long"
        )


class Passwords:
    """Hashes and checks passwords in threads."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """What is stored of a password. Raises InvalidRequest when it breaks the rules."""
        check_password_rules(password)
        async with self._turns:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one; takes as long when nothing is stored."""
        if len(password) > MAX_CHARS:
            return False
        async with self._turns:
            is_right = await asyncio.to_thread(_verify, stored or _NOBODY, password)
        return is_right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with weaker settings than today's."""
        return _HASHER.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
