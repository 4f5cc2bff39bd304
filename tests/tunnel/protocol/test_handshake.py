"""HELLO and WELCOME as texts: any size, any cut, nothing believed."""

from __future__ import annotations

import pytest

from tests.tunnel.protocol.pair import LinkedPair, request
from underpass.core.errors import BadFrame, FrameTooBig
from underpass.tunnel.protocol.frames import Flag, FrameType, frame
from underpass.tunnel.protocol.handshake import (
    HalfState,
    Hello,
    HelloReader,
    StreamEntry,
    hello_frames,
)

NOTHING = HalfState(0, 0, 0, has_end=False)


def hello(table: tuple[StreamEntry, ...] = ()) -> Hello:
    """A HELLO with a table."""
    return Hello(
        link_id=None, token="", epoch=1, last_opened=5000, control=NOTHING, control_floor=0,
        table=table,
    )  # fmt: skip


def test_a_table_of_a_thousand_streams_takes_many_frames() -> None:
    """Tables are not limited by one frame's 16 KiB, nor is where the carrier cuts them."""
    table = tuple(
        StreamEntry(n, f"req_{n:0100d}", HalfState(n, n, n, has_end=True), n, is_durable=False)
        for n in range(1, 1025)
    )
    frames = hello_frames(hello(table))
    assert len(frames) > 5
    whole = b"".join(frames)
    reader = HelloReader()
    for cut in range(0, len(whole), 1000):
        found = reader.feed(whole[cut : cut + 1000])
    assert found == hello(table)


def test_a_link_with_a_thousand_streams_resumes() -> None:
    """All of them go on after a lost carrier, with their verdicts over many frames."""
    pair = LinkedPair().connect()
    pairs = [pair.answered(request(n)) for n in range(1024)]
    pair.lose()
    pair.connect()
    for at_hub, at_agent in pairs:
        pair.agent.write(at_agent, b"x")
        assert at_hub.error is None
    pair.settle()
    assert all(pair.hub.read(at_hub) == b"x" for at_hub, _ in pairs)


def test_a_handshake_without_end_is_cut_off() -> None:
    """MORE and MORE is over at a mebibyte; empty frames do not go on for ever either."""
    reader = HelloReader()
    with pytest.raises(FrameTooBig):
        for _ in range(100):
            reader.feed(frame(FrameType.HELLO, 0, bytes(16_000), Flag.MORE))
    with pytest.raises(BadFrame):
        HelloReader().feed(frame(FrameType.HELLO, 0, b"", Flag.MORE))


@pytest.mark.parametrize(
    "data",
    [
        frame(FrameType.PING, 0, bytes(8)),
        frame(FrameType.HELLO, 1, b"{}"),
        frame(FrameType.HELLO, 0, b"[]"),
        frame(FrameType.HELLO, 0, b'{"versions":[1],"token":"","epoch":true}'),
        b"".join(hello_frames(hello())) + b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_hello_is_a_bad_frame(data: bytes) -> None:
    """Another protocol, another frame, another shape: refused before any link is touched."""
    with pytest.raises(BadFrame):
        HelloReader().feed(data)


def test_a_stream_twice_in_a_table_is_a_bad_frame() -> None:
    """Two opinions about one stream cannot both be right."""
    entry = StreamEntry(1, "req", NOTHING, 0, is_durable=False)
    with pytest.raises(BadFrame):
        HelloReader().feed(b"".join(hello_frames(hello((entry, entry)))))
