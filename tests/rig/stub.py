"""The stub model server as a process of its own, for tests that share one and for the benchmark."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.rig.processes import Process, free_port
from tests.rig.waiting import eventually

ROOT = Path(__file__).parents[2]


class StubProcess:
    """`python -m tests.fakes.stub_server` and what it has seen."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.fakes.stub_server", "--port", str(self.port)]
        self.process = Process(command, self._log, cwd=ROOT)
        self.process.wait_until_listening(self.port)

    def stop(self) -> None:
        self.process.stop()

    def seen(self, tag: str) -> dict[str, Any] | None:
        """The last request with this tag, None before it came."""
        found = self._get(f"/stub/seen?tag={tag}")
        return found[-1] if found else None

    def all_seen(self) -> list[dict[str, Any]]:
        """Every request so far, probes included."""
        requests: list[dict[str, Any]] = self._get("/stub/seen")
        return requests

    def open_requests(self, tag: str) -> int:
        """How many requests with this tag have not ended."""
        return int(self._get(f"/stub/open?{tag}"))

    def all_seen_of(self, tag: str) -> list[dict[str, Any]]:
        """Every request with this tag."""
        requests: list[dict[str, Any]] = self._get(f"/stub/seen?tag={tag}")
        return requests

    def wait_seen(self, tag: str, outcome: str = "", within_s: float = 5.0) -> dict[str, Any]:
        """The request, once it is there (and has ended so, if an outcome is given)."""

        def is_there() -> dict[str, Any] | None:
            request = self.seen(tag)
            return request if request and outcome in ("", request["outcome"]) else None

        found = eventually(is_there, within_s, f"stub saw {tag!r} {outcome}")
        assert found is not None
        return found

    def set_mode(self, mode: str) -> None:
        """ok, loading, silent or failing: for every request from now on."""
        self._get(f"/stub/mode?{mode}")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)
