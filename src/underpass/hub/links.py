"""The links that are up or in their grace, and what is told to the room of sessions about each.

A Link outlives its carriers: it stays in the table while it is down, so that an agent that comes
back finds its streams. For each link one task tells the room of sessions what happened, in order
and one thing at a time; the link itself never waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import structlog

from underpass.core.errors import (
    AppError,
    LinkRefused,
    LocalProtocolError,
    NotAllowed,
    NotFound,
    RemoteProtocolError,
    StorageError,
)
from underpass.core.ids import new_id
from underpass.hub.mailbox import Mailbox
from underpass.tunnel.link import Carrier, Link, LinkState, Stream, refuse
from underpass.tunnel.protocol.flow import Budget
from underpass.tunnel.protocol.handshake import Hello
from underpass.tunnel.protocol.hub import HubLink
from underpass.tunnel.protocol.limits import LinkSettings

MAX_NEWS = 1000
"""Control messages of one link that may wait; more, and log lines are lost before the link is."""
MAX_NEWS_BYTES = 4 << 20
"""And so many bytes of them: as objects they take up to thirty times as much."""
PASSING = frozenset({"session.log", "session.gauges", "session.progress"})
"""What may be lost while more waits than may: the next of them says more, or as much."""
FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.2, 5.0
SAID_AGAIN_S = 60.0
"""What is told again while nothing can be stored: at first soon, and for how long."""
MAX_ENDED = 10_000
"""So many ended links are remembered, about 2 MB."""
REPLACED = "Another agent took over this session."

_log = structlog.get_logger("underpass.links")


class Attendant(Protocol):
    """What the room of sessions gives for each link."""

    async def on_control(self, message: dict[str, Any]) -> None:
        """The agent said something."""

    async def link_down(self) -> None:
        """The carrier is lost; the link is in its grace."""

    async def link_up_again(self) -> None:
        """The link has a new carrier."""

    async def link_closed(self, reason: str) -> None:
        """The link is over."""


class Greeter(Protocol):
    """The part of the room of sessions that links are told to."""

    async def link_up(self, session_id: str, link: Link) -> Attendant:
        """A session's agent is connected. Raises NotFound, NotAllowed."""

    async def cluster_link_up(self, cluster_id: str, link: Link) -> Attendant:
        """A joined cluster's agent is connected. Raises NotFound, NotAllowed."""


class Keeper(Protocol):
    """The part of the room of chats that goes on with answers that an agent kept for it."""

    def adoptable(self, session_id: str) -> Mapping[str, int]:
        """Request id → from which byte on its answer is wanted."""

    def adopt(self, stream: Stream) -> None:
        """Here is one of them."""


@dataclass(frozen=True, slots=True)
class LinkCredential:
    """Whose agent it is. `id` is the session's or the cluster's."""

    id: str
    user_id: str | None
    is_cluster: bool = False


class News(Enum):
    """What happens to a link besides control messages."""

    UP = "up"
    DOWN = "down"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class _Said:
    """One control message that waits to be told, and its bytes on the wire."""

    message: dict[str, Any]
    size: int


class Links:
    """All links of this hub process, by id and by what they belong to."""

    def __init__(
        self,
        greeter: Greeter,
        keeper: Keeper | None = None,
        *,
        grace_s: float = 60.0,
        memory_bytes: int = 512 << 20,
    ) -> None:
        self._greeter = greeter
        self._keeper = keeper
        self._settings = LinkSettings(grace_s=grace_s)
        self._budget = Budget(memory_bytes)
        self._by_id: dict[str, LiveLink] = {}
        self._by_owner: dict[str, LiveLink] = {}
        self._ended: dict[str, str] = {}
        """Link id → owner, of links that are over: an agent may not have heard of its link's end."""
        self._serving: set[asyncio.Task[Any]] = set()
        self._is_draining = False
        self._is_stopping = False

    def __repr__(self) -> str:
        return f"Links({len(self._by_id)}, serving={len(self._serving)})"

    @property
    def is_draining(self) -> bool:
        """Whether the hub stops: no new carriers."""
        return self._is_draining

    async def serve(self, carrier: Carrier, hello: Hello, credential: LinkCredential) -> None:
        """Drive the agent's link over this carrier until the carrier ends."""
        live = self._find(hello, credential)
        if live is None and self._is_outlived(hello, credential):
            _log.info("link refused", owner=credential.id, code="replaced")
            await refuse(carrier, "replaced", REPLACED)
            return
        live = live or self._begin(credential)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            adopt = self._keeper.adoptable(credential.id) if self._keeper else None
            await live.link.serve(carrier, hello=hello, owner=credential.id, adopt=adopt)
        except LinkRefused as error:
            _log.info("link refused", owner=credential.id, code=error.code)
            await live.give_up_if_new()
        except RemoteProtocolError as error:
            _log.warning("an agent broke the protocol", owner=credential.id, code=error.code)
        except LocalProtocolError as error:
            _log.error("the hub broke the protocol", owner=credential.id, exc_info=error)
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            task.uncancel()  # `stop` ended it, which is no failure of this connection
        finally:
            self._serving.discard(task)

    def of(self, owner_id: str) -> Link | None:
        """The link of a session or cluster, up or in its grace."""
        live = self._by_owner.get(owner_id)
        return live.link if live else None

    async def close_of_user(self, user_id: str, code: str, *, but_clusters: bool = False) -> None:
        """End every link of a user for good: the agents do not come back."""
        found = [
            live
            for live in self._by_id.values()
            if live.credential.user_id == user_id
            and not (but_clusters and live.credential.is_cluster)
        ]
        for live in found:
            _log.info("link ended", owner=live.credential.id, code=code)
            await live.link.close("The hub's admin ended this.", code="revoked")

    def counts(self) -> dict[str, float]:
        """For the metrics: links up, links in their grace, streams, bytes of windows."""
        links = [live.link for live in self._by_id.values()]
        up = sum(1 for link in links if link.is_up)
        return {
            "up": up,
            "down": len(links) - up,
            "streams": sum(link.stats.streams for link in links),
            "window_bytes": self._budget.used,
        }

    # --- stopping ----------------------------------------------------------------------------

    def drain(self, seconds_left: float) -> None:
        """Ask every agent to come back in a moment; new streams are not opened any more."""
        self._is_draining = True
        for live in self._by_id.values():
            if live.link.is_up:
                live.link.drain("The hub restarts.", seconds_left, is_closing=True)

    async def stop(self) -> None:
        """Close the carriers, not the links: the agents come back with their streams."""
        self._is_draining = self._is_stopping = True
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for live in list(self._by_id.values()):
            await live.stop()

    # --- helpers -----------------------------------------------------------------------------

    def _find(self, hello: Hello, credential: LinkCredential) -> LiveLink | None:
        live = self._by_id.get(hello.link_id) if hello.link_id else None
        if live is None:
            # After a restart of the hub the first WELCOME may be lost: the agent then names the
            # link of before once more, and its answers are in the new one already.
            newest = self._by_owner.get(credential.id)
            live = newest if newest is not None and newest.core.is_begun_by(hello) else None
        return live if live is not None and not live.link.is_closed else None

    def _is_outlived(self, hello: Hello, credential: LinkCredential) -> bool:
        """Whether this agent's link ended before the one that its session has now began.

        It was cut off (a frozen machine, a lost network) when another agent took over, and has
        not heard of that: the newest agent has the session, not the one that dialled last.
        """
        has_newer = credential.id in self._by_owner
        return has_newer and self._ended.get(hello.link_id or "") == credential.id

    def _begin(self, credential: LinkCredential) -> LiveLink:
        """A new link. One that its session had before is over: the newest agent wins."""
        before = self._by_owner.get(credential.id)
        core = HubLink(new_id("lnk"), credential.id, settings=self._settings, budget=self._budget)
        adopt = self._keeper.adopt if self._keeper else None
        live = LiveLink(core, credential, self._greeter, before, self._forget, adopt)
        self._by_id[core.link_id] = live
        self._by_owner[credential.id] = live
        return live

    def _forget(self, live: LiveLink) -> None:
        self._by_id.pop(live.core.link_id, None)
        self._ended[live.core.link_id] = live.credential.id
        if len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        if self._by_owner.get(live.credential.id) is live:
            del self._by_owner[live.credential.id]


class LiveLink:
    """One link, and the task that tells the room of sessions about it."""

    def __init__(
        self,
        core: HubLink,
        credential: LinkCredential,
        greeter: Greeter,
        before: LiveLink | None,
        on_over: Callable[[LiveLink], None],
        on_stream: Callable[[Stream], None] | None = None,
    ) -> None:
        self.credential = credential
        self.core = core
        self.link = Link(
            core, on_stream=on_stream, on_control=self._on_control, on_state=self._on_state
        )
        self._greeter = greeter
        self._on_over = on_over
        self._news: Mailbox[News | _Said] = Mailbox()
        self._bytes_seen = 0
        self._bytes_waiting = 0
        self._lost_lines = 0
        self._was_up = False
        self._closing: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._attend(before), name=f"link {credential.id}")

    def __repr__(self) -> str:
        return f"<LiveLink {self.credential.id} {self.link!r} news={len(self._news)}>"

    async def give_up_if_new(self) -> None:
        """A link that was refused at its first handshake never was one."""
        if not self._was_up:
            self._on_over(self)
            await self.stop()

    async def stop(self) -> None:
        """Tell nobody any more: the process ends."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # --- the link's callbacks: they must return at once ---------------------------------------

    def _on_control(self, message: dict[str, Any]) -> None:
        size = self.link.control_bytes_in - self._bytes_seen
        self._bytes_seen += size
        if len(self._news) < MAX_NEWS and self._bytes_waiting < MAX_NEWS_BYTES:
            self._bytes_waiting += size
            self._news.put(_Said(message, size))
        elif message.get("type") in PASSING:
            self._lost_lines += 1
        else:
            self._close_soon("Too many messages at once.", "flood")

    def _on_state(self, state: LinkState) -> None:
        news = {LinkState.UP: News.UP, LinkState.DOWN: News.DOWN, LinkState.CLOSED: News.CLOSED}
        self._was_up = True
        self._news.put(news[state])
        if state is LinkState.CLOSED:
            self._on_over(self)

    def _close_soon(self, reason: str, code: str) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self.link.close(reason, code=code))

    # --- telling -----------------------------------------------------------------------------

    async def _attend(self, before: LiveLink | None) -> None:
        if before is not None:
            # The older agent's end is told before the newer one's beginning.
            await before.link.close(REPLACED, code="replaced")
            await asyncio.wait({before._task})
        await self._news.get()  # the first news is always UP
        attendant = await self._greet()
        if attendant is None:
            return
        while True:
            news = await self._news.get()
            try:
                await self._tell_again(attendant, news)
            except AppError as error:
                _log.warning("news of a link not taken", owner=self.credential.id, code=error.code)
            except Exception as error:  # noqa: BLE001 (one agent's odd message must not end its link)
                _log.error("news of a link failed", owner=self.credential.id, exc_info=error)
            if news is News.CLOSED:
                return

    async def _greet(self) -> Attendant | None:
        is_cluster = self.credential.is_cluster
        greet = self._greeter.cluster_link_up if is_cluster else self._greeter.link_up
        try:
            return await greet(self.credential.id, self.link)
        except (NotFound, NotAllowed) as error:
            await self.link.close(error.message, code="stopped")
        except AppError as error:
            _log.warning("link not taken", owner=self.credential.id, code=error.code)
            await self.link.close(error.message, code="gone")
        return None

    async def _tell_again(self, attendant: Attendant, news: News | _Said) -> None:
        """Tells it until it is stored: a link that came back while the database was locked would
        else be `reconnecting` for ever. What an agent said may be what cannot be stored: that is
        given up after a while. Raises AppError."""
        if isinstance(news, _Said):
            self._bytes_waiting -= news.size
        pause_s, waited_s = FIRST_AGAIN_S, 0.0
        while True:
            try:
                await self._tell(attendant, news)
                return
            except StorageError as error:
                if isinstance(news, _Said) and waited_s >= SAID_AGAIN_S:
                    raise
                _log.warning("news of a link waits", owner=self.credential.id, code=error.code)
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, LONGEST_AGAIN_S)

    async def _tell(self, attendant: Attendant, news: News | _Said) -> None:
        if isinstance(news, _Said):
            await attendant.on_control(news.message)
        elif news is News.UP:
            await attendant.link_up_again()
        elif news is News.DOWN:
            await attendant.link_down()
        else:
            error = self.link.close_error
            await attendant.link_closed(error.code if error else "closed")
        if self._lost_lines:
            _log.warning("passing news lost", owner=self.credential.id, batches=self._lost_lines)
            self._lost_lines = 0
