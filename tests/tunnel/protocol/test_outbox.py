"""What goes out first, how much at once, and that data streams share."""

from __future__ import annotations

from dataclasses import replace

from tests.tunnel.protocol.pair import LinkedPair, request
from underpass.tunnel.protocol.frames import HEADER, FrameType
from underpass.tunnel.protocol.limits import MAX_MESSAGE_BYTES


def frames_of(message: bytes) -> list[tuple[FrameType, int, int]]:
    """`(type, stream, payload bytes)` of each frame in a message."""
    found = []
    position = 0
    while position < len(message):
        kind, _, length, stream_id = HEADER.unpack_from(message, position)
        found.append((FrameType(kind), stream_id, length))
        position += HEADER.size + length
    assert position == len(message)
    return found


def test_a_cancel_overtakes_everything_that_waits() -> None:
    """Behind megabytes of data, control and heads, CANCEL is the next message's first frame."""
    pair = LinkedPair().connect()
    streams = [pair.open(request(n))[0] for n in range(20)]
    for stream in streams:
        pair.hub.write(stream, bytes(60_000))
    pair.hub.send_control({"text": "x" * 100_000})
    pair.hub.open(request(99))
    pair.hub.data_to_send()
    pair.hub.cancel(streams[7], "client_gone")
    first, *_ = frames_of(pair.hub.data_to_send())
    assert first[:2] == (FrameType.CANCEL, streams[7].id)


def test_a_cancelled_stream_sends_nothing_more() -> None:
    """What it had queued stays behind."""
    pair = LinkedPair().connect()
    stream, _ = pair.open()
    pair.hub.write(stream, bytes(60_000))
    pair.hub.cancel(stream, "client_gone")
    assert [kind for kind, _, _ in frames_of(pair.hub.data_to_send())] == [FrameType.CANCEL]


def test_no_message_is_longer_than_was_asked_for() -> None:
    """Whatever waits, a pull is bounded, and what it leaves comes with the next ones."""
    pair = LinkedPair().connect()
    for number in range(30):
        stream = pair.hub.open(request(number))
        pair.hub.write(stream, bytes(50_000))
        pair.hub.end(stream)
    pair.hub.send_control({"text": "x" * 200_000})
    total = 0
    for most in [20_480, 20_481, 30_000, MAX_MESSAGE_BYTES] * 100:
        message = pair.hub.data_to_send(most)
        assert len(message) <= most
        total += sum(n - 8 for kind, number, n in frames_of(message) if kind == 0 and number)
    assert total == 30 * 50_000


def test_data_never_overtakes_the_open_of_its_stream() -> None:
    """Heads that fill whole messages still go before their streams' data."""
    pair = LinkedPair().connect()
    head = replace(request(), headers=(("x-long", "y" * 15_000),))
    for _ in range(20):
        pair.hub.write(pair.hub.open(head), b"prompt")
    opened: set[int] = set()
    while message := pair.hub.data_to_send():
        for kind, number, _ in frames_of(message):
            if kind is FrameType.OPEN:
                opened.add(number)
            assert number in opened
    assert len(opened) == 20


def test_streams_share_frame_by_frame() -> None:
    """A stream with megabytes and one with a token take turns."""
    pair = LinkedPair().connect()
    bulk, _ = pair.open(request(1))
    chat, _ = pair.open(request(2))
    pair.hub.write(bulk, bytes(64 * 1024))
    pair.hub.write(chat, b"token")
    order = [number for kind, number, _ in frames_of(pair.hub.data_to_send())]
    assert order[:2] == [bulk.id, chat.id]
    assert all(n <= 16 * 1024 for _, _, n in frames_of(pair.hub.data_to_send()))


def test_small_chunks_of_one_turn_leave_as_one_frame() -> None:
    """A hundred tokens that wait for one stream are one frame, not a hundred."""
    pair = LinkedPair().connect()
    stream, _ = pair.open()
    for _ in range(40):
        pair.hub.write(stream, b"token")
    assert frames_of(pair.hub.data_to_send()) == [(FrameType.DATA, stream.id, 8 + 200)]


def test_control_leaves_half_of_each_message_to_data() -> None:
    """A chatty agent's log lines cannot stop its answers."""
    pair = LinkedPair().connect()
    stream, _ = pair.open()
    pair.hub.send_control({"text": "x" * 200_000})
    pair.hub.write(stream, bytes(60_000))
    frames = frames_of(pair.hub.data_to_send())
    control = sum(n for kind, number, n in frames if number == 0)
    assert 0 < control <= MAX_MESSAGE_BYTES // 2
    assert any(number == stream.id for _, number, _ in frames)


def test_credit_for_many_reads_is_one_frame() -> None:
    """Credit is absolute: only the newest value is sent."""
    pair = LinkedPair().connect()
    at_hub, at_agent = pair.answered()
    for _ in range(10):
        pair.agent.write(at_agent, bytes(100_000))
        while data := pair.agent.data_to_send():
            pair.hub.receive_data(data, pair.now)
        while pair.hub.read(at_hub):
            pass
    frames = frames_of(pair.hub.data_to_send())
    assert [kind for kind, _, _ in frames] == [FrameType.CREDIT]


def test_pings_are_answered_once() -> None:
    """A flood of pings takes one answer's memory."""
    pair = LinkedPair().connect()
    pings = HEADER.pack(FrameType.PING, 0, 8, 0) + bytes(8)
    pair.hub.receive_data(pings * 1000, pair.now)
    assert frames_of(pair.hub.data_to_send()) == [(FrameType.PING, 0, 8)]
