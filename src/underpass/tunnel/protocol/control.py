"""Stream 0: JSON messages in order, each behind its u32 length, resumed like any other stream.

It has a window of its own outside the budgets, because it must work when they are used up.
A message is consumed as soon as it is whole, so the half's offsets always stand between two
messages as far as anything is kept.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from underpass.core.errors import BadFrame, FrameTooBig, TunnelError
from underpass.tunnel.protocol import texts
from underpass.tunnel.protocol.flow import Budget, Window
from underpass.tunnel.protocol.handshake import HalfState
from underpass.tunnel.protocol.limits import (
    CONTROL_BACKLOG_BYTES,
    CONTROL_WINDOW_BYTES,
    MAX_CONTROL_BYTES,
)
from underpass.tunnel.protocol.streams import Receiver, Sender

_LENGTH = Struct("!I")


class Control:
    """Both halves of stream 0 at one end."""

    __slots__ = ("_partial", "receiver", "sender")

    def __init__(self) -> None:
        self.sender = Sender(Budget(0), CONTROL_WINDOW_BYTES)
        self.receiver = _receiver(0)
        self._partial = bytearray()

    def queue(self, message: dict[str, Any]) -> None:
        """Takes one message for sending.

        Raises TunnelError: `control_too_big`, or `control_full` when too much waits already.
        """
        text = texts.dump(message)
        if len(text) > MAX_CONTROL_BYTES:
            raise TunnelError(
                f"A control message of {len(text)} bytes; the limit is {MAX_CONTROL_BYTES}.",
                code="control_too_big",
            )
        waiting = self.sender.written - self.sender.consumed
        if waiting + len(text) > CONTROL_BACKLOG_BYTES:
            raise TunnelError(
                f"{waiting} bytes of control messages wait for the peer.", code="control_full"
            )
        self.sender.append(_LENGTH.pack(len(text)) + text)

    def on_data(self, offset: int, data: bytes) -> list[tuple[dict[str, Any], int]]:
        """The messages that are whole now, with their bytes. Raises RemoteProtocolError kinds."""
        receiver = self.receiver
        if not receiver.on_data(offset, data):
            return []
        partial = self._partial
        while chunk := receiver.take():
            partial += chunk
            receiver.handed = 0
        messages = []
        position = 0
        while len(partial) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(partial, position)
            if length > MAX_CONTROL_BYTES:
                raise FrameTooBig(f"A control message of {length} bytes.")
            stop = position + _LENGTH.size + length
            if stop > len(partial):
                break
            text = bytes(partial[position + _LENGTH.size : stop])
            messages.append((texts.load_object(text, "A control message"), length))
            position = stop
        del partial[:position]
        receiver.consumed += position
        receiver.grant()
        return messages

    def half(self) -> HalfState:
        """What this end has, for HELLO and WELCOME."""
        receiver = self.receiver
        return HalfState(receiver.received, receiver.consumed, receiver.limit, has_end=False)

    def resume(self, half: HalfState) -> None:
        """The peer remembers: goes on from what it has. Raises BadFrame if that cannot be."""
        if half.has_end or not self.sender.rewind(
            half.received, half.consumed, half.limit, has_end=False
        ):
            raise BadFrame("The control stream cannot go on from where the peer says it is.")

    def receive_anew(self, offset: int) -> None:
        """The sender begins again at `offset`, between two messages."""
        self._partial.clear()
        self.receiver = _receiver(offset)

    def restart(self, half: HalfState) -> None:
        """The peer remembers nothing and takes up at our first message that was not consumed.

        Raises BadFrame if that cannot be.
        """
        if half.has_end or not self.sender.restart(half.received, half.limit):
            raise BadFrame("The control stream cannot begin where the peer says.")
        self.receive_anew(0)


def _receiver(offset: int) -> Receiver:
    receiver = Receiver(Window(Budget(0), CONTROL_WINDOW_BYTES))
    receiver.begin_at(offset)
    return receiver
