"""The network between one agent and its hub, as a TCP forwarder that breaks in the ways networks do.

It works below TLS and WebSocket: what it cuts is cut in the middle of whatever was on its way.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from types import TracebackType
from typing import cast

_CHECK_S = 0.1
_ADDRESSES = itertools.count(2)
_HIGH_BYTES = 256 * 1024


class Line:
    """Listens on a loopback port and passes bytes to `target_port` until told otherwise.

    `max_age_s`: a proxy that cuts each connection at that age; `idle_s`: one that cuts a silent one.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.max_age_s: float | None = None
        self.idle_s: float | None = None
        self.cuts = 0
        """Connections that ended by a rule of this line (age, silence)."""
        self.bytes_passed = 0
        self.source = "127.0.0.1"
        self.cut_at: int | None = None
        self.is_refusing = False
        """New connections are reset."""
        self._server: asyncio.Server | None = None
        self._pairs: set[Pair] = set()
        self.connecting: set[asyncio.Task[None]] = set()
        """On their way to the target."""
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """What the agent takes for its hub."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def current(self) -> Pair | None:
        """The newest connection that passes bytes both ways."""
        alive = [pair for pair in self._pairs if pair.is_alive]
        return max(alive, key=lambda pair: pair.since) if alive else None

    async def __aenter__(self) -> Line:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Near(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        assert self._watching is not None
        self._server.close()
        under_way = [self._watching, *self.connecting]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        while self._pairs:
            for pair in list(self._pairs):
                pair.reset()
            await asyncio.sleep(0)

    # --- faults: each answers whether there was a connection to hit ----------------------------

    def reset(self) -> bool:
        """RST to both ends at once."""
        pair = self.current
        if pair is not None:
            pair.reset()
        return pair is not None

    def reset_within(self, count: int) -> bool:
        """RST to both ends when so many more bytes have passed: in the middle of a message."""
        self.cut_at = self.bytes_passed + count
        return self.current is not None

    def reset_one_end(self) -> bool:
        """RST to the agent; the hub hears nothing and keeps a connection that is dead."""
        pair = self.current
        if pair is not None:
            pair.swallow()
            _reset(pair.near)
        return pair is not None

    def half_close(self, *, toward_hub: bool) -> bool:
        """One direction ends with FIN; in the other one bytes still pass."""
        pair = self.current
        if pair is not None:
            pair.half_close(toward_hub=toward_hub)
        return pair is not None

    def change_address(self) -> bool:
        """As a laptop that changes networks: the old connection is dead, the next one comes from
        elsewhere."""
        self.source = f"127.0.0.{next(_ADDRESSES) % 250 + 2}"
        return self.reset_one_end()

    def stall(self) -> bool:
        """Bytes stop both ways, connections stay."""
        pair = self.current
        if pair is not None:
            pair.hold()
        return pair is not None

    def flow(self) -> None:
        """Bytes go on."""
        for pair in self._pairs:
            pair.let_go()

    # --- inside ------------------------------------------------------------------------------

    def add(self, pair: Pair) -> None:
        """A new connection."""
        self._pairs.add(pair)

    def forget(self, pair: Pair) -> None:
        """It is over."""
        self._pairs.discard(pair)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            now = time.monotonic()
            for pair in list(self._pairs):
                is_old = self.max_age_s is not None and now - pair.since > self.max_age_s
                is_idle = self.idle_s is not None and now - pair.heard > self.idle_s
                if pair.is_alive and (is_old or is_idle):
                    self.cuts += 1
                    pair.reset()


class Pair:
    """One connection of the agent and the one to the hub that belongs to it."""

    def __init__(self, line: Line, near: asyncio.Transport) -> None:
        self.line = line
        self.near = near
        self.far: asyncio.Transport | None = None
        self.since = self.heard = time.monotonic()
        self.is_alive = False
        self.passes_up = True
        self.passes_down = True

    def pass_on(self, data: bytes, *, up: bool) -> None:
        """Bytes of one end for the other."""
        to = self.far if up else self.near
        self.heard = time.monotonic()
        if to is None or to.is_closing() or not (self.passes_up if up else self.passes_down):
            return
        line = self.line
        if line.cut_at is not None and line.bytes_passed + len(data) >= line.cut_at:
            part = data[: max(0, line.cut_at - line.bytes_passed)]
            line.cut_at = None
            line.bytes_passed += len(part)
            to.write(part)
            self.reset()
            return
        line.bytes_passed += len(data)
        to.write(data)

    def swallow(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self.passes_up = self.passes_down = self.is_alive = False

    def half_close(self, *, toward_hub: bool) -> None:
        """FIN one way."""
        self.is_alive = False
        to = self.far if toward_hub else self.near
        if toward_hub:
            self.passes_up = False
        else:
            self.passes_down = False
        if to is not None and not to.is_closing():
            to.write_eof()

    def hold(self) -> None:
        """Read from neither end."""
        for end in (self.near, self.far):
            if end is not None and not end.is_closing():
                end.pause_reading()

    def let_go(self) -> None:
        """Read from both again."""
        for end in (self.near, self.far):
            if end is not None and not end.is_closing():
                end.resume_reading()

    def reset(self) -> None:
        """RST to both."""
        self.swallow()
        _reset(self.near)
        if self.far is not None:
            _reset(self.far)

    def ended(self, *, up: bool, is_whole: bool) -> None:
        """One end said FIN (`is_whole`) or is gone."""
        this, other = (self.near, self.far) if up else (self.far, self.near)
        was_alive, self.is_alive = self.is_alive, False
        if other is None or other.is_closing():
            # Nobody is left whom this end could still hear from: half open it would stay for ever.
            if this is not None:
                this.abort()
            self.line.forget(self)
        elif was_alive and is_whole:
            other.write_eof()
        elif was_alive or self.passes_up or self.passes_down:
            other.abort()


class Near(asyncio.Protocol):
    """The agent's end."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.pair = Pair(self._line, self.transport)
        self._line.add(self.pair)
        connecting = asyncio.create_task(self._connect())
        self._line.connecting.add(connecting)
        connecting.add_done_callback(self._line.connecting.discard)

    async def _connect(self) -> None:
        loop, line = asyncio.get_running_loop(), self._line
        if line.is_refusing:
            _reset(self.transport)
            return
        try:
            transport, _ = await loop.create_connection(
                lambda: Far(self.pair), "127.0.0.1", line.target_port, local_addr=(line.source, 0)
            )
        except OSError:
            _reset(self.transport)
            return
        self.pair.far = transport
        transport.set_write_buffer_limits(high=_HIGH_BYTES)
        self.pair.is_alive = not self.transport.is_closing()
        early, self._early = self._early, []
        for piece in early:
            self.pair.pass_on(piece, up=True)
        if self.transport.is_closing():
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.pair.far is None:
            self._early.append(data)
        else:
            self.pair.pass_on(data, up=True)

    def eof_received(self) -> bool:
        self.pair.ended(up=True, is_whole=True)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.pair.ended(up=True, is_whole=False)

    def pause_writing(self) -> None:
        if self.pair.far is not None:
            self.pair.far.pause_reading()

    def resume_writing(self) -> None:
        if self.pair.far is not None and not self.pair.far.is_closing():
            self.pair.far.resume_reading()


class Far(asyncio.Protocol):
    """The hub's end."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def data_received(self, data: bytes) -> None:
        self._pair.pass_on(data, up=False)

    def eof_received(self) -> bool:
        self._pair.ended(up=False, is_whole=True)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._pair.ended(up=False, is_whole=False)

    def pause_writing(self) -> None:
        self._pair.near.pause_reading()

    def resume_writing(self) -> None:
        if not self._pair.near.is_closing():
            self._pair.near.resume_reading()


def _reset(transport: asyncio.Transport) -> None:
    """Closes with RST, so that bytes in flight are lost as on a broken line."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
