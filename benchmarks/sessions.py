"""How long a session takes on its way, apart from what the model server and the scheduler take.

Jobs are processes on this machine (the cluster `local`), so that what is measured is Underpass: the hub,
the start of an agent, its link, and what an open page hears of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.lines import Line
from tests.rig.stack import Person, Stack
from tests.rig.stub import ROOT, StubProcess
from tests.rig.waiting import eventually

STARTS = 7
LOOKS = 7
IDLE_SESSIONS = 300
POLL_S = 15.0
"""The hub's `scheduler_poll_s` when nothing else is said."""
COMMAND = f"{sys.executable} -m tests.fakes.stub_server --port {{port}}"


class Page:
    """An open page: what the feed told it, and when."""

    def __init__(self, stack: Stack, person: Person) -> None:
        self._connection = http.client.HTTPConnection(stack.host, stack.port)
        headers = {"Authorization": f"Bearer {person.key}"}
        self._connection.request("GET", "/api/events", headers=headers)
        self._answer = self._connection.getresponse()
        self.heard: list[tuple[float, str, dict[str, Any]]] = []
        threading.Thread(target=self._listen, daemon=True).start()
        eventually(lambda: self.heard, 10, "the snapshot")

    def _listen(self) -> None:
        kind = ""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            while line := self._answer.readline():
                now = time.monotonic()
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    self.heard.append((now, kind, json.loads(line[6:])))

    def when(self, kind: str, name: str, status: str, since: float) -> float:
        """When it heard that the thing of that name has the status."""

        def heard() -> float | None:
            for at, what, data in self.heard:
                item = data.get("item") or {}
                if at >= since and (what, item.get("name"), item.get("status")) == (
                    kind,
                    name,
                    status,
                ):
                    return at
            return None

        at = eventually(heard, 30, f"{kind} {name} {status}")
        assert at is not None
        return at

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class _Lab:
    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder)
        self.root = self.stack.add_person("root", is_admin=True)
        self.api = self.stack.api(self.root)
        self.page = Page(self.stack, self.root)

    def start(self, name: str) -> tuple[float, dict[str, Any]]:
        """From the click to a session that runs: when the click was, and the session."""
        params = {"command": COMMAND, "cwd": str(ROOT)}
        clicked = time.time()
        made = self.api.post(
            "/api/sessions", {"template": "custom", "name": name, "params": params}
        )
        if made.status != 202:
            raise RuntimeError(f"a session was refused: {made.body!r}")
        self.page.when("session", name, "running", 0)
        return clicked, self.api.get(f"/api/sessions/{made.json()['id']}").json()

    def kill(self) -> float:
        """kill -9 for all that runs for sessions; when that was."""
        for process in psutil.Process(self.stack.hub.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
        return time.monotonic()


def measure() -> list[Line]:
    """The lines of the table."""
    with tempfile.TemporaryDirectory(prefix="underpass-bench-") as name, _lab(Path(name)) as lab:
        return [*_starts(lab), *_readiness(lab, Path(name)), *_memory(lab)]


@contextlib.contextmanager
def _lab(folder: Path) -> Iterator[_Lab]:
    lab = _Lab(folder)
    try:
        yield lab
    finally:
        lab.page.close()
        lab.stack.stop()


def _starts(lab: _Lab) -> Iterator[Line]:
    submitted, dialled, ended = [], [], []
    for number in range(STARTS):
        clicked, session = lab.start(f"s{number}")
        at = {one["kind"]: _seconds(one["at"]) for one in session["timeline"]}
        texts = {one["text"]: _seconds(one["at"]) for one in session["timeline"]}
        submitted.append(at["submitted"] - clicked)
        connected = _first(texts, lambda text: text.startswith("The agent on"))
        # From the submit, which is earlier than the moment at which the job runs.
        dialled.append(connected - at["submitted"])
        killed = lab.kill()
        ended.append(lab.page.when("session", f"s{number}", "failed", killed) - killed)
    yield Line("click to job submitted", 1000 * median(submitted), "ms", 300)
    yield Line("job submitted to agent connected", 1000 * median(dialled), "ms", 1500)
    yield Line("killed from outside to shown as ended", 1000 * median(ended), "ms", 1000 * POLL_S)


def _first(texts: dict[str, float], fits: Callable[[str], bool]) -> float:
    return next(at for text, at in texts.items() if fits(text))


def _readiness(lab: _Lab, folder: Path) -> Iterator[Line]:
    stub = StubProcess(folder / "stub.log")
    try:
        lab.stack.open_tunnel(lab.root, str(stub.port), "box")
        took = []
        for _ in range(LOOKS):
            stub.set_mode("loading")
            lab.page.when("provider", "box", "loading", time.monotonic() - 0.001)
            ready = time.monotonic()
            stub.set_mode("ok")
            took.append(lab.page.when("provider", "box", "running", ready) - ready)
        yield Line("server ready to `running` in an open page", 1000 * median(took), "ms", 1000)
    finally:
        stub.stop()


def _memory(lab: _Lab) -> Iterator[Line]:
    before = lab.stack.hub.rss_bytes()
    for number in range(IDLE_SESSIONS):
        body = {"attach": True, "name": f"idle-{number}", "host": "lab"}
        if lab.api.post("/api/sessions", body).status != 201:
            raise RuntimeError("a session was refused")
    grown = max(0, lab.stack.hub.rss_bytes() - before)
    yield Line("hub memory per session", grown / IDLE_SESSIONS / 1000, "KB", 50)
