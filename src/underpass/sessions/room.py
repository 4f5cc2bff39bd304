"""What the files of this room share: the store, the registry, the feed, the clock, and what is live.

All changes of records go through here, so each one is stored, kept in memory and pushed to the
owner's open pages in one place and in this order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from underpass.clusters.base import JobReport
from underpass.core.clock import Clock
from underpass.core.errors import NotFound, TunnelStopped
from underpass.core.states import SESSION_ENDS, SESSION_MOVES, SessionStatus, move
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.sessions import views
from underpass.sessions.facts import AgentEnd, Facts, Limits, LinkState, Wish
from underpass.sessions.gauges import Gauges
from underpass.sessions.idle import Use
from underpass.sessions.starting import Progress, start_words
from underpass.store import SessionRecord, Store, TunnelRecord
from underpass.tunnel.link import Link, LinkUse, Stream

log = logging.getLogger("underpass.sessions")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a hub may set about sessions."""

    is_local_for_everyone: bool = False
    """Whether others than admins may start sessions as processes of the hub's own user."""
    is_local_on: bool = True
    scheduler_poll_s: float = 15.0
    """How often a cluster's scheduler is asked, for all of its sessions together."""
    limits: Limits = field(default_factory=Limits)
    tick_s: float = 0.25
    """How often the reconciler looks whether a poll or a time limit is due."""
    public_url: str = ""
    """The hub's address for people, without a slash at the end; empty: not known."""


class LinkLike(Protocol):
    """What this room needs of a `tunnel.link.Link`."""

    @property
    def is_up(self) -> bool:
        """Whether a carrier is connected."""
        ...

    @property
    def use(self) -> LinkUse:
        """What passes right now."""
        ...

    def drain(self, reason: str = "") -> None:
        """Takes no new requests from now on."""
        ...

    def send_control(self, message: dict[str, Any]) -> object:
        """Sends one message; it is kept until the peer has it."""
        ...

    def open(self, head: Any) -> Any:
        """Opens a stream."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """The last that an agent said about a tunnel's server."""

    state: str
    reason: str = ""
    server: dict[str, Any] | None = None
    models: tuple[dict[str, Any], ...] = ()


@dataclass
class Live:
    """What is known of one session beside its record; gone when the hub restarts."""

    record: SessionRecord
    link: LinkLike | None = None
    link_state: LinkState = LinkState.NEVER
    link_since: float = 0.0
    said: AgentEnd | None = None
    said_at: float = 0.0
    readiness: dict[str, Readiness] = field(default_factory=dict)
    """By tunnel id."""
    report: JobReport | None = None
    report_at: float = 0.0
    ended_at: float | None = None
    missing_since: float | None = None
    silent_since: float | None = None
    extras: tuple[str, ...] = ()
    cancelled_extras: set[str] = field(default_factory=set)
    is_end_asked: bool = False
    """Whether its scheduler was asked why the agent was ended."""
    is_submitting: bool = False
    is_asking: bool = False
    """The cluster is being asked for something else."""
    in_doubt_since: float | None = None
    rejected: str | None = None
    wish: Wish | None = None
    is_swept: bool = False
    wants_restart: bool = False
    has_last_words: bool = False
    """Whether its cluster was asked for the log of an agent that never dialled in."""
    gpus: tuple[str, ...] = ()
    """Names of the GPUs that its agent may use."""
    held: dict[str, str] = field(default_factory=dict)
    """Tunnels (by id) of the session that it renews, and where its own agent would serve them."""
    via: str | None = None
    """The way out that its agent has found: `direct`, `proxy` or `login node`."""
    switched_off: set[str] = field(default_factory=set)
    """Tunnels (by id) that somebody stopped: an agent that comes back does not start them."""
    is_removed: bool = False
    """Its record is gone; it stays here until nothing of its job is left."""
    progress: Progress | None = None
    """How far its server is with its start, as its log says."""
    gauges: Gauges = field(default_factory=Gauges)
    use: Use = field(default_factory=Use)
    kept_at: float = 0.0
    """When its user last said that it shall not stop for being unused."""
    idle_stops_at: float | None = None
    """What was promised to who does not use it."""
    is_woken: bool = False
    """A message wants it back after it stopped for being unused."""
    held_until: float = 0.0
    """The cluster did not answer: nothing is asked of it before this time."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def tag(self) -> str:
        """The tag of the session's present launch."""
        return f"{self.record.id}.{self.record.spec.get('launch', 1)}"

    def facts(self, *, is_cluster_gone: bool = False) -> Facts:
        """A picture of all this for a decision."""
        ready = list(self.readiness.values())
        best = next((r for r in ready if r.state == "running"), ready[0] if ready else None)
        return Facts(
            link=self.link_state,
            link_since=self.link_since,
            said=self.said,
            said_at=self.said_at,
            is_answering=best is not None and best.state == "running",
            progress=self._progress_words(best.reason if best is not None else ""),
            report=self.report,
            report_at=self.report_at,
            ended_at=self.ended_at,
            missing_since=self.missing_since,
            silent_since=self.silent_since,
            is_cluster_gone=is_cluster_gone,
            extras=self.extras,
            is_submitting=self.is_submitting,
            in_doubt_since=self.in_doubt_since,
            rejected=self.rejected,
            wish=self.wish,
            is_swept=self.is_swept,
            wants_restart=self.wants_restart,
            ends_itself_at=self.record.wall_time_ends_at
            if self.record.spec.get("watches_time")
            else None,
            used_at=max(self.use.at, self.kept_at, self.link_since, self.record.running_at or 0.0),
            is_carrying=self.link is not None and self.link.use.streams > 0,
            idle_stops_at=self.idle_stops_at,
        )

    def _progress_words(self, said: str) -> str:
        if self.record.status is not SessionStatus.STARTING:
            return said
        usual_s = self.record.spec.get("usual_start_s")
        return start_words(self.progress, said or "The model server is starting.", usual_s)

    @property
    def is_at_rest(self) -> bool:
        """Whether time alone changes nothing about it: it has ended and was cleared away, or it is an
        agent's that is connected, and what may happen to that is told."""
        if self.record.is_attached and self.record.status is SessionStatus.RUNNING:
            is_asked = self.said is not None or self.wish is not None or self.is_removed
            return self.link_state is LinkState.UP and not is_asked and not self.record.spec
        is_cleared = self.is_swept or self.record.is_attached
        is_over = self.record.status in SESSION_ENDS and is_cleared
        return is_over and not self.wants_restart and not self.is_removed

    def forget_launch(self) -> None:
        """Before a new launch: what was known of the last one no longer holds."""
        self.said = self.report = self.ended_at = self.missing_since = self.silent_since = None
        self.in_doubt_since = self.rejected = self.wish = None
        self.extras, self.cancelled_extras = (), set()
        self.is_submitting = self.is_swept = self.wants_restart = self.has_last_words = False
        self.is_end_asked = self.is_woken = False
        self.held_until = 0.0
        self.use, self.idle_stops_at, self.progress = Use(), None, None
        self.readiness.clear()
        self.held.clear()
        self.switched_off.clear()


class Room:
    """Shared by the files of this room. `wake` asks the reconciler to look at a session soon."""

    def __init__(
        self, store: Store, registry: Registry, feed: Feed, clock: Clock, settings: SessionSettings
    ) -> None:
        self.store = store
        self.registry = registry
        self.feed = feed
        self.clock = clock
        self.settings = settings
        self.live: dict[str, Live] = {}
        self.cluster_names: dict[str, tuple[str, str]] = {}
        """id → (name, kind)."""
        self.wake: Callable[[str], None] = lambda session_id: None
        self.is_wanted: Callable[[str], bool] = lambda session_id: False
        """Whether somebody's message waits for the session of that id."""
        self._user_names: dict[str, str] = {}

    async def live_of(self, session_id: str) -> Live:
        """What is known of a session, begun from its record if need be. Raises NotFound."""
        found = self.live.get(session_id)
        if found is None:
            record = await self.store.sessions.get(session_id)
            if record.removed_at is not None:
                raise NotFound("There is no such session.")
            found = self.begin(record)
        if found.is_removed:
            raise NotFound("There is no such session.")
        return found

    def begin(self, record: SessionRecord) -> Live:
        """What is known of a session whose record was read; somebody else may have begun since."""
        began = Live(record, link_since=self.clock.now(), is_swept=_is_done(record))
        return self.live.setdefault(record.id, began)

    async def user_name(self, user_id: str) -> str:
        """The user's name; names do not change while a hub runs."""
        name = self._user_names.get(user_id)
        if name is None:
            user = await self.store.users.find(user_id)
            name = user.name if user is not None else ""
            self._user_names[user_id] = name
        return name

    # --- sessions ----------------------------------------------------------------------------

    async def change(self, live: Live, **changes: Any) -> SessionRecord:
        """Stores changes of a session and pushes them. A status must be a legal move."""
        if "status" in changes:
            move(SESSION_MOVES, live.record.status, SessionStatus(changes["status"]))
        live.record = await self.store.sessions.update(live.record.id, **changes)
        await self.publish(live.record)
        return live.record

    async def note(self, session_id: str, kind: str, text: str) -> None:
        """One line on the session's timeline."""
        await self.store.session_events.add(session_id, at=self.clock.now(), kind=kind, text=text)

    async def publish(self, record: SessionRecord) -> None:
        """Pushes a session as it is now."""
        shape = await self.session_shape(record)
        self.feed.publish(record.owner_id, "session", "upsert", shape)

    async def session_shape(self, record: SessionRecord) -> dict[str, Any]:
        """A session in the API's shape, with its tunnels."""
        tunnels = await self.store.tunnels.of_session(record.id)
        shapes = [await self.tunnel_shape(tunnel) for tunnel in tunnels]
        live = self.live.get(record.id)
        return views.session(
            record,
            idle_stops_at=None if live is None else live.idle_stops_at,
            progress=None if live is None else live.progress,
            via=None if live is None else live.via,
            owner_name=await self.user_name(record.owner_id),
            cluster=self.cluster_shape(record.cluster_id),
            tunnels=shapes,
        )

    def cluster_shape(self, cluster_id: str | None) -> dict[str, Any] | None:
        """A session's cluster, shortly."""
        if cluster_id is None or cluster_id not in self.cluster_names:
            return None
        name, kind = self.cluster_names[cluster_id]
        return {"id": cluster_id, "name": name, "kind": kind}

    # --- tunnels -----------------------------------------------------------------------------

    async def tunnel_shape(self, tunnel: TunnelRecord) -> dict[str, Any]:
        """A tunnel in the API's shape."""
        provider = await self.store.providers.of_tunnel(tunnel.id) if tunnel.openai else None
        return views.tunnel(
            tunnel,
            owner_name=await self.user_name(tunnel.owner_id),
            provider_id=None if provider is None else provider.id,
            streams=self.streams_of(tunnel.id),
        )

    def streams_of(self, tunnel_id: str) -> int:
        """How many requests pass through a tunnel right now."""
        return len(self._streams(self.registry.link_of(tunnel_id), tunnel_id))

    def cut_streams(self, link: LinkLike | None, tunnel_id: str) -> None:
        """Ends every request that passes through a tunnel on this link."""
        for stream in self._streams(link, tunnel_id):
            stream.cancel(TunnelStopped.code)

    def _streams(self, link: object, tunnel_id: str) -> list[Stream]:
        if not isinstance(link, Link):
            return []
        return [one for one in link.streams.values() if one.opening.tunnel == tunnel_id]

    async def publish_tunnel(self, tunnel: TunnelRecord) -> None:
        """Pushes a tunnel as it is now."""
        shape = await self.tunnel_shape(tunnel)
        self.feed.publish(tunnel.owner_id, "tunnel", "upsert", shape)


def touched(live: Live, **changes: Any) -> None:
    """Notes what was done about the wish to end."""
    if live.wish is not None:
        live.wish = replace(live.wish, **changes)


def _is_done(record: SessionRecord) -> bool:
    return record.status in SESSION_ENDS
