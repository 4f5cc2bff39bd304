"""An ASGI app on a real socket, served by uvicorn as the hub does, in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """The port that it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http="httptools", lifespan="off", log_config=None, access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.001)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


class RawClient:
    """A client that speaks HTTP/1.1 by hand, so that nothing is retried, pooled or hidden."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        """A new connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: bytes, *, length: int | None = None) -> None:
        """Sends a POST; `length` for a body of which this is only the beginning."""
        self.writer.write(
            f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ann\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n".encode()
            + body
        )
        await self.writer.drain()

    async def until(self, text: bytes) -> bytes:
        """Reads up to and with `text`."""
        return await self.reader.readuntil(text)

    async def rest(self) -> bytes:
        """Reads until the hub closes the connection."""
        return await self.reader.read()

    async def close(self) -> None:
        """Closes the connection as a program that ends does."""
        self.writer.close()
        await self.writer.wait_closed()

    def abort(self) -> None:
        """Resets the connection as a machine that dies does."""
        self.writer.transport.abort()
