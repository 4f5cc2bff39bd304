"""Tunnels and the providers that come of them: offered, opened, stopped, flagged, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from underpass.core.errors import (
    AppError,
    Conflict,
    InvalidRequest,
    NotFound,
    StorageError,
    TunnelError,
)
from underpass.core.ids import new_id
from underpass.core.names import checked_name, suggest_name
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS, TUNNEL_MOVES, TunnelStatus, move
from underpass.core.targets import Target
from underpass.sessions import views
from underpass.sessions.providers import Providers, read_readiness
from underpass.sessions.room import Live, Room, log
from underpass.store import SessionRecord, TunnelRecord

_T = TunnelStatus


class Tunnels:
    """Everything that happens to tunnels. Callers hold the session's lock where it matters."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.providers = Providers(room)

    # --- what an agent says ----------------------------------------------------------------------

    async def offered(self, live: Live, message: dict[str, Any]) -> None:
        """`tunnel.offer`: accepted under a name, or refused with what to do."""
        ref = message.get("ref")
        try:
            tunnel = await self._accept(live, message)
        except AppError as error:
            refusal = {"type": "tunnel.refused", "ref": ref, "code": error.code}
            self._tell(live, refusal | {"message": error.message, "hint": error.hint})
            return
        url = f"{self._room.settings.public_url}/?provider={tunnel.name}"
        self._tell(
            live,
            {
                "type": "tunnel.accepted",
                "ref": ref,
                "tunnel_id": tunnel.id,
                "name": tunnel.name,
                "chat_url": url,
            },
        )
        if tunnel.id in live.switched_off:
            self._tell(live, {"type": "tunnel.stop", "tunnel_id": tunnel.id})

    async def is_ready(self, live: Live, message: dict[str, Any]) -> None:
        """`tunnel.readiness`: the provider follows. News of a tunnel that is not this session's is
        dropped, and so is what was said of a port alone before the agent knew of the OpenAI flag:
        that something listens is no word on models."""
        tunnel = await self._of_session(live, message)
        if tunnel is None:
            self._ready_to_take_over(live, message)
            return
        if tunnel.openai and message.get("openai") is False:
            return
        try:
            live.readiness[tunnel.id] = read_readiness(message)
        except ValueError:
            log.warning("session %s sent an unknown readiness", live.record.id)
            return
        if tunnel.status is _T.CONNECTING:
            tunnel = await self._up(live, tunnel)
        else:
            await self.providers.refresh(tunnel, live)

    def _ready_to_take_over(self, live: Live, message: dict[str, Any]) -> None:
        """News of a tunnel that its session has yet to take over is kept until it does."""
        tunnel_id = str(message.get("tunnel_id") or "")
        if tunnel_id in live.held:
            try:
                live.readiness[tunnel_id] = read_readiness(message)
            except ValueError:
                log.warning("session %s sent an unknown readiness", live.record.id)

    async def withdrawn(self, live: Live, message: dict[str, Any]) -> None:
        """`tunnel.withdraw` or `tunnel.failed`: the tunnel stops, its provider stays, greyed."""
        tunnel = await self._of_session(live, message)
        if tunnel is None:
            return
        if message.get("message"):
            text = f"The tunnel {tunnel.name} failed: {str(message['message'])[:500]}"
            await self._room.note(live.record.id, "tunnel_failed", text)
        await self._stopped(live, tunnel)

    # --- the link comes and goes -----------------------------------------------------------------

    async def link_lost(self, live: Live) -> None:
        """The connection dropped: within its grace the tunnels are `reconnecting`."""
        for tunnel in await self._room.store.tunnels.of_session(live.record.id):
            if tunnel.status is _T.RUNNING:
                await self._to(live, tunnel, _T.RECONNECTING)

    async def link_back(self, live: Live) -> None:
        """The same link is up again."""
        for tunnel in await self._room.store.tunnels.of_session(live.record.id):
            if tunnel.status is _T.RECONNECTING and live.link is not None:
                self._room.registry.bind_tunnel(tunnel.id, live.link)
                await self._to(live, tunnel, _T.RUNNING)

    async def hand_over(self, before: Live, live: Live) -> None:
        """A session's tunnels move to its successor, whose agent serves them from now on.

        Streams that are under way stay with the old link. Call it under both locks.
        """
        for tunnel in await self._room.store.tunnels.of_session(before.record.id):
            target = live.held.pop(tunnel.id, None)
            tunnel = await self._room.store.tunnels.update(
                tunnel.id, session_id=live.record.id, target=target or tunnel.target
            )
            before.readiness.pop(tunnel.id, None)
            is_off = tunnel.id in before.switched_off
            if is_off or live.link is None:
                live.switched_off |= {tunnel.id} if is_off else set()
                await self._stopped(live, tunnel)
                self._tell(live, {"type": "tunnel.stop", "tunnel_id": tunnel.id})
                continue
            if target is None:
                # One that was opened beside its own: the new agent has not heard of it.
                self._tell(live, _open_message(tunnel))
            await self._up(live, tunnel)

    async def take_up(self, sessions: Mapping[str, SessionRecord]) -> None:
        """This hub has just started: no agent is connected yet, and what ran may come back.

        All at once, as there may be thousands and nobody is answered before.
        """
        store, now = self._room.store, self._room.clock.now()
        tunnels = {one.id: one for one in await store.tunnels.all() if one.session_id in sessions}
        moved: dict[str, dict[str, Any]] = {}
        for tunnel in tunnels.values():
            status = _after_restart(tunnel, sessions[tunnel.session_id])
            if status is not tunnel.status:
                stopped_at = now if status is _T.STOPPED else None
                moved[tunnel.id] = {"status": status, "stopped_at": stopped_at}
        try:
            await store.tunnels.update_all(moved)
        except StorageError as error:
            # A disk that is full or read-only: what was known is served as it was.
            log.warning("tunnels are as they were: %s", error.message)
        else:
            tunnels |= {key: replace(tunnels[key], **one) for key, one in moved.items()}
        await self.providers.take_up(
            [(one, self._room.begin(sessions[one.session_id])) for one in tunnels.values()]
        )

    async def link_gone(self, live: Live) -> None:
        """The link is over: no tunnel of the session runs."""
        for tunnel in await self._room.store.tunnels.of_session(live.record.id):
            await self._stopped(live, tunnel)

    # --- what users ask ---------------------------------------------------------------------------

    async def find(self, caller: Principal, tunnel_id: str) -> TunnelRecord:
        """The caller's own tunnel. Raises NotFound, in the same words for a stranger's."""
        tunnel = await self._room.store.tunnels.find(tunnel_id)
        if tunnel is None or tunnel.owner_id != caller.user_id:
            raise NotFound("There is no such tunnel.")
        return tunnel

    async def find_for_admin(self, caller: Principal, tunnel_id: str) -> TunnelRecord:
        """Any tunnel for an admin, to be shown shortly or stopped; else as `find`."""
        tunnel = await self._room.store.tunnels.find(tunnel_id)
        if tunnel is not None and caller.acts_as_admin:
            return tunnel
        return await self.find(caller, tunnel_id)

    async def shape(self, caller: Principal, tunnel: TunnelRecord) -> dict[str, Any]:
        """The API's shape; somebody else's (for an admin) without name and target."""
        if tunnel.owner_id == caller.user_id:
            return await self._room.tunnel_shape(tunnel)
        name = await self._room.user_name(tunnel.owner_id)
        return views.tunnel_for_admin(tunnel, owner_name=name)

    async def open(
        self, live: Live, *, name: str | None, target: str, openai: bool
    ) -> TunnelRecord:
        """A further tunnel on a session that runs: its agent is asked to serve it.

        Raises Conflict (`session_not_running`, `name_taken`), InvalidRequest.
        """
        parsed = Target.parse(target)
        if not parsed.is_loopback:
            raise InvalidRequest(
                "A tunnel that is opened from here leads to the session's own machine.",
                code="target_not_allowed",
                hint="Give a port, 127.0.0.1:PORT or unix:/path.sock.",
            )
        self._check_up(live)
        wanted = checked_name(name) if name else await self._free_name(live.record)
        await self._check_free(live.record.owner_id, wanted)
        tunnel = await self._room.store.tunnels.add(
            TunnelRecord(
                id=new_id("tun"),
                session_id=live.record.id,
                owner_id=live.record.owner_id,
                name=wanted,
                target=str(parsed),
                openai=openai,
                created_at=self._room.clock.now(),
            )
        )
        await self._publish(live, tunnel)
        self._tell(live, _open_message(tunnel))
        return tunnel

    async def stop(self, live: Live, tunnel: TunnelRecord) -> TunnelRecord:
        """No request passes from now on, and those under way end; the session goes on."""
        live.switched_off.add(tunnel.id)
        self._tell(live, {"type": "tunnel.stop", "tunnel_id": tunnel.id})
        link = live.link
        tunnel = await self._stopped(live, tunnel)
        self._room.cut_streams(link, tunnel.id)
        return tunnel

    async def start(self, live: Live, tunnel: TunnelRecord) -> TunnelRecord:
        """Requests pass again. Raises Conflict (`session_not_running`)."""
        if tunnel.status is not _T.STOPPED:
            return tunnel
        self._check_up(live)
        live.switched_off.discard(tunnel.id)
        tunnel = await self._to(live, tunnel, _T.CONNECTING)
        tunnel = await self._up(live, tunnel)
        self._tell(live, {"type": "tunnel.start", "tunnel_id": tunnel.id})
        return tunnel

    async def change(
        self, live: Live, tunnel: TunnelRecord, *, name: str | None, openai: bool | None
    ) -> TunnelRecord:
        """Another name, or the OpenAI flag on or off: its provider appears or goes at once."""
        changes: dict[str, Any] = {}
        if name is not None and name != tunnel.name:
            await self._check_free(tunnel.owner_id, checked_name(name))
            changes["name"] = name
        if openai is not None and openai != tunnel.openai:
            changes["openai"] = openai
            live.readiness.pop(tunnel.id, None)
        if not changes:
            return tunnel
        spec = live.record.spec
        if "name" in changes and spec.get("tunnel") == tunnel.name:
            # What the next launch is told to offer.
            await self._room.change(live, spec=spec | {"tunnel": name})
        tunnel = await self._room.store.tunnels.update(tunnel.id, **changes)
        await self._publish(live, tunnel)
        if "openai" in changes and tunnel.status is not _T.STOPPED:
            self._tell(live, _open_message(tunnel))
        return tunnel

    async def delete(self, live: Live, tunnel: TunnelRecord) -> None:
        """The tunnel and its provider go for good."""
        if tunnel.status is not _T.STOPPED:
            tunnel = await self.stop(live, tunnel)
        provider = await self._room.store.providers.of_tunnel(tunnel.id)
        if provider is not None:
            await self.providers.drop(provider)
        await self._room.store.tunnels.remove(tunnel.id)
        live.readiness.pop(tunnel.id, None)
        live.switched_off.discard(tunnel.id)
        self._room.feed.publish(tunnel.owner_id, "tunnel", "delete", {"id": tunnel.id})

    async def check_name(self, owner_id: str, name: str, *, is_chosen: bool) -> None:
        """Whether a new session may use a name; one that nobody chose gives way by itself.

        A stopped tunnel of that name is taken over by an offer, so only live ones stand in the
        way. Raises Conflict (`name_taken`).
        """
        if not is_chosen:
            return
        found = await self._room.store.tunnels.find_by_name(owner_id, name)
        if found is not None and found.status is not _T.STOPPED:
            raise self._taken(name)
        await self._check_provider_name(owner_id, name, None if found is None else found.id)

    async def connecting(self, live: Live) -> None:
        """A session begins anew: its tunnels wait for its agent."""
        for tunnel in await self._room.store.tunnels.of_session(live.record.id):
            if tunnel.status is _T.STOPPED:
                await self._to(live, tunnel, _T.CONNECTING)

    async def refresh(self, live: Live) -> None:
        """The session changed (its host, its end): its providers show it."""
        for tunnel in await self._room.store.tunnels.of_session(live.record.id):
            if tunnel.openai:
                await self.providers.refresh(tunnel, live)

    # --- inside ------------------------------------------------------------------------------------

    async def _accept(self, live: Live, message: dict[str, Any]) -> TunnelRecord:
        """Finds the tunnel that an offer means, or makes it, and binds it to the link."""
        target = str(Target.parse(str(message.get("target") or "")))
        name = message.get("name")
        wanted = checked_name(name) if isinstance(name, str) and name else None
        openai = message.get("openai") is True
        # The id goes before the name: the tunnel may have been given another one meanwhile.
        tunnel = await self._of_session(live, message) or await self._meant(live, wanted, target)
        if tunnel is not None and tunnel.session_id in _kin(live.record):
            if live.record.spec.get("renews"):
                live.held[tunnel.id] = target
                live.readiness.pop(tunnel.id, None)
            return tunnel  # the session that has it keeps it, until this one takes over
        if tunnel is None:
            tunnel = await self._room.store.tunnels.add(
                TunnelRecord(
                    id=new_id("tun"),
                    session_id=live.record.id,
                    owner_id=live.record.owner_id,
                    name=wanted or await self._free_name(live.record),
                    target=target,
                    openai=openai,
                    created_at=self._room.clock.now(),
                )
            )
            await self._room.note(
                live.record.id, "tunnel_opened", f"The tunnel {tunnel.name} leads to {target}."
            )
        else:
            live.readiness.pop(tunnel.id, None)
            tunnel = await self._room.store.tunnels.update(
                tunnel.id, session_id=live.record.id, target=target, openai=openai
            )
        if tunnel.id in live.switched_off:
            return tunnel
        if tunnel.status is _T.STOPPED:
            tunnel = await self._to(live, tunnel, _T.CONNECTING)
        return await self._up(live, tunnel)

    async def _meant(self, live: Live, wanted: str | None, target: str) -> TunnelRecord | None:
        """The known tunnel that comes back with this offer, if there is one.

        Raises Conflict (`name_taken`) when the name is that of another live one.
        """
        if wanted is not None:
            found = await self._room.store.tunnels.find_by_name(live.record.owner_id, wanted)
            if found is None and (renews := live.record.spec.get("renews")):
                # It was given another name since the successor's job was made: the eldest is meant.
                theirs = await self._room.store.tunnels.of_session(renews)
                found = theirs[0] if theirs and wanted == live.record.spec.get("tunnel") else None
            if found is None:
                await self._check_provider_name(live.record.owner_id, wanted, None)
            elif found.session_id in _kin(live.record):
                return found
            elif found.session_id != live.record.id and found.status is not _T.STOPPED:
                raise self._taken(wanted)
            return found
        mine = await self._room.store.tunnels.of_session(live.record.id)
        waiting = [t for t in mine if self._room.registry.link_of(t.id) is not live.link]
        by_target = [tunnel for tunnel in waiting if tunnel.target == target]
        # A launched server gets another port each time: the only tunnel is the one that is meant.
        return next(iter(by_target), waiting[0] if len(waiting) == len(mine) == 1 else None)

    async def _free_name(self, session: SessionRecord) -> str:
        """A name that no tunnel and no provider of the owner has: the session's, or like it."""
        taken = await self._room.store.providers.names_of(session.owner_id)
        taken |= await self._room.store.tunnels.names_of(session.owner_id)
        return suggest_name(session.name, taken)

    async def _check_free(self, owner_id: str, name: str) -> None:
        if await self._room.store.tunnels.find_by_name(owner_id, name) is not None:
            raise self._taken(name)
        await self._check_provider_name(owner_id, name, None)

    async def _check_provider_name(self, owner_id: str, name: str, tunnel_id: str | None) -> None:
        provider = await self._room.store.providers.find_by_name(owner_id, name)
        if provider is not None and provider.tunnel_id != tunnel_id:
            raise self._taken(name)

    def _taken(self, name: str) -> Conflict:
        return Conflict(
            f"You already have a provider or tunnel named '{name}'.",
            code="name_taken",
            hint="Choose another with --name, or take it over with --replace.",
        )

    async def _of_session(self, live: Live, message: dict[str, Any]) -> TunnelRecord | None:
        tunnel = await self._room.store.tunnels.find(str(message.get("tunnel_id") or ""))
        return tunnel if tunnel is not None and tunnel.session_id == live.record.id else None

    async def _up(self, live: Live, tunnel: TunnelRecord) -> TunnelRecord:
        if live.link is not None:
            self._room.registry.bind_tunnel(tunnel.id, live.link)
        return await self._to(live, tunnel, _T.RUNNING)

    async def _stopped(self, live: Live, tunnel: TunnelRecord) -> TunnelRecord:
        link = self._room.registry.link_of(tunnel.id)
        if link is not None:
            self._room.registry.unbind_tunnel(tunnel.id, link)
        if tunnel.status is _T.STOPPED:
            return tunnel
        return await self._to(live, tunnel, _T.STOPPED)

    async def _to(self, live: Live, tunnel: TunnelRecord, status: TunnelStatus) -> TunnelRecord:
        """Another status, for the tunnel and with it for its provider."""
        is_end = move(TUNNEL_MOVES, tunnel.status, status) is _T.STOPPED
        stopped_at = self._room.clock.now() if is_end else None
        tunnel = await self._room.store.tunnels.update(
            tunnel.id, status=status, stopped_at=stopped_at
        )
        await self._publish(live, tunnel)
        return tunnel

    async def _publish(self, live: Live, tunnel: TunnelRecord) -> None:
        await self.providers.refresh(tunnel, live)
        await self._room.publish_tunnel(tunnel)

    def _check_up(self, live: Live) -> None:
        if live.link is None or live.record.status in SESSION_ENDS:
            raise Conflict(
                f"The session {live.record.name} does not run.",
                code="session_not_running",
                hint="Restart the session; its tunnels come back with it.",
            )

    def _tell(self, live: Live, message: dict[str, Any]) -> None:
        """A message to the agent, if it is there; one that is not will hear all anew."""
        if live.link is None:
            return
        try:
            live.link.send_control(message)
        except TunnelError as error:
            log.warning("session %s cannot be told: %s", live.record.id, error.message)


def _after_restart(tunnel: TunnelRecord, session: SessionRecord) -> TunnelStatus:
    """What a tunnel is when its hub has just started."""
    if session.status in SESSION_ENDS:
        return _T.STOPPED
    return _T.RECONNECTING if tunnel.status is _T.RUNNING else tunnel.status


def _kin(session: SessionRecord) -> set[str]:
    """The session that this one renews, or that has taken over from it."""
    spec = session.spec
    renewed_by = spec.get("renewed_by") if spec.get("handed_over") else None
    return {one for one in (spec.get("renews"), renewed_by) if one}


def _open_message(tunnel: TunnelRecord) -> dict[str, Any]:
    return {
        "type": "tunnel.open",
        "tunnel_id": tunnel.id,
        "name": tunnel.name,
        "target": tunnel.target,
        "openai": tunnel.openai,
    }
