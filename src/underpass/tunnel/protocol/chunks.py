"""Joining and cutting deques of chunks, so that bytes rather than objects fill memory."""

from __future__ import annotations

from collections import deque

from underpass.tunnel.protocol.limits import MAX_DATA_BYTES, SMALL_CHUNKS

Chunks = deque[bytes]

SMALL_MASK = SMALL_CHUNKS - 1
"""Hot loops test `len & SMALL_MASK` themselves, before they pay for the call."""


def squeeze_now_and_then(chunks: Chunks) -> None:
    """To be called after each append: joins the last `SMALL_CHUNKS` when so many have come.

    Joined chunks are at most `MAX_DATA_BYTES` long, and each byte is copied about once.
    """
    if chunks and not len(chunks) & SMALL_MASK:
        _squeeze(chunks)


def take_up_to(chunks: Chunks, most: int) -> bytes:
    """Removes and returns the first `most` bytes, or all if there are fewer. `most` >= 1."""
    taken: list[bytes] = []
    room = most
    while chunks and room > 0:
        chunk = chunks.popleft()
        if len(chunk) > room:
            chunks.appendleft(chunk[room:])
            chunk = chunk[:room]
        taken.append(chunk)
        room -= len(chunk)
    return taken[0] if len(taken) == 1 else b"".join(taken)


def _squeeze(chunks: Chunks) -> None:
    tail = [chunks.pop() for _ in range(min(SMALL_CHUNKS, len(chunks)))]
    tail.reverse()
    group: list[bytes] = []
    size = 0
    for chunk in tail:
        if size + len(chunk) > MAX_DATA_BYTES and group:
            chunks.append(b"".join(group))
            group, size = [], 0
        group.append(chunk)
        size += len(chunk)
    if group:
        chunks.append(b"".join(group))
