"""Time-based one-time passwords (RFC 6238), as every authenticator app makes them. Pure.

SHA-1, six digits, thirty seconds: the only settings that all apps understand. What keeps it safe is
that a code is used once and that guessing has to wait (`second_step`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from base64 import b32decode, b32encode
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20
DRIFT_STEPS = 1
"""A phone's clock may be off by this many steps, either way."""


def new_secret() -> str:
    """160 random bits, in base32 as a person types it."""
    return b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The six digits of one time step."""
    digest = hmac.new(b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step whose code this is, near `now` (unix seconds); None if it is none's."""
    current = int(now // STEP_S)
    found = None
    # All are compared, so that the time taken does not tell which one it was.
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


def uri(secret: str, *, user_name: str, hub_name: str) -> str:
    """What the QR code says: `otpauth://totp/HUB:USER?secret=…`."""
    label = quote(f"{hub_name}:{user_name}", safe=":@")
    return f"otpauth://totp/{label}?" + urlencode(
        {"secret": secret, "issuer": hub_name}, quote_via=quote
    )
