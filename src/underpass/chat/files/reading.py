"""The hub's side of the reader's process: starts it, feeds it, believes it only so far."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from underpass.chat.files.documents import MAX_CHARS
from underpass.chat.files.media import DOCUMENTS, WHAT_WORKS
from underpass.core.errors import AppError, InvalidRequest, TooLarge, TooMany, UnsupportedMedia

TIME_S = 30.0
MEMORY_BYTES = 768 << 20
"""Of a reader's address space; its libraries take a quarter of it."""
AT_ONCE = 2
"""Readers at a time: each may take a core."""
MOST_WAITING = 20
# JSON writes a character as up to twelve bytes (a surrogate pair of escapes).
_MAX_OUT_BYTES = 12 * MAX_CHARS + 65_536


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a document; `pages` are pages, sheets or slides."""

    text: str
    pages: int | None
    media_type: str


class Readers:
    """Starts readers, two at a time; the others wait for their turn."""

    def __init__(self, *, time_s: float = TIME_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._time_s = time_s
        self._memory_bytes = memory_bytes
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def read(self, content: AsyncIterable[bytes], media_type: str) -> Reading:
        """A document's text. Raises InvalidRequest (`file_encrypted`, `file_unreadable`),
        TooLarge, UnsupportedMedia, TooMany."""
        if self._waiting >= MOST_WAITING:
            raise TooMany(
                "Many documents are being read already.",
                hint="Send the file again in a moment.",
                retry_after_s=5,
            )
        self._waiting += 1
        try:
            async with self._turn:
                return _reading(await self._run(content, media_type))
        finally:
            self._waiting -= 1

    async def _run(self, content: AsyncIterable[bytes], media_type: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-c", _START, *sys.path),
            *(media_type, str(self._memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},  # none of the hub's: a variable may hold a secret
            close_fds=True,
        )
        try:
            async with asyncio.timeout(self._time_s):
                _, said = await asyncio.gather(_feed(process, content), _taken(process))
                await process.wait()
        except TimeoutError:
            raise _unreadable("It takes too long to read.") from None
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()
        try:
            return json.loads(said)
        except ValueError:
            # It was ended by a limit of its own before it could say a word.
            raise _unreadable("It takes more memory or time to read than it may.") from None


# Isolated (`-I`) from the folder and the environment that the hub happened to be started with, and
# with the hub's own import path, so that it finds the same libraries.
_START = (
    "import sys; sys.path[:] = sys.argv[1:-2]; sys.argv[1:-2] = [];"
    "from underpass.chat.files.reader import main; main()"
)


async def _feed(process: asyncio.subprocess.Process, content: AsyncIterable[bytes]) -> None:
    assert process.stdin is not None
    async for data in content:
        try:
            process.stdin.write(data)
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            break  # a reader that has ended takes no more, and has said all there is to say
    process.stdin.close()


async def _taken(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    said = bytearray()
    while data := await process.stdout.read(65_536):
        said += data
        if len(said) > _MAX_OUT_BYTES:
            _kill(process)
            return b""
    return bytes(said)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        process.kill()


def _reading(said: Any) -> Reading:
    """What the reader said, checked: a parser that a document took over may say anything."""
    if not isinstance(said, dict):
        raise _unreadable("It is damaged.")
    problem = said.get("problem")
    if problem is not None:
        raise _PROBLEMS.get(str(problem), _unreadable)("It is damaged.")
    text, pages, media_type = said.get("text"), said.get("pages"), said.get("media_type")
    if not isinstance(text, str) or media_type not in DOCUMENTS:
        raise _unreadable("It is damaged.")
    return Reading(text, pages if isinstance(pages, int) else None, media_type)


def _unreadable(why: str) -> AppError:
    return InvalidRequest(
        f"The file cannot be read. {why}",
        code="file_unreadable",
        hint="Open it, save it anew, and add that; or paste its text.",
    )


def _encrypted(_why: str) -> AppError:
    return InvalidRequest(
        "The file is encrypted.",
        code="file_encrypted",
        hint="Save it without a password and add that.",
    )


def _too_big(_why: str) -> AppError:
    return TooLarge(
        "The file unpacks to far more than its size.",
        code="file_too_big",
        hint="Save it anew, without embedded media, and add that.",
    )


def _unsupported(_why: str) -> AppError:
    return UnsupportedMedia("The file is an archive that holds no document.", hint=WHAT_WORKS)


def _memory(_why: str) -> AppError:
    return _unreadable("It takes more memory to read than it may.")


_PROBLEMS = {
    "encrypted": _encrypted,
    "too_big": _too_big,
    "unsupported": _unsupported,
    "memory": _memory,
}
