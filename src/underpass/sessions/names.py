"""Names of sessions, and the sessions that come back under them."""

from __future__ import annotations

from typing import Any

from underpass.core.errors import Conflict
from underpass.core.names import checked_name, suggest_name
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS, SessionStatus
from underpass.sessions.facts import LinkState
from underpass.sessions.room import Live, Room
from underpass.sessions.tunnels import Tunnels
from underpass.store import SessionRecord

_S = SessionStatus


class Names:
    """A name belongs to one live session of its owner; a stopped one gives it to who comes back."""

    def __init__(self, room: Room, tunnels: Tunnels) -> None:
        self._room = room
        self._tunnels = tunnels

    async def attachable(
        self, caller: Principal, name: str | None, host: str, replace: bool
    ) -> SessionRecord | None:
        """The session that comes back under this name; None: a new one is made."""
        wanted = checked_name(name) if name else suggest_name(host)
        known = await self._room.store.sessions.find_by_name(caller.user_id, wanted)
        if known is None:
            await self._tunnels.check_name(caller.user_id, wanted, is_chosen=name is not None)
            return None
        if known.status in SESSION_ENDS and known.is_attached:
            return known
        if replace and known.is_attached:
            return known
        if name is None:
            # Nobody chose it: a free one like it will do.
            return None
        hint = "Choose another with --name, or take it over with --replace."
        if not known.is_attached:
            hint = "Choose another with --name."
        raise Conflict(
            f"You already have a session named '{wanted}' ({known.status}).",
            code="name_taken",
            hint=hint,
        )

    async def revive(self, live: Live, token_hash: str, host: str) -> None:
        """A known attached session under a new token; an older agent of it is displaced."""
        async with live.lock:
            live.forget_launch()
            live.link_since = self._room.clock.now()
            changes: dict[str, Any] = {"token_hash": token_hash, "host": host[:255] or None}
            if live.record.status in SESSION_ENDS:
                live.link, live.link_state = None, LinkState.NEVER
                changes |= {"status": _S.QUEUED, "end_reason": None, "end_message": None}
                changes |= {"ended_at": None, "started_at": None, "running_at": None}
                changes |= {"wall_time_ends_at": None}
                changes |= {"status_reason": "Waiting for its agent to dial in."}
            await self._room.change(live, **changes)
            await self._room.note(live.record.id, "created", f"Opened again from {host}.")
            await self._tunnels.connecting(live)

    async def taken(self, owner_id: str) -> set[str]:
        """The names of an owner's sessions, tunnels and providers."""
        store = self._room.store
        taken = await store.sessions.names_of(owner_id)
        taken |= await store.tunnels.names_of(owner_id)
        return taken | await store.providers.names_of(owner_id)

    async def free(self, caller: Principal, name: str | None, like: str) -> str:
        """The chosen name, if it is free; else one that is like `like`. Raises Conflict."""
        taken = await self.taken(caller.user_id)
        if name is None:
            return suggest_name(like.rstrip("/").rsplit("/", 1)[-1].removesuffix(".gguf"), taken)
        if checked_name(name) in taken:
            raise Conflict(
                f"You already have a session or provider named '{name}'.",
                code="name_taken",
                hint=f"Restart or remove that one, or choose another: '{suggest_name(name, taken)}'"
                " is free.",
            )
        return name
