"""One slow client, tunnel or server slows nobody else, and memory is bounded at each hop."""

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import psutil

from tests.e2e.conftest import World
from tests.rig.waiting import Steady, eventually

STALLED = 10
MOST_MEMORY_BYTES = 120_000_000  # ten windows of 4 MiB at each hop, and what they are wrapped in


@contextlib.contextmanager
def _stalled_clients(world: World, count: int) -> Iterator[str]:
    """Clients that ask for an endless answer and never read it, until every window is full."""
    tag = uuid.uuid4().hex
    sockets = []
    for number in range(count):
        wish = {"chunks": 10_000_000, "chunk_bytes": 8000, "tag": f"{tag}-{number}"}
        body = json.dumps({"model": "stub/stub", "stream": True, "stub": wish}).encode()
        stalled = socket.create_connection(("127.0.0.1", world.stack.port), timeout=10)
        stalled.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {world.alice.key}\r\nContent-Type: application/json\r\n\r\n".encode()
            + body
        )
        sockets.append(stalled)

    def sent() -> list[int]:
        found = [r["bytes_sent"] for r in world.stub.all_seen() if r["tag"].startswith(tag)]
        return found if len(found) == count and all(found) else []

    eventually(Steady(sent, 0.3), 40, "all stalled streams are held back")
    try:
        yield tag
    finally:
        for stalled in sockets:
            stalled.close()


def test_stalled_clients_slow_nobody_and_take_little(world: World) -> None:
    """Beside ten clients that do not read, a stream through the same tunnel keeps its pace."""
    agent = world.stack.agents[1]
    before = world.stack.hub.rss_bytes(), agent.rss_bytes()
    with _stalled_clients(world, STALLED):
        began = time.monotonic()
        wish = {"chunks": 100, "rate": 100}
        answer = world.hub.post(
            "/v1/chat/completions", {"model": "stub/stub", "stream": True, "stub": wish}
        )
        took = time.monotonic() - began
        assert answer.body.count(b"data: {") == 100
        assert took < 3
        assert world.stack.hub.rss_bytes() - before[0] < MOST_MEMORY_BYTES
        assert agent.rss_bytes() - before[1] < MOST_MEMORY_BYTES


def test_a_silent_server_slows_no_other_tunnel(world: World) -> None:
    """Fifty calls that hang at one server leave the other one as quick as ever."""
    tag = uuid.uuid4().hex
    hanging = []
    for number in range(50):
        wish = {"hang": "before_head", "tag": f"{tag}-{number}"}
        body = {"model": "stub/stub", "stub": wish}
        thread = threading.Thread(target=_call_and_give_up, args=(world, body), daemon=True)
        thread.start()
        hanging.append(thread)
    eventually(
        lambda: sum(r["tag"].startswith(tag) for r in world.stub.all_seen()) == 50, 20, "all hang"
    )
    question = {"model": "llama/tiny", "messages": [], "prompt": "hi", "max_tokens": 1}
    answer = world.hub.post("/v1/completions", question, timeout_s=3)
    assert answer.status == 200
    for thread in hanging:
        thread.join(10)


def _call_and_give_up(world: World, body: dict[str, object]) -> None:
    with contextlib.suppress(OSError):
        world.hub.post("/v1/chat/completions", body, timeout_s=4)


def test_nobody_outside_is_called(world: World) -> None:
    """Hub and agents hold connections to this machine alone: nothing was called that was not set."""
    assert world.hub.post("/v1/embeddings", {"model": "llama/tiny", "input": "x"}).status == 200
    for process in (world.stack.hub, *world.stack.agents):
        family = psutil.Process(process.pid)
        for one in (family, *family.children(recursive=True)):
            remote = {c.raddr.ip for c in one.net_connections(kind="inet") if c.raddr}
            assert all(ip.startswith("127.") or ip == "::1" for ip in remote), remote


def test_agents_listen_on_nothing(world: World) -> None:
    """An agent only ever dials out, also while it carries streams."""
    for agent in world.stack.agents:
        listening = [c for c in psutil.Process(agent.pid).net_connections() if c.status == "LISTEN"]
        assert listening == []
