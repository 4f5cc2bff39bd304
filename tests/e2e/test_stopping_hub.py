"""SIGTERM to a hub while answers are under way that will not end in time."""

import asyncio
import json
import signal
import time
from typing import Any

import aiohttp

from tests.e2e.conftest import MakeStack
from tests.rig.stack import Stack
from tests.rig.stub import StubProcess
from tests.rig.waiting import eventually


async def _ask(stack: Stack, key: str, **wish: Any) -> tuple[int, bytes]:
    body = {"model": "box/stub", "messages": [], **wish}
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(stack.url, headers=headers) as client:
        async with client.post("/v1/chat/completions", json=body) as answer:
            return answer.status, await answer.read()


async def test_long_answers_end_with_a_word_and_their_servers_are_freed(
    make_stack: MakeStack, stub_process: StubProcess
) -> None:
    """A stream gets a last event, a call a 503 in OpenAI's shape, and the GPU is free at once."""
    stack = await asyncio.to_thread(make_stack)
    alice = await asyncio.to_thread(stack.add_person, "alice")
    await asyncio.to_thread(stack.open_tunnel, alice, str(stub_process.port), "box")
    long = {"chunks": 10_000, "rate": 20, "tag": "stopping"}
    streaming = asyncio.create_task(_ask(stack, alice.key, stream=True, stub=long))
    silent = {"hang": "before_head", "tag": "stopping"}
    waiting = asyncio.create_task(_ask(stack, alice.key, stub=silent))
    await asyncio.to_thread(
        lambda: eventually(lambda: stub_process.open_requests("stopping") == 2, 10)
    )
    stack.hub.signal(signal.SIGTERM)
    await asyncio.to_thread(
        lambda: eventually(lambda: stack.api().get("/readyz").status == 503, 5, "it stops")
    )
    refused = await _ask(stack, alice.key)
    assert refused[0] == 503
    assert json.loads(refused[1])["error"]["code"] == "hub_stopping"
    status, body = await asyncio.wait_for(streaming, 20)
    assert status == 200
    assert b"hub_stopping" in body.split(b"data: ")[-1]
    status, body = await asyncio.wait_for(waiting, 20)
    assert status == 503
    assert json.loads(body)["error"]["code"] == "hub_stopping"
    ended_at = time.monotonic()
    await asyncio.to_thread(
        lambda: eventually(lambda: stub_process.open_requests("stopping") == 0, 5, "freed")
    )
    ends = [one["ended_at"] for one in stub_process.all_seen_of("stopping")]
    assert max(ends) - ended_at < 0.5
    assert await asyncio.to_thread(stack.hub.wait, 20) == 0
    assert "Exception" not in stack.hub.output()
