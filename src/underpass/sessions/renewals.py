"""Renewing a session: a successor is asked for ahead of the end and takes over when it answers.

The successor is a session of its own with its own job, so its queue, its start and its failure are told
as any session's are. When it answers, the tunnels move to it, and with them provider and name; the old
job goes on until its requests have ended. New requests meet the new job, running ones the old: no stream
is dropped.

In `spec`: the successor has `renews` (an id) until it has taken over; the old session has `renewed_by`,
and `handed_over` from then on.
"""

from __future__ import annotations

from typing import Any

from underpass.core.errors import Conflict, NotFound
from underpass.core.ids import new_id
from underpass.core.names import suggest_name
from underpass.core.states import SESSION_ENDS, SessionStatus
from underpass.core.times import in_words
from underpass.sessions.direct import cluster_gone
from underpass.sessions.names import Names
from underpass.sessions.places import Places
from underpass.sessions.room import Live, Room
from underpass.sessions.tunnels import Tunnels
from underpass.store import SessionRecord

OF_A_RENEWAL = ("renews", "renewed_by", "renewed", "handed_over", "takes_name")
_OF_A_LAUNCH = ("watches_time", "ends_as", "woken", "submitted")


class Renewals:
    """Makes successors, and lets them take over."""

    def __init__(self, room: Room, places: Places, tunnels: Tunnels, names: Names) -> None:
        self._room = room
        self._places = places
        self._tunnels = tunnels
        self._names = names

    async def successor_of(self, live: Live) -> Live | None:
        """The session that shall take over from this one, or took over; None: there is none alive."""
        found = await self._find(live.record.spec.get("renewed_by"))
        return found if found is not None and found.record.status not in SESSION_ENDS else None

    async def predecessor_of(self, live: Live) -> Live | None:
        """The session that this one takes over from, or took over from; None: none is alive."""
        spec = live.record.spec
        found = await self._find(spec.get("renews") or spec.get("renewed"))
        return found if found is not None and found.record.status not in SESSION_ENDS else None

    async def renew(self, live: Live, why: str) -> Live:
        """Asks for a successor; one that is on its way already is the answer.

        Call it under the session's lock. Raises Conflict (`session_attached`,
        `session_not_running`, `renewed_already`, `cluster_gone`).
        """
        known = await self.successor_of(live)
        if known is not None and not live.record.spec.get("handed_over"):
            return known
        self._check(live)
        await self._forget_older(live)
        record = live.record
        name = await self._free(record.owner_id, f"{record.name}-next")
        left_out = OF_A_RENEWAL + _OF_A_LAUNCH
        kept = {key: value for key, value in record.spec.items() if key not in left_out}
        successor = SessionRecord(
            id=new_id("ses"),
            owner_id=record.owner_id,
            name=name,
            created_at=self._room.clock.now(),
            status_reason="Waiting to be given to its cluster.",
            cluster_id=record.cluster_id,
            template=record.template,
            spec=kept | {"launch": 1, "renews": record.id, "takes_name": record.name},
        )
        await self._room.store.sessions.add(successor)
        await self._room.note(
            successor.id, "created", f"Asked for to take over from {record.name}."
        )
        await self._room.change(live, spec=record.spec | {"renewed_by": successor.id})
        await self._room.note(record.id, "renewing", f"{why} A successor was asked for: {name}.")
        found = await self._room.live_of(successor.id)
        await self._room.publish(found.record)
        self._room.wake(successor.id)
        return found

    async def take_over(self, live: Live) -> None:
        """The successor answers: tunnels, provider and name move to it.

        Call it under the successor's lock. Doing it again after a crash in between does no harm.
        """
        before = await self._find(live.record.spec.get("renews"))
        if before is None:
            await self._settle(live, None)
            return
        # The one place where two are held, and always the successor's first.
        async with before.lock:
            is_live = before.record.status not in SESSION_ENDS
            await self._tunnels.hand_over(before, live)
            await self._settle(live, before)
            if is_live:
                text = f"{live.record.name} goes on in a new job; running requests finish here."
                await self._room.note(before.record.id, "handed_over", text)
            await self._tunnels.refresh(live)
        self._room.wake(before.record.id)

    async def failed(self, live: Live) -> None:
        """A successor ended before it could take over: who waits for it is told."""
        before = await self._find(live.record.spec.get("renews"))
        if before is None or before.record.status in SESSION_ENDS:
            return
        text = f"Its successor did not come up. {live.record.end_message or ''}".strip()
        await self._room.note(before.record.id, "renewal_failed", text)
        await self._room.publish(before.record)

    # --- inside ------------------------------------------------------------------------------------

    async def _find(self, session_id: Any) -> Live | None:
        if not isinstance(session_id, str):
            return None
        try:
            return await self._room.live_of(session_id)
        except NotFound:
            return None

    def _check(self, live: Live) -> None:
        record = live.record
        if record.is_attached:
            raise Conflict(
                "This session was opened by an agent, so the hub cannot start another job for it.",
                code="session_attached",
                hint="Run `underpass tunnel` in a new job with --replace.",
            )
        if record.status in (*SESSION_ENDS, SessionStatus.STOPPING) or live.wish is not None:
            raise Conflict(
                f"The session {record.name} is {record.status}.",
                code="session_not_running",
                hint="Restart it to use it again.",
            )
        if record.spec.get("handed_over") or record.spec.get("renews"):
            raise Conflict(
                "It is being renewed already.",
                code="renewed_already",
                hint="Renew the session that has its name.",
            )
        if self._places.cluster(record.cluster_id) is None:
            raise cluster_gone(record)

    async def _forget_older(self, live: Live) -> None:
        """Of a chain of renewals only the last ended session is kept, for its log."""
        older = await self._find(live.record.spec.get("renewed"))
        if older is None or older.record.status not in SESSION_ENDS or not older.is_swept:
            return
        if older.lock.locked() or not older.record.spec.get("handed_over"):
            return  # it was started again and is a session of its own
        async with older.lock:
            await self._room.store.sessions.remove(older.record.id)
            older.is_removed = True
        self._room.wake(older.record.id)
        self._room.feed.publish(older.record.owner_id, "session", "delete", {"id": older.record.id})

    async def _settle(self, live: Live, before: Live | None) -> None:
        """Names and notes: from now on the successor is the session."""
        name = str(live.record.spec.get("takes_name") or live.record.name)
        spec = {k: v for k, v in live.record.spec.items() if k not in ("renews", "takes_name")}
        names: dict[str, str] = {}
        if before is not None:
            old = before.record
            changed = old.spec | {"handed_over": True}
            if old.name == name:
                names[old.id] = await self._free(old.owner_id, f"{name}-before")
                # Should somebody start it again, it is a session with a provider of its own.
                changed |= {"tunnel": names[old.id]}
            spec["renewed"] = old.id
        taken = await self._room.store.sessions.find_by_name(live.record.owner_id, name)
        if taken is None or taken.id in (live.record.id, *names):
            names[live.record.id] = name
        await self._room.store.sessions.rename(names)
        if before is not None:
            await self._room.change(before, spec=changed)
        await self._room.change(live, spec=spec)
        since = in_words(self._room.clock.now() - live.record.created_at)
        await self._room.note(live.record.id, "took_over", f"It took over after {since}.")

    async def _free(self, owner_id: str, like: str) -> str:
        return suggest_name(like, await self._names.taken(owner_id))
