"""Server-sent events from bytes, forgiving where servers are sloppy. Pure: no I/O.

Any split of the bytes gives the same events. Beyond the standard it takes a last event without
its blank line, and a bare JSON line without `data:` (some proxies put an error there).
"""

from __future__ import annotations

from dataclasses import dataclass

from underpass.core.errors import ProviderError

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name (`message` where none was given), its data and its id."""

    name: str
    data: str
    id: str | None = None


class SseDecoder:
    """Takes bytes as they come and gives the events that they complete."""

    def __init__(self) -> None:
        self._pending = b""  # a line that has not ended yet
        self._carriage = b""  # a CR whose LF may still come
        self._is_first = True
        self._name = ""
        self._id: str | None = None
        self._data: list[bytes] = []
        self._data_bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether no byte is waiting for the rest of its event."""
        return not (self._pending or self._carriage or self._data or self._name)

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes; raises ProviderError for an endless one."""
        data = self._carriage + data
        self._carriage = b""
        if data.endswith(b"\r"):
            data, self._carriage = data[:-1], b"\r"
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = self._pending + data
        if self._is_first:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._pending = data
                return []
            self._is_first = False
            data = data.removeprefix(_BOM)
        lines = data.split(b"\n")
        self._pending = lines.pop()
        events = self._take(lines)
        if len(self._pending) + self._data_bytes > MAX_EVENT_BYTES:
            raise ProviderError(
                "The model server sent one event that does not end.", code="upstream_answer_invalid"
            )
        return events

    def finish(self) -> list[SseEvent]:
        """What is left when the bytes have ended."""
        lines = [self._pending.removeprefix(_BOM) if self._is_first else self._pending, b""]
        self._pending = self._carriage = b""
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        for line in lines:
            if not line:
                self._dispatch(events)
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._data_bytes += len(value)
            elif line.startswith(b"{"):
                self._dispatch(events)
                self._data.append(line)
                self._dispatch(events)
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")
            elif line.startswith(b"id:"):
                self._id = line[3:].strip().decode("utf-8", "replace")
            # Everything else is a comment or a field that we have no use for.
        return events

    def _dispatch(self, events: list[SseEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(SseEvent(self._name or "message", data, self._id))
        self._data = []
        self._data_bytes = 0
        self._name = ""
