"""The bytes of the wire do not change by accident: frames.txt is what peers rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wire.examples import ANSWER, HELLO, OPENING, WELCOME, examples, parsed
from underpass.tunnel.protocol.frames import HEADER, FrameType, read_credit, read_offset
from underpass.tunnel.protocol.handshake import HelloReader, read_welcome
from underpass.tunnel.protocol.heads import decode_head, decode_open
from underpass.tunnel.protocol.limits import LinkSettings

GOLDEN = parsed((Path(__file__).parent / "frames.txt").read_text())


def payload(name: str) -> bytes:
    """The payload of a golden frame."""
    return GOLDEN[name][HEADER.size :]


@pytest.mark.parametrize("name", sorted(examples()))
def test_the_codec_writes_the_golden_bytes(name: str) -> None:
    """Each frame is written byte for byte as the file has it."""
    assert examples()[name] == GOLDEN[name]


def test_every_frame_type_has_golden_bytes() -> None:
    """No frame type is left out, and the file has nothing that the codec does not write."""
    assert {whole[0] for whole in GOLDEN.values()} == {int(kind) for kind in FrameType}
    assert GOLDEN.keys() == examples().keys()


def test_the_golden_header_says_its_length() -> None:
    """type u8, flags u8, length u16, stream u32, big endian."""
    for whole in GOLDEN.values():
        assert int.from_bytes(whole[2:4], "big") == len(whole) - 8


def test_golden_bytes_are_read_back() -> None:
    """The readers get from the golden bytes what the writers were given."""
    assert decode_open(payload("OPEN")) == (OPENING, 262144)
    assert decode_head(payload("HEAD")) == ANSWER
    assert read_credit(payload("CREDIT")) == (131072, 393216)
    assert read_offset(payload("END")) == 4106
    assert HelloReader().feed(GOLDEN["HELLO"]) == HELLO
    assert read_welcome(payload("WELCOME"), LinkSettings()) == WELCOME
