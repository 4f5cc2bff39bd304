"""Keeps the part of a body that came before its model was known: in memory, then in a file.

The file has no name in any folder, is never synced on purpose, and is gone when it is closed or
the process ends: what a user typed does not stay on a disk.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from typing import IO

from underpass.core.errors import StorageError

READ_BYTES = 256 * 1024


class Spool:
    """Bytes in order: first those in the file, then those in memory. Written once, read once."""

    def __init__(self, memory_bytes: int, folder: str | None) -> None:
        self.size = 0
        self._memory_bytes = memory_bytes
        self._folder = folder
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._file: IO[bytes] | None = None

    @property
    def is_on_disk(self) -> bool:
        """Whether a part of it has left the memory."""
        return self._file is not None

    async def add(self, data: bytes) -> None:
        """Takes the next bytes. Raises StorageError when the disk does not."""
        self.size += len(data)
        self._parts.append(data)
        self._parts_bytes += len(data)
        if self._parts_bytes > self._memory_bytes:
            batch, self._parts, self._parts_bytes = b"".join(self._parts), [], 0
            try:
                # A disk may take seconds to answer, and the loop serves everyone.
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                raise StorageError(
                    "The hub has no room to receive this request.",
                    hint="Put 'model' first in the body, or tell the hub's admin.",
                ) from error

    def in_memory(self) -> bytes:
        """All of it, if nothing has left the memory."""
        assert self._file is None
        return b"".join(self._parts)

    async def read(self) -> AsyncGenerator[bytes, None]:
        """All of it, in pieces, from the beginning."""
        if self._file is not None:
            await asyncio.to_thread(self._file.seek, 0)
            while piece := await asyncio.to_thread(self._file.read, READ_BYTES):
                yield piece
        for part in self._parts:
            yield part

    def close(self) -> None:
        """Forgets everything."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, batch: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        view = memoryview(batch)
        while view:
            view = view[self._file.write(view) :]
