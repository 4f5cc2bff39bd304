"""What one row of the table is made of: counts of streams and bytes, compared with what was sent."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from tests.fakes.stub_http import PATTERN_BYTES, numbered_bytes
from tests.fakes.stub_server import sse_event

_EVENT_NUMBER = re.compile(rb'"content":"(\d{9}) ')
_BLOCK_NUMBER = re.compile(rb"(\d{15}) ")
MOST_TROUBLE = 20


@dataclass
class Row:
    """One line of the table. `cut_off` are streams that ended though they should have lived."""

    fault: str
    times: int = 0
    streams: int = 0
    bytes: int = 0
    lost: int = 0
    doubled: int = 0
    cut_off: int = 0
    worst_pause_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    """What else was measured, in a few words each."""
    trouble: list[str] = field(default_factory=list)
    """What should not have happened; a run with any of it fails."""

    @property
    def is_clean(self) -> bool:
        """Whether everything was as promised."""
        return not (self.lost or self.doubled or self.cut_off or self.trouble)

    def pause(self, seconds: float) -> None:
        """A client waited that long for its next byte."""
        self.worst_pause_s = max(self.worst_pause_s, seconds)

    def note(self, text: str) -> None:
        """Something worth the last column."""
        self.notes.append(text)

    def expect(self, is_so: bool, otherwise: str) -> None:
        """A promise that is checked besides the bytes."""
        if not is_so and len(self.trouble) < MOST_TROUBLE:
            self.trouble.append(otherwise)

    def cut(self, why: str) -> None:
        """A stream ended that should have lived."""
        self.cut_off += 1
        self.expect(False, f"cut off: {why}")


class Pace:
    """Notes in the row how long the bytes were away."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._at = time.monotonic()

    def came(self) -> None:
        """Something came."""
        now = time.monotonic()
        self._row.pause(now - self._at)
        self._at = now


class Events:
    """Checks a stream of numbered events of a known size, comments of the hub's aside."""

    def __init__(self, row: Row, count: int, size: int) -> None:
        self._row = row
        self._count = count
        self._size = size
        self._next = 0
        self._buffer = b""
        self.is_done = False
        self.error = ""
        """The error event that ended it, if one did."""

    @property
    def got(self) -> int:
        """Events so far."""
        return self._next

    def feed(self, data: bytes) -> None:
        """What came."""
        *whole, self._buffer = (self._buffer + data).split(b"\n\n")
        for event in whole:
            self._take(event + b"\n\n")

    def _take(self, event: bytes) -> None:
        if event.startswith(b":"):
            return
        if event == sse_event(self._next, self._size):
            self._next += 1
            self._row.bytes += len(event)
        elif event == b"data: [DONE]\n\n":
            self.is_done = True
        else:
            self._take_wrong(event)

    def _take_wrong(self, event: bytes) -> None:
        number = _EVENT_NUMBER.search(event)
        if number is None:
            self.error = event.decode(errors="replace")[:200]
            return
        is_whole = event == sse_event(int(number[1]), self._size)
        if not is_whole:
            self._row.lost += self._size
            self._row.expect(False, f"a damaged event {int(number[1])}: {event[:60]!r}")
        gap = int(number[1]) - self._next
        if gap > 0:
            self._row.lost += gap * self._size
        elif gap < 0:
            self._row.doubled += self._size
        self._next = int(number[1]) + 1

    def finish(self) -> bool:
        """The stream ended well; whether it was all there. What is missing counts as lost."""
        missing = max(0, self._count - self._next)
        self._row.lost += missing * self._size
        self._row.expect(self.is_done, "an answer that ended without [DONE]")
        return not missing and self.is_done


class Numbered:
    """Checks numbered bytes from `offset` on."""

    def __init__(self, row: Row, offset: int = 0) -> None:
        self._row = row
        self.got = offset

    def feed(self, data: bytes) -> None:
        """What came; after a fault it goes on from where the bytes say they are."""
        if data != numbered_bytes(self.got, len(data)):
            self._find_place(data)
        self.got += len(data)
        self._row.bytes += len(data)

    def _find_place(self, data: bytes) -> None:
        found = _BLOCK_NUMBER.search(data)
        if found is None:
            self._row.lost += 1
            self._row.expect(False, f"bytes that are none of ours near {self.got}")
            return
        is_at = int(found[1]) * PATTERN_BYTES - found.start()
        if is_at >= self.got:
            self._row.lost += max(1, is_at - self.got)
        else:
            self._row.doubled += self.got - is_at
        self._row.expect(False, f"bytes of {is_at} where {self.got} was next")
        self.got = is_at
