"""Damage without a guide: honest inputs, cut, mixed, doubled and overwritten by a seeded chance."""

from __future__ import annotations

import random

_WORDS = [
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\0", b":", b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(
        b"Content-Length: 0\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b'"',
        b"\\",
        b"{",
        b"[",
    ),
    *(
        b"\\u0000",
        b"\xff\xfe",
        b"--edge",
        b"--edge--",
        b'"model":',
        b"HTTP/1.1 ",
        b"ffffffffffff\r\n",
    ),
]
_NUMBERS = [0, 1, 2, 7, 8, 127, 128, 255, 256, 16384, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
MOST_BYTES = 64 * 1024


def damaged(rng: random.Random, honest: list[bytes]) -> bytes:
    """One input, made of honest ones."""
    data = bytearray(rng.choice(honest))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(8)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at : at + rng.randint(1, 12)]
        elif what == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 20))
        elif what == 3:
            data[at:at] = rng.choice(_WORDS)
        elif what == 4:
            width = rng.choice([1, 2, 4, 8])
            value = rng.choice(_NUMBERS) % (1 << 8 * width)
            data[at : at + width] = value.to_bytes(width, "big")
        elif what == 5:
            data += rng.choice(honest)[rng.randrange(3) :]
        elif what == 6:
            data[at:at] = data[at : at + rng.randint(1, 200)] * rng.choice([1, 2, 50])
        else:
            digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
            if digits:
                data[rng.choice(digits)] = rng.choice(b'0123456789-.eE"[{n')
    return bytes(data[:MOST_BYTES])
