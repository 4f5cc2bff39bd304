"""What users ask of sessions, tunnels and providers. Routers and the link endpoint call this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from underpass.clusters.base import Cluster
from underpass.clusters.script import shown_command
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import Conflict, NotAllowed, NotAuthenticated, NotFound
from underpass.core.ids import hash_secret, new_id, new_secret
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.registry.pick import prefixes
from underpass.sessions import views
from underpass.sessions.attendant import Attendant
from underpass.sessions.catalogue import Catalogue
from underpass.sessions.decide import revivable
from underpass.sessions.direct import Direct, cluster_gone
from underpass.sessions.facts import LinkState, Wish
from underpass.sessions.gauges import Gauges
from underpass.sessions.logs import Logs
from underpass.sessions.names import Names
from underpass.sessions.places import ClusterAttendant, Places
from underpass.sessions.reconciler import TOKEN_PREFIX, Reconciler
from underpass.sessions.renewals import Renewals
from underpass.sessions.room import LinkLike, Live, Room, SessionSettings
from underpass.sessions.specs import habits_of
from underpass.sessions.traffic import Traffic
from underpass.sessions.tunnels import Tunnels
from underpass.store import ClusterRecord, SessionLogLine, SessionRecord, Store

__all__ = ["SessionSettings", "Sessions"]

_S = SessionStatus

MAX_LOG_LINES = 5000
_YOU_ASKED = "You asked it to stop."


class Sessions:
    """All sessions of this hub. `load` before the first request, `close` at the end."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        feed: Feed,
        *,
        local: Cluster | None = None,
        public_url: str = "",
        clock: Clock | None = None,
        templates_dir: Path | None = None,
        settings: SessionSettings | None = None,
    ) -> None:
        """`local` runs sessions on the hub's own machine; None: it offers none.

        Raises ConfigError for a template that is wrong.
        """
        settings = settings or SessionSettings(public_url=public_url.rstrip("/"))
        self._room = Room(store, registry, feed, clock or SystemClock(), settings)
        self.places = Places(self._room, local)
        self.tunnels = Tunnels(self._room)
        self._names = Names(self._room, self.tunnels)
        self._catalogue = Catalogue(self._room, self.places, self._names, templates_dir)
        self.direct = Direct(self._room, self._catalogue)
        self._logs = Logs(self._room)
        self._traffic = Traffic(self._room)
        self._renewals = Renewals(self._room, self.places, self.tunnels, self._names)
        self.reconciler = Reconciler(
            self._room, self.places, self.tunnels, self._logs, self._renewals
        )
        self._room.wake = self.reconciler.wake

    async def load(self) -> None:
        """Takes up where the last hub ended: clusters, live sessions, tunnels, providers.

        No agent is connected yet: what ran is `reconnecting` until its agent comes back.
        """
        await self.places.load()
        records = await self._room.store.sessions.all()
        for record in records:
            if record.status not in SESSION_ENDS:
                self._take_up(self._room.begin(record))
        await self.tunnels.take_up({record.id: record for record in records})
        self._logs.start()
        self._traffic.start()
        self.reconciler.start()

    async def close(self) -> None:
        """Stops looking after sessions; their jobs live on."""
        await self._traffic.close()
        await self.reconciler.close()
        await self.places.close()
        await self._logs.close()

    # --- start, stop, restart, remove ------------------------------------------------------------

    async def start(
        self,
        caller: Principal,
        *,
        template: str,
        params: dict[str, Any] | None = None,
        name: str | None = None,
        cluster: str | None = None,
        openai: bool = True,
    ) -> SessionRecord:
        """Asks for a session; it is `queued` when this returns.

        Raises InvalidRequest (names the parameter), NotFound (template, cluster), Conflict
        (`name_taken`, `template_unavailable`).
        """
        record = await self._catalogue.asked_for(
            caller, template=template, params=params, name=name, cluster=cluster, openai=openai
        )
        await self._room.store.sessions.add(record)
        command = shown_command(record.spec["command"])
        text = f"Asked for with the template {record.template}: {command}"
        await self._room.note(record.id, "created", text[:2000])
        return await self._begin(record)

    async def preview(self, caller: Principal, **asked: Any) -> str:
        """The exact script that a `start` with the same arguments would submit; nothing is started.

        Raises what `start` raises, and LaunchRejected in the cluster's words.
        """
        return await self._catalogue.script_of(await self._catalogue.asked_for(caller, **asked))

    async def script(self, caller: Principal, session_id: str) -> str:
        """The script of a session's present or last launch. Raises NotFound, Conflict."""
        record = (await self._own(caller, session_id)).record
        if record.is_attached:
            raise Conflict("A session that an agent opened has no script.", code="session_attached")
        return await self._catalogue.script_of(record)

    async def attach(
        self, caller: Principal, *, name: str | None, host: str, replace: bool = False
    ) -> tuple[SessionRecord, str]:
        """A session for an agent that somebody runs by hand, and its token, shown once.

        One that ended comes back under its name, with its tunnels and providers. Raises Conflict
        (`name_taken`) when one of that name is live, unless `replace`: then it is taken over.
        """
        token = new_secret(TOKEN_PREFIX)
        known = await self._names.attachable(caller, name, host, replace)
        if known is not None:
            live = await self._room.live_of(known.id)
            await self._names.revive(live, hash_secret(token), host)
            return live.record, token
        wanted = await self._names.free(caller, name, host)
        record = SessionRecord(
            id=new_id("ses"),
            owner_id=caller.user_id,
            name=wanted,
            created_at=self._room.clock.now(),
            status_reason="Waiting for its agent to dial in.",
            is_attached=True,
            host=host[:255] or None,
            token_hash=hash_secret(token),
        )
        await self._room.store.sessions.add(record)
        await self._room.note(record.id, "created", f"Opened from {host}.")
        return await self._begin(record), token

    async def stop(self, caller: Principal, session_id: str) -> SessionRecord:
        """Asks a session to end, and with it the one that it renews or that shall renew it; one that
        has ended stays as it is. Raises NotFound.
        """
        live = await self._own(caller, session_id)
        await self._stop(live)
        return live.record

    async def stop_anybodys(self, session_id: str) -> dict[str, Any]:
        """An admin asks a session to end; it is shown as `everybodys` does. Raises NotFound."""
        live = await self._room.live_of(session_id)
        await self._stop(live, EndReason.CANCELLED, "An admin asked it to stop.")
        return await self._for_admin(live.record)

    async def renew(self, caller: Principal, session_id: str) -> SessionRecord:
        """Asks for a successor that takes over when it answers; the one that is on its way if there
        is one.

        Raises NotFound, Conflict (`session_attached`, `session_not_running`, `renewed_already`,
        `cluster_gone`).
        """
        live = await self._own(caller, session_id)
        async with live.lock:
            return (await self._renewals.renew(live, "You asked for it.")).record

    async def restart(self, caller: Principal, session_id: str) -> SessionRecord:
        """Starts a session anew, with the same row, tunnels and providers; a live one ends first.

        Raises NotFound, Conflict (`session_attached`).
        """
        live = await self._own(caller, session_id)
        if live.record.is_attached:
            raise Conflict(
                "This session was opened by an agent, so the hub cannot start it.",
                code="session_attached",
                hint="Run `underpass tunnel` there again; its provider comes back.",
            )
        if self.places.cluster(live.record.cluster_id) is None:
            raise cluster_gone(live.record)
        live.wants_restart = True
        if live.record.status not in SESSION_ENDS:
            await self._stop(live)
        await self.reconciler.reconcile(live)
        return live.record

    async def keep(self, caller: Principal, session_id: str) -> SessionRecord:
        """Somebody wants it although nobody uses it: the time until it stops begins anew.

        Raises NotFound, Conflict (`session_not_running`).
        """
        live = await self._own(caller, session_id)
        if live.record.status in (*SESSION_ENDS, _S.STOPPING):
            raise Conflict(
                f"The session {live.record.name} is {live.record.status}.",
                code="session_not_running",
                hint="Restart it to use it again.",
            )
        live.kept_at = self._room.clock.now()
        if live.idle_stops_at is not None:
            await self._room.note(session_id, "kept", "You kept it.")
        await self.reconciler.reconcile(live)
        if live.wish is not None:
            raise Conflict(
                f"The session {live.record.name} is stopping already.",
                code="session_not_running",
                hint="Restart it to use it again.",
            )
        return live.record

    async def wake_up(self, caller: Principal, session_id: str) -> None:
        """A message waits for it: one that stopped for being unused begins again, if its user chose
        so at its start. All others stay as they are. Raises NotFound.
        """
        live = await self._own(caller, session_id)
        is_unused = live.record.end_reason is EndReason.IDLE
        if not (is_unused and habits_of(live.record).wakes) or live.wants_restart:
            return
        if self.places.cluster(live.record.cluster_id) is not None:
            live.wants_restart = live.is_woken = True
            await self.reconciler.reconcile(live)

    def ask_whether_wanted(self, is_wanted: Callable[[str], bool]) -> None:
        """Who knows whether somebody's message waits for a session: it then counts as used."""
        self._room.is_wanted = is_wanted

    async def remove(self, caller: Principal, session_id: str) -> None:
        """Forgets an ended session with its tunnels, providers, timeline and log.

        Raises NotFound, Conflict (`session_live`).
        """
        live = await self._own(caller, session_id)
        async with live.lock:
            if live.record.status not in SESSION_ENDS:
                raise Conflict(
                    f"The session {live.record.name} is {live.record.status}.",
                    code="session_live",
                    hint="Stop it first.",
                )
            for tunnel in await self._room.store.tunnels.of_session(session_id):
                await self.tunnels.delete(live, tunnel)
            await self._room.store.sessions.remove(session_id)
            live.is_removed = True
        self._room.wake(session_id)
        self._room.feed.publish(live.record.owner_id, "session", "delete", {"id": session_id})

    async def end_of_user(self, user_id: str) -> None:
        """Asks every session of a user to end: the user is removed."""
        for record in await self._room.store.sessions.all(is_live=True):
            if record.owner_id == user_id:
                await self._wish_to_end(await self._room.live_of(record.id))

    async def have_ended(self, user_id: str) -> bool:
        """Whether no session of a user is left that has not ended."""
        live = await self._room.store.sessions.all(is_live=True)
        return all(record.owner_id != user_id for record in live)

    async def remove_of_user(self, user_id: str) -> None:
        """Forgets all sessions of a user, which have ended. Raises Conflict (`session_live`)."""
        owner = Principal(user_id=user_id, user_name="")
        while page := (await self._room.store.sessions.list(user_id)).items:
            for record in page:
                await self.remove(owner, record.id)

    # --- see ------------------------------------------------------------------------------------

    async def list_sessions(
        self, caller: Principal, *, after: str | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The caller's sessions, newest first, and the next page's cursor."""
        page = await self._room.store.sessions.list(caller.user_id, after=after, limit=limit)
        return [await self._room.session_shape(record) for record in page.items], page.next

    async def everybodys(
        self, *, after: str | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """For an admin: that each session exists, whose it is, where and since when."""
        page = await self._room.store.sessions.everybodys(after=after, limit=limit)
        return [await self._for_admin(record) for record in page.items], page.next

    async def show(self, caller: Principal, session_id: str) -> dict[str, Any]:
        """One session with its timeline. Raises NotFound."""
        live = await self._own(caller, session_id)
        events = await self._room.store.session_events.list(session_id)
        shape = await self._room.session_shape(live.record)
        timeline = views.timeline(events)
        return shape | {"timeline": timeline}

    async def gauges(self, caller: Principal, session_id: str) -> Gauges:
        """How busy it is and was, while this hub knows it. Raises NotFound."""
        return (await self._own(caller, session_id)).gauges

    async def shape(self, record: SessionRecord) -> dict[str, Any]:
        """A session in the API's shape, without its timeline."""
        return await self._room.session_shape(record)

    async def logs(
        self, caller: Principal, session_id: str, *, tail: int
    ) -> tuple[SessionLogLine, ...]:
        """The last lines. Raises NotFound."""
        await self._own(caller, session_id)
        return await self._logs.tail(session_id, max(1, min(tail, MAX_LOG_LINES)))

    async def follow(
        self, caller: Principal, session_id: str, *, after: int
    ) -> AsyncIterator[SessionLogLine]:
        """New lines after a cursor, for as long as they are taken. Raises NotFound."""
        await self._own(caller, session_id)
        return self._logs.follow(session_id, after)

    async def is_over(self, session_id: str) -> bool:
        """Whether the session has ended, or is not there any more."""
        record = await self._room.store.sessions.find(session_id)
        return record is None or record.status in SESSION_ENDS

    async def is_cleared(self, session_id: str) -> bool:
        """Whether the session has ended and nothing of its job is left."""
        live = await self._room.live_of(session_id)
        is_over = live.record.status in SESSION_ENDS
        return is_over and (live.is_swept or live.record.is_attached)

    async def snapshot(self, caller: Principal) -> dict[str, list[dict[str, Any]]]:
        """Everything of the caller's but providers, as a page that opens needs it."""
        sessions, _ = await self.list_sessions(caller, limit=1000)
        return {
            "sessions": sessions,
            "tunnels": [tunnel for session in sessions for tunnel in session["tunnels"]],
            "clusters": await self.places.visible_to(caller),
        }

    async def list_templates(
        self, caller: Principal, cluster: str | None = None
    ) -> list[dict[str, Any]]:
        """All templates, and why one cannot be used on that cluster. Raises NotFound."""
        return await self._catalogue.shown(caller, cluster)

    # --- tunnels and providers ----------------------------------------------------------------------

    async def live_for_tunnel(self, session_id: str) -> Live:
        """What is known of a tunnel's session."""
        return await self._room.live_of(session_id)

    async def open_tunnel(
        self, caller: Principal, session_id: str, *, name: str | None, target: str, openai: bool
    ) -> dict[str, Any]:
        """A further tunnel on one of the caller's sessions. Raises NotFound, Conflict."""
        live = await self._own(caller, session_id)
        async with live.lock:
            tunnel = await self.tunnels.open(live, name=name, target=target, openai=openai)
        return await self._room.tunnel_shape(tunnel)

    async def list_tunnels(
        self, caller: Principal, *, after: str | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The caller's tunnels, newest first, and the next page's cursor."""
        page = await self._room.store.tunnels.list(caller.user_id, after=after, limit=limit)
        return [await self._room.tunnel_shape(tunnel) for tunnel in page.items], page.next

    async def all_tunnels(self, caller: Principal) -> list[dict[str, Any]]:
        """For an admin: that each tunnel exists, whose it is, its status and its bytes."""
        found = await self._room.store.tunnels.all()
        return [await self.tunnels.shape(caller, tunnel) for tunnel in found]

    async def providers(self, caller: Principal) -> list[dict[str, Any]]:
        """What tunnels offer to the caller, their own first; of custom providers only what all see."""
        found = self._room.registry.providers_visible_to(caller)
        return [
            await self.provider_shape(view.id, caller, prefix)
            for view, prefix in prefixes(found, caller.user_name)
        ]

    async def provider_shape(
        self, provider_id: str, caller: Principal, prefix: str | None = None
    ) -> dict[str, Any]:
        """One provider; its models' ids begin with `prefix`. Raises NotFound, also for a stranger's."""
        view = self._room.registry.provider(provider_id, caller)
        live, status = None, None
        if view.session_id is not None:
            live = await self._room.live_of(view.session_id)
        if view.tunnel_id is not None:
            tunnel = await self._room.store.tunnels.find(view.tunnel_id)
            status = tunnel.status if tunnel is not None else None
        return self.tunnels.providers.shape(view, status, live, prefix)

    # --- links ---------------------------------------------------------------------------------------

    async def admit(self, token: str) -> SessionRecord | ClusterRecord:
        """Whose token this is. Raises NotAuthenticated (`session_token_invalid`), NotAllowed
        (`session_ended`)."""
        hashed = hash_secret(token)
        session = await self._room.store.sessions.by_token_hash(hashed)
        if session is None:
            cluster = await self._room.store.clusters.by_token_hash(hashed)
            if cluster is not None:
                return cluster
            raise NotAuthenticated(
                "This session token is wrong, or was replaced by a newer one.",
                code="session_token_invalid",
                hint="Start the session or run the command again.",
            )
        is_over = session.status in SESSION_ENDS and session.end_reason not in revivable(session)
        if session.removed_at is not None or is_over:
            raise NotAllowed(
                f"The session {session.name} has ended.",
                code="session_ended",
                hint="Start it again.",
            )
        return session

    async def link_up(self, session_id: str, link: LinkLike) -> Attendant:
        """A session's agent dialled in with a new link; it takes over from an older one."""
        live = await self._room.live_of(session_id)
        async with live.lock:
            live.link, live.link_state = link, LinkState.UP
            live.link_since = self._room.clock.now()
            live.readiness.clear()
            live.said, live.is_end_asked = None, False
        self._room.wake(session_id)
        return Attendant(self._room, self.tunnels, self._logs, live, link)

    async def cluster_link_up(self, cluster_id: str, link: LinkLike) -> ClusterAttendant:
        """A joined machine dialled in. Raises NotFound."""
        return await self.places.link_up(cluster_id, link)

    # --- inside ---------------------------------------------------------------------------------------

    async def _own(self, caller: Principal, session_id: str) -> Live:
        """The caller's session. Raises NotFound, in the same words for a stranger's."""
        live = await self._room.live_of(session_id)
        if live.record.owner_id != caller.user_id:
            # Asked for all the same: the answer takes as long as one about no session.
            await self._room.store.sessions.find(session_id)
            raise NotFound("There is no such session.")
        return live

    async def _begin(self, record: SessionRecord) -> SessionRecord:
        live = await self._room.live_of(record.id)
        await self._room.publish(record)
        self._room.wake(record.id)
        return live.record

    async def _for_admin(self, record: SessionRecord) -> dict[str, Any]:
        name = await self._room.user_name(record.owner_id)
        cluster = self._room.cluster_shape(record.cluster_id)
        return views.session_for_admin(record, owner_name=name, cluster=cluster)

    async def _stop(
        self,
        live: Live,
        reason: EndReason = EndReason.USER,
        words: str = _YOU_ASKED,
    ) -> None:
        """Whoever stops a session does not want a second job of it to come up or go on."""
        was_handed_over = bool(live.record.spec.get("handed_over"))
        is_successor = "renews" in live.record.spec
        await self._wish_to_end(live, reason, words)
        # Looked for only now: a renewal or a hand-over that was under way has happened by this time.
        successor = None if was_handed_over else await self._renewals.successor_of(live)
        predecessor = None if is_successor else await self._renewals.predecessor_of(live)
        for other in (successor, predecessor):
            if other is not None:
                await self._wish_to_end(other, reason, words)

    async def _wish_to_end(
        self,
        live: Live,
        reason: EndReason = EndReason.USER,
        words: str = _YOU_ASKED,
    ) -> None:
        if live.record.status not in SESSION_ENDS and live.wish is None:
            live.wish = Wish(reason, self._room.clock.now())
            await self._room.note(live.record.id, "stop_asked", words)
        await self.reconciler.reconcile(live)

    def _take_up(self, live: Live) -> None:
        """What the last hub was about to do is not known, so it is looked for or done again."""
        record, now = live.record, self._room.clock.now()
        spec = record.spec
        if record.status is _S.STOPPING:
            live.wish = Wish(EndReason(spec.get("ends_as", EndReason.USER)), now)
        was_submitted = spec.get("submitted") == spec.get("launch", 1) and not record.is_attached
        if record.job_id is None and was_submitted:
            live.in_doubt_since = now
