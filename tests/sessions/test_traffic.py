"""Bytes of tunnels, taken from the links."""

from typing import Any

from tests.sessions.conftest import PlayedAgent, World
from underpass.sessions.traffic import Traffic
from underpass.tunnel.link import Link, LinkStats


class CountingLink(Link):
    """A link that says how much passed, and carries nothing."""

    def __init__(self) -> None:
        self.passed = LinkStats(0, 0, 0)
        self.told: list[dict[str, Any]] = []

    @property
    def stats(self) -> LinkStats:
        return self.passed

    @property
    def streams(self) -> dict[int, Any]:
        return {}

    def send_control(self, message: dict[str, Any]) -> None:
        self.told.append(message)


async def test_bytes_are_added_up_and_pushed(world: World) -> None:
    """From the session's point of view: in is what it got, out is what it sent; pings are none."""
    session, _ = await world.sessions.attach(world.alice, name="box", host="a")
    link = CountingLink()
    agent = PlayedAgent(link, await world.sessions.link_up(session.id, link))  # type: ignore[arg-type]
    tunnel_id = await agent.serve("box")
    counting = Traffic(world.sessions._room)
    link.passed = LinkStats(bytes_in=900, bytes_out=300, streams=0)
    await counting.count()
    assert (await world.store.tunnels.get(tunnel_id)).bytes_out == 0
    with world.watch() as page:
        link.passed = LinkStats(bytes_in=50_000, bytes_out=3_000, streams=1)
        await counting.count()
        event = await anext(page)
        while event.kind != "tunnel":
            event = await anext(page)
        assert (event.item["bytes_in"], event.item["bytes_out"]) == (3_000, 50_000)
    link.passed = LinkStats(bytes_in=60_000, bytes_out=3_000, streams=0)
    await counting.count()
    assert (await world.store.tunnels.get(tunnel_id)).bytes_out == 60_000
