"""The clusters: the hub's own, and the machines that joined."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from underpass.clusters.base import Cluster
from underpass.clusters.joined import JoinedCluster
from underpass.clusters.local import LocalCluster
from underpass.clusters.messages import (
    ANSWER,
    HELLO,
    capabilities_from_json,
    capabilities_to_json,
)
from underpass.clusters.template import Template
from underpass.core.errors import AppError, Conflict, LaunchError, NotAllowed, NotFound
from underpass.core.ids import hash_secret, new_id, new_secret
from underpass.core.names import checked_name, close_matches, suggest_name
from underpass.core.principal import Principal
from underpass.sessions import views
from underpass.sessions.room import LinkLike, Room, log
from underpass.store import ClusterRecord

LOCAL_NAME = "local"
KINDS = frozenset({"local", "slurm", "pbs"})
TOKEN_PREFIX = "upc_"


class Places:
    """Which clusters there are, who may use them, and which are connected."""

    def __init__(self, room: Room, local: Cluster | None) -> None:
        self._room = room
        self._local = local if room.settings.is_local_on else None
        self._clusters: dict[str, Cluster] = {}
        self._local_id: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.programs: tuple[str, ...] = ()
        """What templates need, and each place is asked for."""

    async def load(self) -> None:
        """Brings back the clusters that joined, and makes the hub's own known."""
        for record in await self._room.store.clusters.all():
            if record.owner_id is None and record.name == LOCAL_NAME:
                self._local_id = record.id
            else:
                self._clusters[record.id] = self._joined(record.name, record.kind)
            self._room.cluster_names[record.id] = (record.name, record.kind)
        if self._local is not None:
            try:
                await self._open_local(self._local)
            except AppError as error:
                # Silent, or nothing can be written: the hub starts and serves what it can.
                log.warning("the hub's own cluster: %s", error.message)

    async def _open_local(self, local: Cluster) -> None:
        if self._local_id is None:
            self._local_id = (await self._add(None, LOCAL_NAME, local.kind, None, None)).id
        self._clusters[self._local_id] = local
        offer = await local.capabilities(self.programs)
        await self._room.store.clusters.update(
            self._local_id, host=offer.host, capabilities=capabilities_to_json(offer)
        )

    async def close(self) -> None:
        """Drops what was begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cluster(self, cluster_id: str | None) -> Cluster | None:
        """The cluster by id, connected or not; None for one that is gone."""
        return self._clusters.get(cluster_id) if cluster_id is not None else None

    def is_online(self, cluster_id: str) -> bool:
        """Whether it can be asked right now."""
        cluster = self._clusters.get(cluster_id)
        return cluster.is_online if isinstance(cluster, JoinedCluster) else cluster is not None

    def watches_time(self, cluster_id: str | None) -> bool:
        """Whether the hub has to end a session whose time is up: no scheduler does it there."""
        cluster = self.cluster(cluster_id)
        return cluster is not None and cluster.kind == LocalCluster.kind

    # --- for users -----------------------------------------------------------------------------

    async def visible_to(self, caller: Principal) -> list[dict[str, Any]]:
        """The caller's own, and the hub's where the caller may use it."""
        return [await self._shape(record) for record in await self._usable(caller)]

    async def show(self, caller: Principal, id_or_name: str) -> dict[str, Any]:
        """One cluster. Raises NotFound."""
        return await self._shape(await self.find(caller, id_or_name))

    async def find(self, caller: Principal, id_or_name: str | None) -> ClusterRecord:
        """A cluster that the caller may use; None: the hub's own, else the only one there is.

        Raises NotFound, naming those that there are.
        """
        usable = await self._usable(caller)
        if id_or_name is None:
            if usable and (usable[0].owner_id is None or len(usable) == 1):
                return usable[0]
            raise NotFound(
                "Say on which cluster it shall run." if usable else "There is no cluster for you.",
                code="cluster_missing",
                hint=f"Yours are: {', '.join(r.name for r in usable)}."
                if usable
                else "Run `underpass clusters join` on a machine of yours, `underpass sessions start "
                "--here` on a login node, or `underpass tunnel` inside a session that you have.",
            )
        for record in usable:
            if id_or_name in (record.id, record.name):
                return record
        close = close_matches(id_or_name, [record.name for record in usable])
        raise NotFound(
            f"There is no cluster '{id_or_name[:80]}'.",
            hint=f"Did you mean {' or '.join(close)}?" if close else None,
        )

    async def join(
        self, caller: Principal, *, name: str | None, kind: str, host: str, replace: bool
    ) -> tuple[dict[str, Any], str]:
        """A machine joins: its cluster and its token, shown once.

        One that was there before keeps its id and sessions. Raises Conflict (`name_taken`) when
        one of that name is connected.
        """
        if kind not in KINDS:
            there = ", ".join(sorted(KINDS))
            raise NotFound(
                f"There is no kind of cluster '{kind[:40]}'.", hint=f"There are: {there}."
            )
        taken = [record.name for record in await self._usable(caller)]
        wanted = checked_name(name) if name else suggest_name(host)
        if wanted == LOCAL_NAME:
            wanted = suggest_name(f"{host}-local", taken)
        known = await self._room.store.clusters.find_by_name(caller.user_id, wanted)
        if known is not None and self.is_online(known.id) and not replace:
            raise Conflict(
                f"Your cluster '{wanted}' is connected from {known.host}.",
                code="name_taken",
                hint="Choose another with --name, or take it over with --replace.",
            )
        token = new_secret(TOKEN_PREFIX)
        if known is None:
            known = await self._add(caller.user_id, wanted, kind, host, hash_secret(token))
            self._clusters[known.id] = self._joined(wanted, kind)
        else:
            cluster = self._clusters.get(known.id)
            if isinstance(cluster, JoinedCluster):
                cluster.kind = kind
            self._room.cluster_names[known.id] = (wanted, kind)
            known = await self._room.store.clusters.update(
                known.id, host=host, kind=kind, token_hash=hash_secret(token)
            )
        await self._announce(known.id)
        return await self._shape(known), token

    async def remove(self, caller: Principal, id_or_name: str) -> None:
        """Forgets a cluster that joined. Raises NotFound, NotAllowed for the hub's own."""
        record = await self.find(caller, id_or_name)
        if record.owner_id is None:
            raise NotAllowed(
                "The hub's own cluster cannot be removed.",
                hint="A hub without it is started with --local-sessions off.",
            )
        busy = [
            live.record.name
            for live in self._room.live.values()
            if live.record.cluster_id == record.id and live.record.ended_at is None
        ]
        # Those on a machine that is gone for good would otherwise keep it for ever.
        if busy and self.is_online(record.id):
            raise Conflict(
                f"Sessions run there: {', '.join(sorted(busy)[:5])}.",
                code="cluster_busy",
                hint="Stop them first.",
            )
        cluster = self._clusters.pop(record.id, None)
        if isinstance(cluster, JoinedCluster):
            cluster.unbind()
        self._room.cluster_names.pop(record.id, None)
        await self._room.store.clusters.remove(record.id)
        self._room.feed.publish(record.owner_id, "cluster", "delete", {"id": record.id})

    async def why_not(self, record: ClusterRecord, templates: Sequence[Template]) -> dict[str, str]:
        """Template name → why it cannot be used there; what can be used is not in it."""
        if not self.is_online(record.id):
            gone = f"The cluster {record.name} is not connected."
            return {template.name: gone for template in templates}
        cluster = self._clusters[record.id]
        offer = capabilities_from_json(record.capabilities)
        with contextlib.suppress(LaunchError):
            # Asked anew, so that what was installed since is seen; else what was known counts.
            offer = await cluster.capabilities(self.programs)
        return {
            t.name: f"{t.program} is not installed on {offer.host}. {t.install_hint}".strip()
            for t in templates
            if t.program is not None
            and t.program in offer.programs
            and not offer.programs[t.program]
        }

    # --- links of machines that joined ---------------------------------------------------------

    async def link_up(self, cluster_id: str, link: LinkLike) -> ClusterAttendant:
        """A joined machine dialled in; a newer link takes over from an older."""
        cluster = self._clusters.get(cluster_id)
        if not isinstance(cluster, JoinedCluster):
            raise NotFound("There is no such cluster.")
        cluster.bind(link.send_control)
        await self._announce(cluster_id)
        return ClusterAttendant(
            cluster_id, cluster, link, on_hello=self._greeted, on_change=self._announce
        )

    # --- inside ---------------------------------------------------------------------------------

    def _joined(self, name: str, kind: str) -> JoinedCluster:
        poll_s = self._room.settings.scheduler_poll_s
        return JoinedCluster(name, kind=kind, scheduler_poll_s=poll_s)

    def _greeted(self, cluster_id: str, said: dict[str, Any]) -> None:
        """A machine said what it is: its programs are asked for and kept, in a task of their own."""
        task = asyncio.get_running_loop().create_task(self._keep(cluster_id, said))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, cluster_id: str, said: dict[str, Any]) -> None:
        offer = capabilities_from_json(said)
        cluster = self._clusters.get(cluster_id)
        with contextlib.suppress(LaunchError):
            if cluster is not None:
                offer = await cluster.capabilities(self.programs)
        with contextlib.suppress(NotFound):
            await self._room.store.clusters.update(
                cluster_id, host=offer.host, capabilities=capabilities_to_json(offer)
            )
        await self._announce(cluster_id)

    async def _usable(self, caller: Principal) -> list[ClusterRecord]:
        """The hub's own first, if the caller may use it; then the caller's, by name."""
        records = await self._room.store.clusters.all()
        may_local = caller.is_admin or self._room.settings.is_local_for_everyone
        own = [r for r in records if r.owner_id == caller.user_id]
        hubs = [r for r in records if r.owner_id is None and may_local and r.id in self._clusters]
        return hubs + sorted(own, key=lambda record: record.name)

    async def _announce(self, cluster_id: str) -> None:
        """Tells the open pages of its owner how a joined machine is now."""
        record = await self._room.store.clusters.find(cluster_id)
        if record is not None and record.owner_id is not None:
            shape = await self._shape(record)
            self._room.feed.publish(record.owner_id, "cluster", "upsert", shape)

    async def _shape(self, record: ClusterRecord) -> dict[str, Any]:
        name = await self._room.user_name(record.owner_id) if record.owner_id else None
        return views.cluster(record, owner_name=name, is_online=self.is_online(record.id))

    async def _add(
        self, owner_id: str | None, name: str, kind: str, host: str | None, token: str | None
    ) -> ClusterRecord:
        record = await self._room.store.clusters.add(
            ClusterRecord(
                id=new_id("cls"),
                owner_id=owner_id,
                name=name,
                kind=kind,
                host=host,
                token_hash=token,
                created_at=self._room.clock.now(),
            )
        )
        self._room.cluster_names[record.id] = (name, kind)
        return record


class ClusterAttendant:
    """What a joined machine says on its link."""

    def __init__(
        self,
        cluster_id: str,
        cluster: JoinedCluster,
        link: LinkLike,
        *,
        on_hello: Callable[[str, dict[str, Any]], None],
        on_change: Callable[[str], Awaitable[None]],
    ) -> None:
        self._on_hello = on_hello
        self._on_change = on_change
        self._cluster_id = cluster_id
        self._cluster = cluster
        self._link = link

    async def on_control(self, message: dict[str, Any]) -> None:
        """An answer to one of the verbs; the machine's own words about itself are kept as it goes."""
        if message.get("type") == ANSWER:
            self._cluster.on_answer(message)
        elif message.get("type") == HELLO:
            self._on_hello(self._cluster_id, message.get("capabilities") or {})

    async def link_down(self) -> None:
        """Lost, in grace: who waits for an answer is told, and nothing new is asked."""
        self._cluster.unbind_if(self._link.send_control)
        await self._on_change(self._cluster_id)

    async def link_up_again(self) -> None:
        """Back on a new carrier."""
        self._cluster.bind(self._link.send_control)
        await self._on_change(self._cluster_id)

    async def link_closed(self, reason: str) -> None:
        """The machine is gone; its jobs' agents go on by themselves."""
        del reason
        self._cluster.unbind_if(self._link.send_control)
        await self._on_change(self._cluster_id)
