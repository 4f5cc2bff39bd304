"""An agent's WebSocket, once it is accepted, as the carrier of its link.

uvicorn reads the request and writes the answer, a refusal too. From then on its protocol would put
each message through a parser, a queue and a task, and stop and start the reading of the socket
around it. Here a message goes from the socket's callback to the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from underpass.hub.frames import (
    NO_CODE,
    FrameFault,
    FrameReader,
    Opcode,
    binary_frame,
    close_payload,
    control_frame,
    read_close,
)
from underpass.tunnel.link import CarrierClosed

MAX_MESSAGE_BYTES = 2 << 20
"""Largest WebSocket message: a HELLO that resumes a thousand streams is a fifth of it."""
AGENT_SOCKET = "underpass.agent_socket"
"""Where the scope of a WebSocket has its AgentSocket."""

# RFC 6455 §7.4.1
_DONE = 1000
_GOING_AWAY = 1001


class AgentSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol until the agent is accepted, and then the wire under an AgentCarrier."""

    _carrier: AgentCarrier | None = None

    def handle_connect(self, event: Any) -> None:
        """uvicorn's; whoever accepts the agent finds this protocol in the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope[AGENT_SOCKET] = self  # type: ignore[literal-required]

    def carry(self) -> AgentCarrier:
        """After `websocket.accept`: from now on what comes is the carrier's."""
        carrier = self._carrier = AgentCarrier(self)
        # A link stays for days, most of them idle, and ten thousand may: what only the handshake
        # needed was a quarter of what each takes.
        self.scope["headers"] = []
        del self.queue, self.conn, self.request, self.response
        self.handshake_complete = True  # also where the agent went before the answer was written
        if self.disconnected:
            carrier.lost(1006, "")
        return carrier

    def data_received(self, data: bytes) -> None:
        """Bytes of the request, or of a message."""
        if self._carrier is None:
            super().data_received(data)
        else:
            self._carrier.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._carrier is None:
            super().connection_lost(exc)
            return
        self.connections.discard(self)
        self.disconnected = True
        self.writable.set()
        self._carrier.lost(1006, "")
        self._close_transport()

    def shutdown(self) -> None:
        """The server stops; links close theirs before, this is for what is left."""
        if self._carrier is None:
            super().shutdown()
            return
        self._carrier.end(_GOING_AWAY, "")
        self._close_transport()

    def _close_transport(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None
        self.transport.close()


class AgentCarrier:
    """A Carrier that pushes.

    State: `_end` says why it is over, `_early` came before anybody wanted it, and while there is
    any the socket is not read (`_is_held`).
    """

    def __init__(self, socket: AgentSocket) -> None:
        self._socket = socket
        self._write = socket.transport.write
        self._reader = FrameReader(
            self._arrived, self._control, max_message_bytes=MAX_MESSAGE_BYTES
        )
        self._take: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []
        self._is_held = False
        self._waiter: asyncio.Future[None] | None = None
        self._end: Exception | None = None

    async def send(self, data: bytes) -> None:
        """One message; waits while the transport is full. Raises CarrierClosed."""
        if self._end is not None:
            raise CarrierClosed
        self._write(binary_frame(data))
        writable = self._socket.writable
        if not writable.is_set():
            await writable.wait()

    async def receive(self) -> bytes:
        """The next message. Raises CarrierClosed, also when the peer sends text."""
        while not self._early:
            if self._end is not None:
                raise self._end
            await self._change()
        data = self._early.pop(0)
        if not self._early:
            self._hold(False)
        return data

    async def deliver(self, take: Callable[[bytes], None]) -> None:
        """Gives `take` each message in the turn in which it comes.

        Raises CarrierClosed at the end, and what `take` raises.
        """
        while self._early:
            take(await self.receive())
        self._take = take
        try:
            while self._end is None:
                await self._change()
            raise self._end
        finally:
            self._take = None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it; again is fine. The peer has a while to answer."""
        self.end(code, reason)

    # --- for the socket -----------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the agent."""
        try:
            self._reader.feed(data)
        except FrameFault as fault:
            self.end(fault.code, fault.reason)
        except Exception as error:  # noqa: BLE001 - a fault of the link's, which its owner is to get
            self._end = self._end or error
            self._wake()

    def lost(self, code: int, reason: str) -> None:
        """Nothing more will come."""
        if self._end is None:
            self._end = CarrierClosed(reason, code)
        self._wake()

    def end(self, code: int, reason: str) -> None:
        """Says CLOSE, once; the connection goes when the peer has answered, or soon."""
        socket = self._socket
        self.lost(code, reason)
        if socket.close_sent or socket.disconnected or socket.transport.is_closing():
            return
        socket.close_sent = True
        self._write(control_frame(Opcode.CLOSE, close_payload(code, reason)))
        socket.close_timer = socket.loop.call_later(socket.close_timeout, socket.transport.close)
        self._early.clear()
        self._hold(False)  # or the agent's answer would not be seen

    # --- what comes ---------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        if self._take is not None:
            self._take(data)
        elif self._end is None:
            # Nobody asks for more yet: the socket holds the rest back.
            self._early.append(data)
            self._hold(True)
            self._wake()

    def _control(self, opcode: Opcode, payload: bytes) -> None:
        if opcode is Opcode.PING:
            # An agent that pings and does not read gets no answers, or they would fill the memory.
            if self._socket.writable.is_set():
                self._write(control_frame(Opcode.PONG, payload))
        elif opcode is Opcode.CLOSE:
            code, reason = read_close(payload)
            self.lost(code, reason)
            self.end(_DONE if code == NO_CODE else code, "")  # an echo, unless theirs is one
            self._socket.transport.close()

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _hold(self, is_held: bool) -> None:
        transport = self._socket.transport
        if is_held is self._is_held or transport.is_closing():
            return
        self._is_held = is_held
        if is_held:
            transport.pause_reading()
        else:
            transport.resume_reading()
