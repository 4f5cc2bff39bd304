"""The table of links, over carriers in memory; the room of sessions is played."""

import asyncio
from typing import Any

import pytest

from tests.rig.waiting import eventually_async
from tests.tunnel.memory import MemoryCarrier, carrier_pair
from underpass.core.errors import AppError, LinkRefused, NotFound, StorageError
from underpass.hub import links as module
from underpass.hub.links import LinkCredential, Links
from underpass.tunnel.link import Link, receive_hello
from underpass.tunnel.protocol.agent import AgentLink

BOX = LinkCredential("ses_1", "usr_1")


class PlayedSessions:
    """Writes down what it is told, as `session: what`."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.trouble: AppError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_full = False

    def check_disk(self) -> None:
        if self.is_full:
            raise StorageError("The disk is full.")

    async def link_up(self, session_id: str, link: Link) -> "PlayedAttendant":
        if self.trouble is not None:
            raise self.trouble
        self.heard.append(f"{session_id}: up")
        return PlayedAttendant(self, session_id)

    async def cluster_link_up(self, cluster_id: str, link: Link) -> "PlayedAttendant":
        self.heard.append(f"{cluster_id}: cluster up")
        return PlayedAttendant(self, cluster_id)


class PlayedAttendant:
    """One link's."""

    def __init__(self, room: PlayedSessions, name: str) -> None:
        self.room = room
        self.name = name

    async def on_control(self, message: dict[str, Any]) -> None:
        await self.room.gate.wait()
        self.room.heard.append(f"{self.name}: {message['type']}")
        if message["type"] == "bad":
            raise ValueError("a bug")
        if message["type"] == "unstorable":
            raise StorageError("The database failed.")
        self.room.check_disk()

    async def link_down(self) -> None:
        self.room.heard.append(f"{self.name}: down")

    async def link_up_again(self) -> None:
        self.room.check_disk()
        self.room.heard.append(f"{self.name}: up again")

    async def link_closed(self, reason: str) -> None:
        self.room.heard.append(f"{self.name}: closed {reason}")


class Rig:
    """A table of links, and agents that connect to it."""

    def __init__(self, **settings: Any) -> None:
        self.room = PlayedSessions()
        self.links = Links(self.room, **settings)
        self.tasks: list[asyncio.Task[Any]] = []

    async def connect(
        self, link: Link | None = None, credential: LinkCredential = BOX
    ) -> tuple[Link, MemoryCarrier]:
        """An agent's link, new or the one given, on a new carrier."""
        agent = link or Link(AgentLink())
        carrier = await self._dial(agent, credential)
        await eventually_async(lambda: agent.is_up or agent.is_closed, 5, "up")
        return agent, carrier

    async def attempt(self, agent: Link) -> None:
        """Connects, and waits until that is over again."""
        await self._dial(agent, BOX)
        async with asyncio.timeout(5):
            await asyncio.wait(self.tasks)

    async def _dial(self, agent: Link, credential: LinkCredential) -> MemoryCarrier:
        near, far = carrier_pair()
        self._spawn(agent.serve(near))
        hello = await receive_hello(far)
        self._spawn(self.links.serve(far, hello, credential))
        return near

    async def heard(self, *wanted: str) -> None:
        await eventually_async(lambda: self.room.heard == list(wanted), 5, f"{self.room.heard}")

    def _spawn(self, work: Any) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def close(self) -> None:
        await self.links.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def rig() -> Any:
    """A new table."""
    rig = Rig()
    yield rig
    await rig.close()


async def test_the_room_hears_everything_in_order(rig: Rig) -> None:
    """Up, what the agent says, down, up again, the end."""
    agent, carrier = await rig.connect()
    agent.send_control({"type": "agent.hello"})
    await rig.heard("ses_1: up", "ses_1: agent.hello")
    carrier.cut()
    await rig.heard("ses_1: up", "ses_1: agent.hello", "ses_1: down")
    await rig.connect(agent)
    agent.send_control({"type": "session.ended"})
    await eventually_async(lambda: "ses_1: session.ended" in rig.room.heard, 5, "heard")
    await agent.close("done")
    await rig.heard(
        *("ses_1: up", "ses_1: agent.hello", "ses_1: down", "ses_1: up again"),
        *("ses_1: session.ended", "ses_1: closed bye"),
    )
    assert rig.links.of("ses_1") is None
    assert rig.links.counts() == {"up": 0, "down": 0, "streams": 0, "window_bytes": 0}


async def test_an_agent_that_was_replaced_while_it_was_cut_off_does_not_take_over_again(
    rig: Rig,
) -> None:
    """It never heard that another one came; it hears it when it is back, and leaves."""
    older, carrier = await rig.connect()
    carrier.cut()
    newer, _ = await rig.connect()
    await rig.heard("ses_1: up", "ses_1: down", "ses_1: closed replaced", "ses_1: up")
    await rig.connect(older)
    assert older.is_closed
    assert isinstance(older.close_error, LinkRefused)
    assert older.close_error.code == "replaced"
    assert newer.is_up
    await newer.close("done")
    again, _ = await rig.connect()
    assert again.is_up


async def test_an_agent_whose_grace_is_over_begins_anew(rig: Rig) -> None:
    """Nobody took over meanwhile: its old link's name is no reason to send it away."""
    agent, carrier = await rig.connect()
    link = rig.links.of("ses_1")
    assert link is not None
    carrier.cut()
    await eventually_async(lambda: not link.is_up, 5, "down")
    await link.close("grace", code="gone")
    near, far = carrier_pair()
    dialling = asyncio.ensure_future(agent.serve(near))
    hello = await receive_hello(far)
    near.cut()
    await rig.links.serve(far, hello, BOX)  # and its first WELCOME is lost
    await dialling
    await rig.connect(agent)
    assert agent.is_up
    assert agent.is_fresh


async def test_a_lost_first_welcome_begins_no_second_link(rig: Rig) -> None:
    """After a restart the agent names its old link until it hears of the new one: it is the same
    agent, not another one that takes over."""
    before = Rig()
    agent, carrier = await before.connect()
    carrier.cut()
    near, far = carrier_pair()
    dialling = asyncio.ensure_future(agent.serve(near))
    hello = await receive_hello(far)
    near.cut()
    await rig.links.serve(far, hello, BOX)
    await dialling
    begun = rig.links.of("ses_1")
    await rig.connect(agent)
    await rig.heard("ses_1: up", "ses_1: down", "ses_1: up again")
    assert agent.is_fresh
    assert rig.links.of("ses_1") is begun
    await before.close()


async def test_a_cluster_is_told_from_a_session(rig: Rig) -> None:
    """By its credential."""
    await rig.connect(credential=LinkCredential("cls_1", None, is_cluster=True))
    await rig.heard("cls_1: cluster up")


async def test_the_end_of_the_older_comes_before_the_newer(rig: Rig) -> None:
    """The room never sees two agents of one session at once, however slow it is."""
    first, _ = await rig.connect()
    rig.room.gate.clear()
    first.send_control({"type": "slow"})
    await rig.heard("ses_1: up")
    second, _ = await rig.connect()
    second.send_control({"type": "new"})
    rig.room.gate.set()
    await rig.heard(
        *("ses_1: up", "ses_1: slow", "ses_1: closed replaced", "ses_1: up", "ses_1: new")
    )
    assert first.is_closed


async def test_one_odd_message_ends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a bug of ours nor something that can never be stored takes the link away."""
    monkeypatch.setattr(module, "SAID_AGAIN_S", 0.0)
    agent, _ = await rig.connect()
    for kind in ("bad", "unstorable", "good"):
        agent.send_control({"type": kind})
    await rig.heard("ses_1: up", "ses_1: bad", "ses_1: unstorable", "ses_1: good")
    assert agent.is_up


async def test_news_that_cannot_be_stored_now_is_told_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that comes back while the disk is full is known to be back once it is not."""
    monkeypatch.setattr(module, "FIRST_AGAIN_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_AGAIN_S", 0.01)
    agent, carrier = await rig.connect()
    await rig.heard("ses_1: up")
    rig.room.is_full = True
    carrier.cut()
    await rig.connect(agent)
    await rig.heard("ses_1: up", "ses_1: down")
    agent.send_control({"type": "later"})
    await asyncio.sleep(0)
    rig.room.is_full = False
    await rig.heard("ses_1: up", "ses_1: down", "ses_1: up again", "ses_1: later")


async def test_a_session_that_is_gone_turns_its_agent_away(rig: Rig) -> None:
    """For good."""
    rig.room.trouble = NotFound("Gone.")
    agent, _ = await rig.connect()
    await eventually_async(lambda: agent.is_closed, 5, "closed")
    assert agent.close_error is not None
    assert agent.close_error.code == "stopped"
    assert rig.links.of("ses_1") is None


async def test_a_session_that_cannot_be_looked_up_may_come_again(rig: Rig) -> None:
    """A full disk is no reason to stay away for ever."""
    rig.room.trouble = StorageError("Full.")
    agent = Link(AgentLink())
    await rig.attempt(agent)
    assert not agent.is_closed
    rig.room.trouble = None
    await rig.connect(agent)
    await rig.heard("ses_1: up")


async def test_nobody_gets_anothers_link(rig: Rig) -> None:
    """Naming a link that belongs to another session is refused, and changes nothing."""
    agent, carrier = await rig.connect()
    carrier.cut()
    await rig.heard("ses_1: up", "ses_1: down")
    thief, _ = await rig.connect(agent, LinkCredential("ses_2", "usr_2"))
    assert thief.is_closed
    assert thief.close_error is not None
    assert thief.close_error.code == "not_allowed"
    assert rig.links.of("ses_1") is not None
    assert rig.links.of("ses_2") is None


async def test_an_agent_that_floods_loses_lines_and_then_its_link(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a slow room is bounded: log lines go first."""
    monkeypatch.setattr(module, "MAX_NEWS", 5)
    agent, _ = await rig.connect()
    await rig.heard("ses_1: up")
    rig.room.gate.clear()
    for _ in range(20):
        agent.send_control({"type": "session.log"})
    await asyncio.sleep(0)
    live = rig.links._by_owner["ses_1"]
    await eventually_async(lambda: live._lost_lines > 0, 5, "lines are lost")
    assert agent.is_up
    for _ in range(7):
        agent.send_control({"type": "tunnel.offer"})
    await eventually_async(lambda: agent.is_closed, 5, "the link is closed")
    rig.room.gate.set()
    await eventually_async(lambda: rig.room.heard[-1] == "ses_1: closed flood", 5, "told")
    assert len(rig.room.heard) <= 9


async def test_what_waits_is_bounded_in_bytes_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few large messages fill memory as well as many small ones; told ones make room again."""
    monkeypatch.setattr(module, "MAX_NEWS_BYTES", 10_000)
    agent, _ = await rig.connect()
    await rig.heard("ses_1: up")
    live = rig.links._by_owner["ses_1"]
    for _ in range(10):
        agent.send_control({"type": "tunnel.offer", "x": "y" * 5000})
        await eventually_async(lambda: live._bytes_waiting == 0, 5, "told")
    rig.room.gate.clear()
    for _ in range(5):
        agent.send_control({"type": "tunnel.offer", "x": "y" * 5000})
    await eventually_async(lambda: agent.is_closed, 5, "the link is closed")
    rig.room.gate.set()
    await eventually_async(lambda: rig.room.heard[-1] == "ses_1: closed flood", 5, "told")


async def test_a_users_links_end_together(rig: Rig) -> None:
    """And only theirs; the agents do not come back."""
    mine, _ = await rig.connect()
    other, _ = await rig.connect(credential=LinkCredential("ses_2", "usr_2"))
    await rig.links.close_of_user("usr_1", "user_disabled")
    await eventually_async(lambda: mine.is_closed, 5, "closed")
    assert mine.close_error is not None
    assert mine.close_error.code == "revoked"
    assert other.is_up


async def test_stopping_closes_carriers_and_not_links(rig: Rig) -> None:
    """The agents come back with their streams."""
    agent, _ = await rig.connect()
    rig.links.drain(1.0)
    assert rig.links.is_draining
    await rig.links.stop()
    await eventually_async(lambda: not agent.is_up, 5, "down")
    assert not agent.is_closed
