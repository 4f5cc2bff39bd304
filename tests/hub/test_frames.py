"""The hub's own reading of WebSocket frames, judged by a library's."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from underpass.hub.frames import (
    MAX_CONTROL_BYTES,
    FrameFault,
    FrameReader,
    Opcode,
    binary_frame,
    close_payload,
    control_frame,
    read_close,
)

MOST = 70_000


class Heard:
    """A reader and what it made of what it was fed."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.controls: list[tuple[Opcode, bytes]] = []
        self.reader = FrameReader(
            self.messages.append,
            lambda opcode, payload: self.controls.append((opcode, payload)),
            max_message_bytes=MOST,
        )

    def feed_cut(self, data: bytes, cuts: list[int]) -> None:
        """Feeds `data` in pieces."""
        places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        for start, stop in itertools.pairwise(places):
            self.reader.feed(data[start:stop])


def sent(opcode: int, payload: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    """A frame as a client writes it."""
    return Frame(TheirOpcode(opcode), payload, fin).serialize(mask=mask)


SIZES = st.sampled_from([0, 1, 7, 125, 126, 127, 200, 65_535, 65_536, MOST])
MESSAGES = st.lists(
    st.tuples(SIZES, st.integers(1, 4), st.none() | st.binary(max_size=20)), max_size=6
)


@given(MESSAGES, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_messages_come_whole_however_they_are_cut(
    wishes: list[tuple[int, int, bytes | None]], cuts: list[int]
) -> None:
    """In one frame or in fragments, with pings in between, cut anywhere on the way."""
    wire, wanted, pings = b"", [], []
    for size, count, ping in wishes:
        payload = bytes(number % 251 for number in range(size))
        step = size // count + 1
        parts = [payload[at : at + step] for at in range(0, max(size, 1), step)]
        for number, part in enumerate(parts):
            wire += sent(0 if number else 2, part, fin=number == len(parts) - 1)
            if ping is not None and number == 0:
                wire += sent(9, ping)
                pings.append((Opcode.PING, ping))
        wanted.append(payload)
    heard = Heard()
    heard.feed_cut(wire, cuts)
    assert heard.messages == wanted
    assert heard.controls == pings


@given(st.lists(SIZES, max_size=5), st.integers(0, 1 << 20))
def test_a_library_reads_what_the_hub_writes(sizes: list[int], cut: int) -> None:
    """Messages of each kind of length, a pong and a close."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=MOST)
    payloads = [bytes(size) for size in sizes]
    wire = b"".join(map(binary_frame, payloads)) + control_frame(Opcode.PONG, b"hi")
    wire += control_frame(Opcode.CLOSE, close_payload(1001, "é" * 200))
    cut %= len(wire)
    client.receive_data(wire[:cut])
    client.receive_data(wire[cut:])
    *messages, pong, close = [one for one in client.events_received() if isinstance(one, Frame)]
    assert [bytes(message.data) for message in messages] == payloads
    assert (pong.opcode, bytes(pong.data)) == (TheirOpcode.PONG, b"hi")
    assert len(close.data) <= MAX_CONTROL_BYTES
    assert read_close(bytes(close.data)) == (1001, "é" * 61)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (sent(2, b"x", mask=False), 1002),
        (sent(1, b"words"), 1003),
        (sent(0, b"the rest of nothing"), 1002),
        (sent(2, b"a", fin=False) + sent(2, b"b"), 1002),
        (sent(2, b"a", fin=False) + sent(1, b"b"), 1003),
        (bytes([0x83, 0x80, 0, 0, 0, 0]), 1002),  # an opcode that does not exist
        (bytes([0xC2, 0x80, 0, 0, 0, 0]), 1002),  # compressed, which was not agreed on
        (bytes([0x09, 0x80, 0, 0, 0, 0]), 1002),  # a ping in fragments
        (bytes([0x89, 0xFE, 0, 126, 0, 0, 0, 0]) + bytes(126), 1002),  # a ping of 126 bytes
        (bytes([0x82, 0xFF]) + (MOST + 1).to_bytes(8, "big"), 1009),  # said, and never sent
        (sent(2, bytes(MOST), fin=False) + sent(0, b"x"), 1009),
    ],
    ids=[  # a mask is random, and a test's name must not be
        *("unmasked", "text", "no beginning", "no end", "text in a message", "unknown opcode"),
        *("compressed", "ping in parts", "long ping", "too big", "too big in parts"),
    ],
)
def test_what_breaks_the_rules_has_a_code(wire: bytes, code: int) -> None:
    """And nothing of it is taken for a message."""
    heard = Heard()
    with pytest.raises(FrameFault) as caught:
        heard.reader.feed(wire)
    assert caught.value.code == code
    assert heard.messages == []
    assert heard.controls == []


def test_a_close_may_say_nothing() -> None:
    """Then its code is 1005, as the standard has it."""
    heard = Heard()
    heard.reader.feed(sent(8, b""))
    (kind, payload) = heard.controls[0]
    assert kind is Opcode.CLOSE
    assert read_close(payload) == (1005, "")


def test_a_slow_sender_does_not_make_the_hub_copy_all_again() -> None:
    """Of a frame that comes byte by byte each byte is held once until it is whole."""
    heard = Heard()
    wire = sent(2, bytes(MOST))
    for number in range(len(wire) - 1):
        heard.reader.feed(wire[number : number + 1])
    held = heard.reader._pieces
    assert sum(map(len, held)) == len(wire) - 1
    assert max(map(len, held)) <= 16  # only what is read of the head was ever joined
    heard.reader.feed(wire[-1:])
    assert heard.messages == [bytes(MOST)]
