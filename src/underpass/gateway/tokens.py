"""Tokens of an answer: what the server itself says at its end, found without parsing what passes.

Servers write `"usage": {…}` last, in a document as in a stream. Inside a text of the model the
quotes are escaped, so that no model can say what it used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

KEPT_CHUNKS = 4
"""The last chunks of an answer that are kept by reference until it ends."""
TAIL_BYTES = 16 * 1024
EVENT_BYTES = 200
"""About what a server's event of one token takes; see `estimate`."""

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_IN = re.compile(rb'"(?:prompt_tokens|input_tokens)"\s*:\s*(\d{1,12})\b')
_OUT = re.compile(rb'"(?:completion_tokens|output_tokens)"\s*:\s*(\d{1,12})\b')
_USAGE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one request used."""

    read: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        """Both together: what limits count."""
        return self.read + self.written


def find(last_chunks: Iterable[bytes]) -> Tokens | None:
    """What the end of an answer says; None where the server did not say."""
    tail = b"".join(last_chunks)[-TAIL_BYTES:]
    places = [found.end() for found in _USAGE.finditer(tail)]
    if not places:
        return None
    said = tail[places[-1] : places[-1] + _USAGE_BYTES]
    read, written = _IN.search(said), _OUT.search(said)
    if read is None and written is None:
        return None
    return Tokens(int(read[1]) if read else 0, int(written[1]) if written else 0)


def estimate(answer_bytes: int) -> int:
    """About how many tokens an answer had whose server did not say.

    Only for limits, which could be slipped otherwise by not asking a stream for its usage.
    """
    return -(-answer_bytes // EVENT_BYTES)
