"""A client that goes away frees the model server within 250 ms: on every route, streaming or not,
before the first byte and after it."""

import asyncio
import json
import socket
import struct
import time
import uuid
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import World
from tests.rig.api import Api
from tests.rig.llama import SLOTS
from tests.rig.waiting import eventually

BOUND_S = 0.25
# llama-server itself notices the close of a non-streaming client only once or twice a second.
LOOK_S = 2.0
"""What a look at another process's connections may take on a busy machine; the bound itself is
measured where the stub notes the moment by its own clock."""
LLAMA_OWN_S = 1.5
JSON_ROUTES = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v1/score",
    "/v1/audio/speech",
    "/tokenize",
    "/detokenize",
]
FORM_ROUTES = ["/v1/audio/transcriptions", "/v1/audio/translations"]
STREAMING_ROUTES = [*JSON_ROUTES[:2], "/v1/responses", "/v1/messages"]
BEFORE = {"hang": "before_head"}
AFTER_HEAD = {"hang": "after_head"}
MIDDLE = {"chunks": 100_000, "rate": 100}


class Caller:
    """A client that is nothing but a socket, so that going away is exactly that."""

    def __init__(self, world: World, path: str, body: bytes, content_type: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", world.stack.port), timeout=10)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {world.alice.key}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def wait_for_bytes(self, text: bytes) -> None:
        got = b""
        while text not in got:
            piece = self.socket.recv(65536)
            assert piece, got
            got += piece

    def go_away(self, is_reset: bool = False) -> float:
        """Closes, as a program that ended (or, with RST, as one that crashed); when."""
        if is_reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        moment = time.monotonic()
        self.socket.close()
        return moment


def _json_body(behaviour: dict[str, Any], tag: str, **more: Any) -> bytes:
    body = {"model": "stub/stub", "messages": [], "stub": {**behaviour, "tag": tag}, **more}
    return json.dumps(body).encode()


def _form_body(behaviour: dict[str, Any], tag: str) -> tuple[bytes, str]:
    fields = {"model": "stub/stub", "stub": json.dumps({**behaviour, "tag": tag})}
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append('--edge\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n')
    return ("".join(parts) + "x" * 1000 + "\r\n--edge--\r\n").encode(), (
        "multipart/form-data; boundary=edge"
    )


def _check_freed(world: World, tag: str, moment: float) -> None:
    seen = world.stub.wait_seen(tag, "disconnected")
    assert seen["ended_at"] - moment < BOUND_S, f"took {seen['ended_at'] - moment:.3f} s"


@pytest.mark.parametrize("path", JSON_ROUTES + FORM_ROUTES)
@pytest.mark.parametrize("is_reset", [False, True], ids=["fin", "rst"])
def test_before_the_first_byte(world: World, path: str, is_reset: bool) -> None:
    """The server is still silent; the close reaches it all the same."""
    tag, kind = uuid.uuid4().hex, "application/json"
    body = _json_body(BEFORE, tag)
    if path in FORM_ROUTES:
        body, kind = _form_body(BEFORE, tag)
    caller = Caller(world, path, body, kind)
    world.stub.wait_seen(tag)
    _check_freed(world, tag, caller.go_away(is_reset))


@pytest.mark.parametrize("path", STREAMING_ROUTES)
def test_streaming_before_the_first_byte(world: World, path: str) -> None:
    """A streaming call that has no byte yet, with and without its head."""
    for behaviour in (BEFORE, AFTER_HEAD):
        tag = uuid.uuid4().hex
        caller = Caller(world, path, _json_body(behaviour, tag, stream=True), "application/json")
        world.stub.wait_seen(tag)
        _check_freed(world, tag, caller.go_away())


@pytest.mark.parametrize("path", STREAMING_ROUTES)
def test_in_the_middle_of_a_stream(world: World, path: str) -> None:
    """Events are flowing when the client leaves."""
    tag = uuid.uuid4().hex
    caller = Caller(world, path, _json_body(MIDDLE, tag, stream=True), "application/json")
    caller.wait_for_bytes(b"000000005")
    _check_freed(world, tag, caller.go_away())


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_in_the_middle_of_a_whole_answer(world: World, path: str) -> None:
    """A non-streaming answer has its head and no body yet."""
    tag = uuid.uuid4().hex
    caller = Caller(world, path, _json_body(AFTER_HEAD, tag), "application/json")
    world.stub.wait_seen(tag)
    _check_freed(world, tag, caller.go_away())


def test_while_a_slow_reader_has_stopped_reading(world: World) -> None:
    """Every window on the way is full when the client leaves; the cancel overtakes the data."""
    tag = uuid.uuid4().hex
    body = _json_body({"chunks": 10_000_000, "chunk_bytes": 4000}, tag, stream=True)
    caller = Caller(world, "/v1/chat/completions", body, "application/json")

    readings = [0]

    def is_stuck() -> bool:
        """Two readings in a row, a step of the poll apart, are the same."""
        readings.append(world.stub.wait_seen(tag)["bytes_sent"])
        return 0 < readings[-2] == readings[-1]

    eventually(is_stuck, 20, "the stub is held back by the windows")
    _check_freed(world, tag, caller.go_away())


@pytest.mark.parametrize("path", STREAMING_ROUTES)
def test_llama_server_is_free_again(world: World, path: str) -> None:
    """The real server's slot is released when a streaming client leaves."""
    caller = Caller(world, path, _llama_body(is_stream=True), "application/json")
    caller.wait_for_bytes(b"data: ")
    world.llama.wait_for_busy_slot()
    caller.go_away()
    world.llama.wait_for_slot_release(BOUND_S)


def test_llama_server_is_free_again_after_a_whole_answer_was_awaited(world: World) -> None:
    """Also for a non-streaming call, in the time that the server itself takes to notice."""
    body = {"model": "llama/tiny", "max_tokens": 30000}
    body |= {"messages": [{"role": "user", "content": "go on"}]}
    before = world.llama.cancels()
    caller = Caller(world, "/v1/chat/completions", json.dumps(body).encode(), "application/json")
    world.llama.wait_for_busy_slot()
    caller.go_away()
    world.llama.wait_for_cancel(before, BOUND_S + LLAMA_OWN_S)
    world.llama.wait_for_slot_release(BOUND_S)


@pytest.mark.parametrize("path", STREAMING_ROUTES)
def test_llama_server_sees_it_before_the_first_byte(world: World, path: str) -> None:
    """All slots are taken, so the request waits: its connection is closed all the same."""
    taken = [
        Caller(world, STREAMING_ROUTES[0], _llama_body(is_stream=True), "application/json")
        for _ in range(SLOTS)
    ]
    try:
        eventually(lambda: world.llama.active_slots() == SLOTS, 10, "all slots taken")
        for is_stream in (True, False):
            # llama-server gives it its slot later, though its connection is closed: a short one.
            waiting = world.llama.waiting_requests()
            body = _llama_body(is_stream=is_stream, tokens=2)
            caller = Caller(world, path, body, "application/json")
            eventually(partial(_is_waiting, world, waiting + 1), 10, "it waits for a slot")
            there = world.llama.callers()
            caller.go_away()
            eventually(partial(_is_one_gone, world, there), BOUND_S + LOOK_S)
    finally:
        for one in taken:
            one.go_away()
        eventually(lambda: world.llama.active_slots() == 0, 20)


def _is_waiting(world: World, count: int) -> bool:
    return world.llama.waiting_requests() == count


def _is_one_gone(world: World, before: set[tuple[str, int]]) -> bool:
    return bool(before - world.llama.callers())


def _llama_body(*, is_stream: bool, tokens: int = 30_000) -> bytes:
    """A request that any of the generating routes takes, and that is as a rule not over soon."""
    message = {"role": "user", "content": "go on"}
    body = {"model": "llama/tiny", "stream": is_stream, "messages": [message]}
    body |= {"prompt": "go on", "input": "go on"}
    return json.dumps({**body, "max_tokens": tokens, "max_output_tokens": tokens}).encode()


async def test_a_hundred_at_once(world: World) -> None:
    """A hundred clients that leave together free a hundred requests."""
    tag = uuid.uuid4().hex
    callers = [
        await asyncio.to_thread(
            Caller,
            world,
            "/v1/chat/completions",
            _json_body(MIDDLE, f"{tag}-{number}", stream=True),
            "application/json",
        )
        for number in range(100)
    ]
    for caller in callers:
        await asyncio.to_thread(caller.wait_for_bytes, b"000000001")
    for caller in callers:
        caller.go_away()
    moment = time.monotonic()

    def open_ones() -> list[Any]:
        return [r for r in world.stub.all_seen() if r["tag"].startswith(tag) and not r["ended_at"]]

    await asyncio.to_thread(lambda: eventually(lambda: not open_ones(), 5))
    ends = [r["ended_at"] for r in world.stub.all_seen() if r["tag"].startswith(tag)]
    assert len(ends) == 100
    assert max(ends) - moment < 2 * BOUND_S
    assert Api(world.stack.url).get("/healthz").status == 200
