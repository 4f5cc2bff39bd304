"""The ASGI client's end: its body in order, its leaving at once, bounded memory."""

import asyncio
from typing import Any

from underpass.gateway.client import READ_AHEAD_BYTES, Client


class Script:
    """Hands out messages and counts them."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.left = list(messages)
        self.never = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The next message, or nothing for ever."""
        await asyncio.sleep(0)
        if not self.left:
            await self.never.wait()
        return self.left.pop(0)


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    """One message of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def test_the_body_comes_in_order_and_ends() -> None:
    """Empty pieces are no end."""
    script = Script(part(b"a"), part(b""), part(b"b"), {"type": "http.request"})
    client = Client(script.receive, lambda: None)
    watching = asyncio.create_task(client.watch())
    assert [piece async for piece in client] == [b"a", b"b"]
    assert not client.is_gone
    watching.cancel()


async def test_leaving_is_told_once_in_every_phase() -> None:
    """In the middle of the body, and after it."""
    for messages in ([part(b"a")], [part(b"a", more=False)], []):
        told: list[bool] = []
        script = Script(*messages, {"type": "http.disconnect"})
        client = Client(script.receive, lambda told=told: told.append(True))  # type: ignore[misc]
        await client.watch()
        assert client.is_gone
        assert told == [True]


async def test_not_more_is_taken_than_has_room() -> None:
    """While nobody reads, the client's pieces stay with the client."""
    piece = b"x" * 65536
    script = Script(*[part(piece)] * 20, part(b"", more=False))
    client = Client(script.receive, lambda: None)
    watching = asyncio.create_task(client.watch())
    taken = READ_AHEAD_BYTES // len(piece) + 1
    while len(script.left) > 21 - taken:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(script.left) == 21 - taken
    assert len(b"".join([one async for one in client])) == 20 * len(piece)
    watching.cancel()
