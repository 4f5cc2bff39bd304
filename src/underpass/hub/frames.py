"""WebSocket frames (RFC 6455 §5) as the hub reads and writes them after the handshake. Pure.

Ours and not a library's because of one path: a busy agent sends a thousand messages a second, and
each must cost next to nothing between the socket and the link (docs/decisions/0015). It is strict:
an agent that breaks the rules gets a close code, and nothing it sends makes the hub wait or grow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without its C part: the same, sixty times slower
    from websockets.utils import apply_mask

MAX_CONTROL_BYTES = 125
NO_CODE = 1005
"""Of a CLOSE that says nothing (RFC 6455 §7.1.5)."""
_FIN, _MASKED, _SIZE = 0x80, 0x80, 0x7F
_SIZE_16, _SIZE_64 = 126, 127
_MASK_BYTES = 4


class Opcode(IntEnum):
    """Kinds of frames."""

    CONT = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_WHOLE_BINARY = _FIN | Opcode.BINARY
_MESSAGES = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY})


class FrameFault(Exception):
    """The peer broke the rules; `code` is what it is closed with (RFC 6455 §7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Bytes of a client, cut anywhere, become messages.

    `take` gets each whole binary message, `control` each PING, PONG and CLOSE with its payload, both
    within `feed`. State: the pieces of the frame that is on its way, and of a message in fragments.
    """

    def __init__(
        self,
        take: Callable[[bytes], None],
        control: Callable[[Opcode, bytes], None],
        *,
        max_message_bytes: int,
    ) -> None:
        self._take = take
        self._control = control
        self._most = max_message_bytes
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = 0
        self._fragments: list[bytes] | None = None

    def feed(self, data: bytes) -> None:
        """Takes bytes. Raises FrameFault: 1002 broken, 1003 text, 1009 too big."""
        if self._need:
            # Joined once there is a whole frame, or a slow sender would make us copy all again and
            # again.
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._need = 0
        position, end = 0, len(data)
        while position < end:
            left = end - position
            if left < 2:
                self._wait(data, position, 2)
                return
            first, second = data[position], data[position + 1]
            size = second & _SIZE
            start = position + 2 + _MASK_BYTES
            if size >= _SIZE_16:
                more = 2 if size == _SIZE_16 else 8
                if left < 2 + more:
                    self._wait(data, position, 2 + more)
                    return
                size = int.from_bytes(data[position + 2 : position + 2 + more], "big")
                start += more
            if not second & _MASKED:
                raise FrameFault(1002, "not masked")
            if size > self._most:
                raise FrameFault(1009, "too big")
            stop = start + size
            if stop > end:
                self._wait(data, position, stop - position)
                return
            payload = apply_mask(data[start:stop], data[start - _MASK_BYTES : start])
            position = stop
            if first == _WHOLE_BINARY and self._fragments is None:
                self._take(payload)
            else:
                self._other(first, payload)

    def _wait(self, data: bytes, position: int, need: int) -> None:
        """The rest is the beginning of a frame of at least `need` bytes."""
        self._pieces.append(data[position:])
        self._have = len(data) - position
        self._need = need

    def _other(self, first: int, payload: bytes) -> None:
        """Everything but a whole binary message: fragments, control frames, and what is wrong."""
        is_last = bool(first & _FIN)
        try:
            opcode = Opcode(first & ~_FIN)
        except ValueError:  # an unknown kind, or a bit of an extension that nobody asked for
            raise FrameFault(1002, "unknown frame") from None
        if opcode not in _MESSAGES:
            if not is_last or len(payload) > MAX_CONTROL_BYTES:
                raise FrameFault(1002, "control frame")
            self._control(opcode, payload)
            return
        if opcode is Opcode.TEXT:
            raise FrameFault(1003, "binary only")
        if (opcode is Opcode.CONT) is (self._fragments is None):
            raise FrameFault(1002, "out of order")
        fragments = self._fragments = self._fragments or []
        fragments.append(payload)
        if sum(map(len, fragments)) > self._most:
            raise FrameFault(1009, "too big")
        if is_last:
            self._fragments = None
            self._take(b"".join(fragments))


def binary_frame(data: bytes) -> bytes:
    """A whole message from the server, which does not mask."""
    return _head(_WHOLE_BINARY, len(data)) + data


def control_frame(opcode: Opcode, payload: bytes) -> bytes:
    """PONG or CLOSE; `payload` of at most MAX_CONTROL_BYTES."""
    return _head(_FIN | opcode, len(payload)) + payload


def close_payload(code: int, reason: str) -> bytes:
    """What CLOSE carries; the reason is cut to what fits."""
    words = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore")
    return struct.pack("!H", code) + words.encode()


def read_close(payload: bytes) -> tuple[int, str]:
    """The code and reason of a CLOSE; NO_CODE when it has none."""
    if len(payload) < 2:
        return NO_CODE, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace")


def _head(first: int, size: int) -> bytes:
    if size < _SIZE_16:
        return bytes((first, size))
    if size < 1 << 16:
        return struct.pack("!BBH", first, _SIZE_16, size)
    return struct.pack("!BBQ", first, _SIZE_64, size)
