"""The room of sessions over a real store, registry and feed; agents and scheduler are played."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.waiting import eventually_async
from underpass import store as stores
from underpass.clusters.fake import FakeCluster
from underpass.core.clock import FakeClock
from underpass.core.ids import new_id
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS
from underpass.registry.feed import Feed, Watcher
from underpass.registry.live import Registry
from underpass.sessions.attendant import Attendant
from underpass.sessions.room import Live, SessionSettings
from underpass.sessions.service import Sessions
from underpass.store import SessionRecord, Store, UserRecord
from underpass.tunnel.link import LinkUse


class PlayedLink:
    """A link as this room sees one: what the hub said to the agent stands in `told`."""

    def __init__(self) -> None:
        self.is_up = True
        self.told: list[dict[str, Any]] = []
        self.use = LinkUse(opened=0, streams=0, answering=0, raw_bytes=0)
        self.drained: list[str] = []

    def drain(self, reason: str = "") -> None:
        self.drained.append(reason)

    def request(self, answering: int = 0) -> None:
        """Somebody asks; `answering`: so many requests are under way from now on."""
        self.use = LinkUse(self.use.opened + 1, answering, answering, 0)

    def send_control(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    async def open(self, head: Any) -> Any:
        raise NotImplementedError

    def last(self, kind: str) -> dict[str, Any]:
        return next(m for m in reversed(self.told) if m["type"] == kind)


class PlayedAgent:
    """Says what an agent says."""

    def __init__(self, link: PlayedLink, attendant: Attendant) -> None:
        self.link = link
        self.attendant = attendant

    async def say(self, kind: str, **more: Any) -> None:
        await self.attendant.on_control({"type": kind, **more})

    async def hello(self, host: str = "gpu-17") -> None:
        await self.say("agent.hello", version="1", host=host, scheduler=None)

    async def offer(
        self, target: str = "8000", name: str | None = None, openai: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Offers a tunnel and returns the hub's answer."""
        before = len(self.link.told)
        await self.say("tunnel.offer", ref="r1", name=name, target=target, openai=openai, **more)
        (answer,) = [m for m in self.link.told[before:] if m.get("ref") == "r1"]
        return answer

    async def ready(
        self,
        tunnel_id: str,
        state: str = "running",
        models: tuple[str, ...] = ("tiny",),
        **more: Any,
    ) -> None:
        listed = [{"id": model, "max_model_len": 4096} for model in models]
        await self.say("tunnel.readiness", tunnel_id=tunnel_id, state=state, models=listed, **more)

    async def serve(self, name: str | None = None, target: str = "8000") -> str:
        """Hello, offer, ready; the tunnel's id."""
        await self.hello()
        answer = await self.offer(target, name)
        assert answer["type"] == "tunnel.accepted", answer
        await self.ready(answer["tunnel_id"])
        return str(answer["tunnel_id"])


class World:
    """A room of sessions, its fake cluster, its clock, and two users and an admin."""

    def __init__(self, store: Store, cluster: FakeCluster, clock: FakeClock) -> None:
        self.store = store
        self.cluster = cluster
        self.clock = clock
        self.registry = Registry()
        self.feed = Feed()
        self.alice = Principal("usr_alice", "alice")
        self.bob = Principal("usr_bob", "bob")
        self.root = Principal("usr_root", "root", is_admin=True)
        self.sessions = self._make()

    def _make(self) -> Sessions:
        return Sessions(
            self.store,
            self.registry,
            self.feed,
            local=self.cluster,
            clock=self.clock,
            settings=SessionSettings(
                is_local_for_everyone=True, tick_s=0.01, public_url="https://hub.test"
            ),
        )

    async def restart_hub(self) -> None:
        """A new hub process over the same store and cluster."""
        await self.sessions.close()
        self.registry, self.feed = Registry(), Feed()
        self.sessions = self._make()
        await self.sessions.load()

    def watch(self, who: Principal | None = None) -> Watcher:
        return self.feed.watch((who or self.alice).user_id)

    async def start(self, **more: Any) -> SessionRecord:
        """Alice starts a demo session on the fake cluster."""
        fields: dict[str, Any] = {"template": "demo", "name": "box"}
        return await self.sessions.start(self.alice, **fields | more)

    async def agent(self, session_id: str) -> PlayedAgent:
        """The session's agent dials in."""
        link = PlayedLink()
        return PlayedAgent(link, await self.sessions.link_up(session_id, link))

    async def running(self, **more: Any) -> tuple[SessionRecord, PlayedAgent, str]:
        """A launched session that answers: its record, agent and tunnel id."""
        session = await self.start(**more)
        await self.until(session.id, "queued", has_job=True)
        tag = self.cluster.orders[-1].tag
        self.cluster.run(tag)
        agent = await self.agent(session.id)
        tunnel_id = await agent.serve(self.cluster.orders[-1].tunnel)
        await self.until(session.id, "running")
        return await self.get(session.id), agent, tunnel_id

    async def get(self, session_id: str) -> SessionRecord:
        return await self.store.sessions.get(session_id)

    async def live(self, session_id: str) -> Live:
        return await self.sessions.live_for_tunnel(session_id)

    async def pass_time(self, seconds: float, steps: int = 4) -> None:
        """Time passes, and the reconciler looks."""
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            await self.settle()

    async def settle(self) -> None:
        """Until every session was looked at and nothing that was asked is under way."""
        for _ in range(3):
            await self.sessions.reconciler.tick()
            await self.sessions.reconciler.idle()
            for live in list(self.sessions._room.live.values()):
                async with live.lock:  # the reconciler's own loop may be in the middle
                    pass

    async def until(self, session_id: str, status: str, *, has_job: bool = False) -> SessionRecord:
        """Until the session has this status (time passes as far as polls need it)."""

        async def has_it() -> SessionRecord | None:
            await self.settle()
            found = await self.get(session_id)
            if found.status == status and (found.job_id is not None or not has_job):
                return found
            self.clock.advance(1)
            return None

        try:
            found: SessionRecord | None = await eventually_async(has_it, 10, f"session {status}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.live(session_id)}") from None
        assert found is not None
        return found

    async def until_ended(self, session_id: str) -> SessionRecord:
        async def ended() -> SessionRecord | None:
            await self.settle()
            found = await self.get(session_id)
            self.clock.advance(1)
            return found if found.status in SESSION_ENDS else None

        found: SessionRecord | None = await eventually_async(ended, 10, "the session has ended")
        assert found is not None
        return found

    async def provider(self, name: str = "box", who: Principal | None = None) -> dict[str, Any]:
        """The provider of that name, as the API shows it."""
        found = await self.sessions.providers(who or self.alice)
        return next(p for p in found if p["name"] == name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await stores.open(f"sqlite:///{tmp_path / 'hub.db'}")
    for name in ("alice", "bob", "root"):
        await store.users.add(
            UserRecord(id=f"usr_{name}", name=name, display_name=name, created_at=0.0)
        )
    made = World(store, FakeCluster(poll_interval_s=0.5), FakeClock())
    await made.sessions.load()
    yield made
    await made.sessions.close()
    await store.close()


def an_id(prefix: str) -> str:
    """An id that nothing has."""
    return new_id(prefix)
