"""Watches `/api/events` as an open page does, and notes when each change arrived."""

import http.client
import json
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.rig.waiting import eventually


@dataclass(frozen=True)
class Pushed:
    """One event: its name, its data, and `time.monotonic()` of its arrival."""

    name: str
    data: dict[str, Any]
    at: float


class EventWatcher:
    """Reads the stream in a thread for the length of the block."""

    def __init__(self, url: str, key: str) -> None:
        self.events: list[Pushed] = []
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._key = key
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "EventWatcher":
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "text/event-stream"}
        self._connection.request("GET", "/api/events", headers=headers)
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        self._thread.start()
        eventually(lambda: bool(self.events), 5, "the snapshot of /api/events")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The reader blocks in recv; only shutting the socket down wakes it.
        self._socket.shutdown(2)
        self._thread.join(5)
        self._answer.close()
        self._connection.close()

    def statuses(self, kind: str, name: str) -> list[str]:
        """The statuses that this thing went through, in order."""
        found: list[str] = []
        for event in self.events:
            item = event.data.get("item") or {}
            is_it = event.name == kind and item.get("name") == name
            if is_it and found[-1:] != [item["status"]]:
                found.append(item["status"])
        return found

    def wait_status(self, kind: str, name: str, status: str, within_s: float = 10.0) -> Pushed:
        """The last event that says so, once it came; events before this call count as well."""

        def is_there() -> Pushed | None:
            for event in reversed(self.events):
                item = event.data.get("item") or {}
                if event.name == kind and item.get("name") == name:
                    return event if item["status"] == status else None
            return None

        found = eventually(is_there, within_s, f"{kind} {name} pushed as {status}")
        assert found is not None
        return found

    def _read(self) -> None:
        name, data = "", ""
        try:
            for line in self._answer:
                text = line.decode().rstrip("\n")
                if text.startswith("event:"):
                    name = text[6:].strip()
                elif text.startswith("data:"):
                    data += text[5:]
                elif not text and data:
                    self.events.append(Pushed(name, json.loads(data), time.monotonic()))
                    name, data = "", ""
        except (OSError, ValueError, http.client.HTTPException):
            return
