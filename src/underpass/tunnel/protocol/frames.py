"""The frame codec: header, payload shapes and nothing about what they mean.

A frame is `type u8 | flags u8 | length u16 | stream u32`, big endian, and `length` bytes.
Encoders return whole frames. Decoders take a payload and raise `BadFrame`.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

from underpass.core.errors import BadFrame
from underpass.tunnel.protocol.limits import MAX_OFFSET, MAX_PAYLOAD_BYTES, MAX_REASON_CHARS


class FrameType(IntEnum):
    """What a frame is. The values are the wire's; see docs/protocol.md."""

    DATA = 0
    END = 1
    CREDIT = 2
    OPEN = 3
    HEAD = 4
    CANCEL = 5
    RELEASE = 6
    PING = 7
    GOAWAY = 8
    HELLO = 9
    WELCOME = 10
    CLOSE = 11


class Flag(IntFlag):
    """Meanings depend on the type; a flag that a type does not name is a `BadFrame`."""

    NONE = 0
    ACK = 1
    """PING: this is the answer. CANCEL: received, forget the stream."""
    MORE = 2
    """HELLO, WELCOME: the next frame goes on with the same text."""
    BLOCKED = 4
    """DATA: the sender has more and no credit; a larger window would help."""
    CLOSING = 8
    """GOAWAY: the carrier is about to be closed; without it only new streams are refused."""


ALLOWED_FLAGS: dict[FrameType, int] = {
    FrameType.DATA: Flag.BLOCKED,
    FrameType.END: 0,
    FrameType.CREDIT: 0,
    FrameType.OPEN: 0,
    FrameType.HEAD: 0,
    FrameType.CANCEL: Flag.ACK,
    FrameType.RELEASE: 0,
    FrameType.PING: Flag.ACK,
    FrameType.GOAWAY: Flag.CLOSING,
    FrameType.HELLO: Flag.MORE,
    FrameType.WELCOME: Flag.MORE,
    FrameType.CLOSE: 0,
}

HEADER = Struct("!BBHI")
DATA_HEADER = Struct("!BBHIQ")
CREDIT_FRAME = Struct("!BBHIQQ")
_OFFSET = Struct("!Q")
_TWO_OFFSETS = Struct("!QQ")

PING_BYTES = 8


def frame(kind: FrameType, stream_id: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One whole frame. The payload must be within `MAX_PAYLOAD_BYTES`."""
    return HEADER.pack(kind, flags, len(payload), stream_id) + payload


def data_frame(stream_id: int, offset: int, data: bytes, flags: int = 0) -> bytes:
    """DATA: `data` begins at the stream's absolute `offset`; it may be empty."""
    return DATA_HEADER.pack(FrameType.DATA, flags, 8 + len(data), stream_id, offset) + data


def end_frame(stream_id: int, final: int) -> bytes:
    """END: the half is `final` bytes long."""
    return DATA_HEADER.pack(FrameType.END, 0, 8, stream_id, final)


def credit_frame(stream_id: int, consumed: int, limit: int) -> bytes:
    """CREDIT: `consumed` bytes need not be kept any more, and up to `limit` may be sent."""
    return CREDIT_FRAME.pack(FrameType.CREDIT, 0, 16, stream_id, consumed, limit)


def cancel_frame(stream_id: int, reason: str) -> bytes:
    """CANCEL with a reason of at most `MAX_REASON_CHARS` characters (longer ones are cut)."""
    text = reason[:MAX_REASON_CHARS].encode("utf-8", "replace")
    return frame(FrameType.CANCEL, stream_id, text)


def text_frames(kind: FrameType, text: bytes) -> list[bytes]:
    """A HELLO or WELCOME text cut into frames, all but the last with MORE."""
    cuts = range(0, max(len(text), 1), MAX_PAYLOAD_BYTES)
    pieces = [text[cut : cut + MAX_PAYLOAD_BYTES] for cut in cuts]
    last = len(pieces) - 1
    return [
        frame(kind, 0, piece, 0 if number == last else Flag.MORE)
        for number, piece in enumerate(pieces)
    ]


def read_offset(payload: bytes) -> int:
    """The payload of END. Raises BadFrame."""
    if len(payload) != _OFFSET.size:
        raise BadFrame(f"An offset of {len(payload)} bytes instead of 8.")
    (offset,) = _OFFSET.unpack(payload)
    return _checked(offset)


def read_credit(payload: bytes) -> tuple[int, int]:
    """`(consumed, limit)` of CREDIT. Raises BadFrame."""
    if len(payload) != _TWO_OFFSETS.size:
        raise BadFrame(f"A CREDIT of {len(payload)} bytes instead of 16.")
    consumed, limit = _TWO_OFFSETS.unpack(payload)
    if limit < consumed:
        raise BadFrame("A CREDIT whose limit is below what was consumed.")
    return _checked(consumed), _checked(limit)


def read_reason(payload: bytes) -> str:
    """The reason of CANCEL. Raises BadFrame."""
    try:
        reason = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise BadFrame("A CANCEL reason that is not UTF-8.") from None
    if len(reason) > MAX_REASON_CHARS:
        raise BadFrame(f"A CANCEL reason of over {MAX_REASON_CHARS} characters.")
    return reason


def check_header(kind: int, flags: int) -> FrameType:
    """The frame's type. Raises BadFrame for an unknown one or for flags it does not have."""
    try:
        known = FrameType(kind)
    except ValueError:
        raise BadFrame(f"Unknown frame type {kind}.") from None
    if flags & ~ALLOWED_FLAGS[known]:
        raise BadFrame(f"{known.name} with unknown flags {flags:#x}.")
    return known


def _checked(offset: int) -> int:
    if offset > MAX_OFFSET:
        raise BadFrame("An offset over 2^63 - 1.")
    return offset
