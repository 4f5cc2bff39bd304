"""A TCP forwarder that a test can cut: the network between an agent and its hub."""

import asyncio
import socket
import struct
import time
from types import TracebackType


class Forwarder:
    """Listens on a loopback port and passes bytes to `target_port`, both ways, until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.is_refusing = False
        self.cuts = 0
        self.connections_seen = 0
        self.bytes_passed = 0
        self.connected_at = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_connected(self) -> bool:
        return bool(self._writers)

    async def __aenter__(self) -> "Forwarder":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._flowing.set()
        self._abort_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> int:
        """Resets every connection in both directions, in mid-air; how many there were."""
        self.cuts += 1
        return self._abort_all()

    def stall(self) -> None:
        """Bytes stop, connections stay: what a dropped route looks like."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def _abort_all(self) -> int:
        count = len(self._writers) // 2
        for writer in list(self._writers):
            _reset(writer)
        self._writers.clear()
        return count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections_seen += 1
        if self.is_refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, far_writer}
        self.connected_at = time.monotonic()
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            for end in (writer, far_writer):
                if not end.is_closing():
                    end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                self.bytes_passed += len(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST, so that bytes in flight are lost as on a broken line."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
