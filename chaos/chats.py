"""Chats as their people see them: questions whose numbered answers are read back from the hub."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from chaos.streams import EVENT_BYTES, Place
from chaos.tally import Row
from tests.fakes.stub_server import sse_event

_NUMBER = re.compile(r"(\d{9}) ")
_POLL_S = 0.1


def text_of(count: int) -> str:
    """What so many events of the stub say."""
    events = (sse_event(number, EVENT_BYTES)[6:] for number in range(count))
    return "".join(json.loads(event)["choices"][0]["delta"]["content"] for event in events)


@dataclass
class Chat:
    """One question that is being answered."""

    place: Place
    id: str
    count: int

    @classmethod
    async def ask(
        cls, client: aiohttp.ClientSession, place: Place, count: int, rate: float
    ) -> Chat:
        """Asks for so many events at that rate."""
        headers = place.headers
        url = f"{place.url}/api/chats"
        async with client.post(url, json={"model": place.model}, headers=headers) as answer:
            chat = (await answer.json())["id"]
        stub = {"chunks": count, "rate": rate, "chunk_bytes": EVENT_BYTES}
        body = {"content": "go", "settings": {"stub": stub}}
        async with client.post(f"{url}/{chat}/messages", json=body, headers=headers) as answer:
            if answer.status != 202:
                raise RuntimeError(f"a question was answered {answer.status}")
        return cls(place, chat, count)

    async def reply(self, client: aiohttp.ClientSession) -> dict[str, Any] | None:
        """The answer as it is stored now; None while the hub is away."""
        url = f"{self.place.url}/api/chats/{self.id}"
        try:
            async with client.get(url, headers=self.place.headers) as answer:
                if answer.status != 200:
                    return None
                message: dict[str, Any] = (await answer.json())["messages"][-1]
                return message
        except (aiohttp.ClientError, OSError):
            return None

    async def finish(self, client: aiohttp.ClientSession, row: Row, within_s: float) -> str:
        """Until it has ended; its status. What is missing or twice in it counts in the row."""
        deadline = time.monotonic() + within_s
        message: dict[str, Any] | None = None
        while time.monotonic() < deadline:
            message = await self.reply(client)
            if message is not None and message["status"] not in ("streaming", "waiting"):
                break
            await asyncio.sleep(_POLL_S)
        row.streams += 1
        if message is None:
            row.cut("a chat that cannot be read any more")
            return "unknown"
        status = str(message["status"])
        self._compare(str(message["content"]), status, row)
        row.expect(
            status in ("complete", "interrupted"),
            f"a chat ended as {status}: {message.get('error')}",
        )
        return status

    def _compare(self, content: str, status: str, row: Row) -> None:
        row.bytes += len(content)
        numbers = [int(one) for one in _NUMBER.findall(content)]
        whole = text_of(self.count)
        if not whole.startswith(content):
            row.expect(False, "a chat's text is not what was sent")
            wanted = set(range(numbers[-1] + 1 if numbers else 0))
            row.lost += EVENT_BYTES * len(wanted - set(numbers))
            row.doubled += EVENT_BYTES * (len(numbers) - len(set(numbers)))
        elif status == "complete":
            row.lost += len(whole) - len(content)
