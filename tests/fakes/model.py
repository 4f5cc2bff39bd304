"""A model behind a real link of a running hub, whose words the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.answers import DONE, delta, event
from tests.fakes.linked import SSE, LinkedPair, linked, read_all
from tests.fakes.registry import tunnel
from underpass.core.errors import TunnelError
from underpass.core.principal import Principal
from underpass.core.states import SessionStatus, TunnelStatus
from underpass.hub.services import Services
from underpass.store import SessionRecord, TunnelRecord, UserRecord
from underpass.tunnel.link import Head, Stream


class Speaker:
    """One request to the model, and its answer."""

    def __init__(self, stream: Stream, asked: dict[str, Any]) -> None:
        self.stream = stream
        self.asked = asked

    async def say(self, *words: str) -> None:
        """A chunk for each word."""
        for word in words:
            await self.stream.write(delta(content=word))

    async def send(self, data: bytes) -> None:
        """Bytes as they are."""
        await self.stream.write(data)

    async def finish(self, *words: str) -> None:
        """The words, and the end as servers send it."""
        await self.say(*words)
        usage = {"prompt_tokens": 1, "completion_tokens": len(words), "total_tokens": 1}
        await self.send(delta("stop") + event({"choices": [], "usage": usage}) + DONE)
        await self.stream.write_end()


class ScriptedModel:
    """`gpu/m` of one user. It answers by itself ("You said: …") until `is_scripted` is set."""

    def __init__(self, pair: LinkedPair) -> None:
        self.pair = pair
        self.is_scripted = False
        self._speakers: asyncio.Queue[Speaker] = asyncio.Queue()

    async def asked(self) -> Speaker:
        """The next request."""
        return await asyncio.wait_for(self._speakers.get(), 10)

    async def run(self) -> None:
        """Takes requests until it is cancelled."""
        while True:
            stream = await self.pair.opened()
            speaker = Speaker(stream, json.loads(await read_all(stream)))
            await stream.respond(Head(200, SSE))
            if self.is_scripted:
                self._speakers.put_nowait(speaker)
                continue
            try:
                await speaker.finish("You said: ", speaker.asked["messages"][-1]["content"])
            except TunnelError:
                continue  # stopped: the next one, please


@asynccontextmanager
async def scripted_model(services: Services, user: UserRecord) -> AsyncIterator[ScriptedModel]:
    """The model in the hub's registry, for as long as the block runs."""
    async with linked() as pair:
        model = ScriptedModel(pair)
        view = tunnel("gpu", "m", owner=Principal(user.id, user.name))
        services.registry.put_provider(view)
        assert view.tunnel_id is not None
        assert view.session_id is not None
        await services.store.sessions.add(
            SessionRecord(
                id=view.session_id,
                owner_id=user.id,
                name="gpu",
                created_at=1.0,
                status=SessionStatus.RUNNING,
                is_attached=True,
            )
        )
        await services.store.tunnels.add(
            TunnelRecord(
                id=view.tunnel_id,
                session_id=view.session_id,
                owner_id=user.id,
                name="gpu",
                target="127.0.0.1:8000",
                created_at=1.0,
                openai=True,
                status=TunnelStatus.RUNNING,
            )
        )
        services.registry.bind_tunnel(view.tunnel_id, pair.hub)
        running = asyncio.create_task(model.run())
        try:
            yield model
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            services.registry.unbind_tunnel(view.tunnel_id, pair.hub)
            services.registry.drop_provider(view.id)
