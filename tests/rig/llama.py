"""A real llama-server on an ephemeral loopback port, with the tiny model."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.rig.needs import find_llama_server
from tests.rig.processes import Process, free_port
from tests.rig.waiting import eventually

SLOTS = 4
CONTEXT_PER_SLOT = 32768


class LlamaServer:
    """The server's process and what a test wants to know of it: its address and its busy slots."""

    def __init__(self, model: Path, log: Path, extra: list[str] | None = None) -> None:
        self.model = model
        self.port = free_port()
        self.log = log
        self._extra = extra or []
        self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _start(self) -> None:
        arguments = ["-m", str(self.model), "--alias", "tiny", "--host", "127.0.0.1"]
        arguments += ["--port", str(self.port), "-c", str(SLOTS * CONTEXT_PER_SLOT)]
        arguments += ["-np", str(SLOTS), "-t", "1", "--metrics", "--slots", "--jinja", "--no-ui"]
        # Without this, what an earlier request left in the cache changes usage and timings.
        arguments += ["--cache-ram", "0", "--embeddings", "--pooling", "mean", *self._extra]
        self.process = Process([find_llama_server(), *arguments], self.log)
        self.process.wait_until_listening(self.port)
        eventually(self.is_ready, 30, "llama-server's /health")

    def restart(self) -> None:
        """The same server on the same port again, as after a crash."""
        self.process.stop()
        self._start()

    def stop(self) -> None:
        self.process.stop()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        return bool(self.get("/health")["status"] == "ok")

    def active_slots(self) -> int:
        """How many slots generate right now."""
        return sum(1 for slot in self.get("/slots") if slot["is_processing"])

    def wait_for_slot_release(self, within_s: float = 0.25) -> None:
        """Until no slot is busy: the machine is free for the next request."""
        eventually(lambda: self.active_slots() == 0, within_s, "all slots of llama-server free")

    def waiting_requests(self) -> int:
        """How many requests wait for a slot: they are here, and have no byte of an answer yet."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(
            int(float(line.split()[1]))
            for line in lines
            if line.startswith("llamacpp:requests_deferred")
        )

    def callers(self) -> set[tuple[str, int]]:
        """The peers whose connections are whole; one that has closed its end is not among them."""
        return {
            (one.raddr.ip, one.raddr.port)
            for one in psutil.Process(self.process.pid).net_connections(kind="tcp")
            if one.raddr and one.laddr.port == self.port and one.status == psutil.CONN_ESTABLISHED
        }

    def cancels(self) -> int:
        """How many requests it has given up because their client went away, by its own log."""
        return self.process.output().count("cancel task")

    def wait_for_cancel(self, before: int, within_s: float) -> None:
        """Until it gave up one more. For non-streaming calls: asking for the slots keeps the server
        from noticing, as each answer starts its one-second wait for a result anew."""
        eventually(lambda: self.cancels() > before, within_s, "a cancel in llama-server's log")

    def wait_for_busy_slot(self, within_s: float = 10.0) -> None:
        eventually(lambda: self.active_slots() > 0, within_s, "a busy slot of llama-server")
