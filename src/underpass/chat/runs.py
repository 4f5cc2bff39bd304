"""The engine: starts runs, finds them for those who watch, and takes up what a killed hub left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from underpass.chat.asking import AdoptedAnswer, Ask, StreamLike
from underpass.chat.equipment import Tools
from underpass.chat.log import KEEPALIVE_S, LogEvent, RunLog
from underpass.chat.pieces import Piece, PieceKind
from underpass.chat.places import Places, Wake
from underpass.chat.run import Run
from underpass.chat.shapes import message_out, run_out
from underpass.chat.shelves import Memory
from underpass.chat.writer import NoWriter, RunWriter, piece_of
from underpass.core.clock import Clock
from underpass.core.errors import AppError, Conflict, NotFound
from underpass.core.principal import Principal
from underpass.core.states import MessageStatus
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.store import MessageRecord, RunRecord, Store

LINGER_S = 60.0
"""How long an ended run stays in memory, for watchers that come back for its last words."""
PAGE_EVENTS = 1_000
ADOPT_S = 45.0
"""How long a run waits, after the hub's start, for the agent that may have kept its answer: agents
come back within 30 s."""
ADOPT_BACK_S = 2.0
"""How long it waits once that agent is back."""
ORPHAN_S = 45.0
"""A run without a heartbeat for so long has lost its hub."""
LOG = logging.getLogger(__name__)

Fill = Callable[[str, dict[str, Any], bool], Awaitable[dict[str, Any]]]


class Runs:
    """All runs of this hub process."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        feed: Feed,
        ask: Ask,
        *,
        memory: Memory,
        fill: Fill,
        clock: Clock,
        wake: Wake | None = None,
    ) -> None:
        self._store = store
        self._memory = memory
        self._registry = registry
        self._feed = feed
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._beginning: set[str] = set()
        # Several hubs may share one PostgreSQL: what has a heartbeat is somebody else's.
        self._orphan_s = 0.0 if store.database.is_sqlite else ORPHAN_S
        self.places = Places(store, registry, clock, wake)
        self.writer = RunWriter(store, clock)
        self._tools = Tools(
            store=store,
            writer=self.writer,
            ask=ask,
            clock=clock,
            pick=self.places.pick,
            waiting=self.places.waiting,
            fill=fill,
            why_gone=self.places.why_gone,
            patience=self._patience,
            changed=self._publish,
        )
        self._temporary_tools = replace(self._tools, store=memory, writer=NoWriter())

    def __repr__(self) -> str:
        return f"Runs(active={len(self.active())}, held={len(self._runs)})"

    # --- life --------------------------------------------------------------------------------

    async def load(self) -> None:
        """Takes up the runs that have no end, and starts to store."""
        self.writer.start()
        try:
            await self._take_up()
        except AppError as error:
            LOG.warning("runs of an earlier hub wait: %s", error.code)

    def let_go(self) -> None:
        """The hub is about to stop: watchers are to come back to the next one."""
        for run in self._runs.values():
            run.log.let_go()

    async def close(self) -> None:
        """Lets go of all runs, with what they said in the store."""
        await asyncio.gather(*(run.leave() for run in self._runs.values()))
        await self.writer.close()

    async def tidy(self) -> None:
        """Forgets runs that ended a while ago; tries again what `load` could not do."""
        now = self._clock.monotonic()
        for run in list(self._runs.values()):
            is_old = run.ended_at is not None and now - run.ended_at > LINGER_S
            if is_old and run.is_stored and not run.log.watchers:
                del self._runs[run.id]
        await self._take_up()

    # --- runs --------------------------------------------------------------------------------

    @contextmanager
    def beginning(self, run_id: str) -> Iterator[None]:
        """While a run is in the store and not started yet: it is nobody's orphan."""
        self._beginning.add(run_id)
        try:
            yield
        finally:
            self._beginning.discard(run_id)

    def start(
        self, caller: Principal, record: RunRecord, message: MessageRecord, body: dict[str, Any]
    ) -> Run:
        """Starts a run that is in the store already."""
        is_temporary = self._memory.holds(record.chat_id)
        tools = self._temporary_tools if is_temporary else self._tools
        run = Run(record, message, caller, body, tools)
        self._runs[run.id] = run
        run.start()
        self._publish(run)
        return run

    def adoptable(self, session_id: str) -> dict[str, int]:
        """Request id → from which byte on its answer is wanted, for a session whose agent is back.

        Always from the first: the log knows by positions what it has already.
        """
        here = {
            (provider.id, provider.owner_id)
            for provider in self._registry.all_providers()
            if provider.session_id == session_id
        }
        return {
            run.record.request_id: 0
            for run in self.active()
            if run.waits_for_adoption and (run.message().provider_id, run.record.owner_id) in here
        }

    def adopt(self, stream: StreamLike) -> None:
        """An agent brings the answer to a request of an earlier hub."""
        for run in self.active():
            if run.record.request_id == stream.request_id and run.waits_for_adoption:
                run.adopt(AdoptedAnswer(stream))
                return
        stream.cancel("gone")

    def held(self, run_id: str) -> Run | None:
        """The run, while it goes on and for a minute after."""
        return self._runs.get(run_id)

    def active(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self._runs.values() if run.ended_at is None]

    def is_waiting_for(self, session_id: str) -> bool:
        """Whether somebody's message waits for that session."""
        return any(run.waits_for == session_id for run in self.active())

    async def get(self, caller: Principal, run_id: str) -> RunRecord:
        """The run as it is now; NotFound for anybody but its owner."""
        run, kept = self._runs.get(run_id), self._memory.find_run(run_id)
        record = kept[0] if kept is not None else None
        if run is not None:
            record = run.record
        elif record is None:
            record = await self._store.runs.find(run_id)
        if record is None or record.owner_id != caller.user_id:
            if run is not None:
                # Asked for all the same: the answer takes as long as one about no run.
                await self._store.runs.find(run_id)
            raise NotFound(f"There is no run '{run_id[:80]}'.")
        return record

    async def stop(self, caller: Principal, run_id: str) -> RunRecord:
        """Stops the run, keeps what it said, and returns when it has its end."""
        record = await self.get(caller, run_id)
        run = self._runs.get(run_id)
        if run is None:
            return record
        run.stop()
        await run.ended.wait()
        return run.record

    async def move(self, caller: Principal, run_id: str, model: str) -> RunRecord:
        """Lets a run that waits ask another model instead.

        Raises NotFound, Conflict (`run_not_waiting`), and as `places.find` does.
        """
        record = await self.get(caller, run_id)
        place = await self.places.find(caller, model)
        run = self._runs.get(run_id)
        if run is None or run.record.status is not MessageStatus.WAITING or not run.can_move:
            raise Conflict(
                "This answer does not wait any more.",
                code="run_not_waiting",
                hint="Ask again with the other model.",
                status_now=(run.record if run is not None else record).status.value,
            )
        await run.move(place.model, place.waiting)
        return run.record

    def stop_chat(self, chat_id: str) -> None:
        """Stops what runs in a chat: it was deleted."""
        for run in self.active():
            if run.record.chat_id == chat_id:
                run.stop()

    async def stop_of_user(self, user_id: str) -> None:
        """Stops what runs for a user who may do nothing any more, and waits for the ends."""
        ending = [run for run in self.active() if run.record.owner_id == user_id]
        for run in ending:
            run.stop()
        for run in ending:
            await run.ended.wait()

    async def stop_messages(self, message_ids: Collection[str]) -> None:
        """Stops what writes one of these messages, and returns when it has its end."""
        for run in self.active():
            if run.record.message_id in message_ids:
                run.stop()
                await run.ended.wait()

    async def watch(
        self,
        caller: Principal,
        run_id: str,
        after: int,
        *,
        every_s: float = 0.0,
        keepalive_s: float = KEEPALIVE_S,
    ) -> AsyncGenerator[LogEvent, None]:
        """What the run says after a position, live, until its end; raises NotFound at once."""
        record = await self.get(caller, run_id)
        run = self._runs.get(run_id)
        log = run.log if run is not None else await self._stored_log(record)
        return log.watch(after, every_s=every_s, keepalive_s=keepalive_s)

    def as_of_now(self, messages: Iterable[MessageRecord]) -> list[MessageRecord]:
        """The stored messages, those that are being written with what they say by now."""
        found = []
        for message in messages:
            run = self._runs.get(message.run_id or "")
            is_its_own = run is not None and run.record.message_id == message.id
            found.append(run.message() if run is not None and is_its_own else message)
        return found

    # --- helpers -----------------------------------------------------------------------------

    async def _stored_log(self, record: RunRecord) -> RunLog:
        """The log of a run that ended long ago, from its message."""
        kept = self._memory.find_run(record.id)
        if kept is not None:
            message = kept[1]
        else:
            message = await self._store.messages.get(record.message_id)
        log = RunLog(record.status.value)
        log.append(_pieces_of(message, record.id))
        log.finish(message_out(message))
        return log

    def _publish(self, run: Run) -> None:
        out = run_out(run.record)
        item = {name: out[name] for name in ("id", "chat_id", "message_id", "status", "error")}
        self._feed.publish(run.record.owner_id, "run", "upsert", item)
        shown = {"chat_id": run.record.chat_id, "message": message_out(run.message())}
        self._feed.publish(run.record.owner_id, "message", "upsert", shown)

    def _patience(self, provider_id: str | None, status: MessageStatus) -> Iterator[bool]:
        """True while an agent may still come and bring an answer that it kept."""
        # A run that was still waiting had asked nothing: nobody keeps an answer for it.
        ends_at = self._clock.monotonic() + ADOPT_S * (status is MessageStatus.STREAMING)
        is_back = False
        while True:
            if not is_back and self._is_back(provider_id):
                is_back = True
                ends_at = min(ends_at, self._clock.monotonic() + ADOPT_BACK_S)
            yield self._clock.monotonic() < ends_at

    def _is_back(self, provider_id: str | None) -> bool:
        for provider in self._registry.all_providers():
            if provider.id == provider_id and provider.tunnel_id is not None:
                link = self._registry.link_of(provider.tunnel_id)
                return link is not None and link.is_up
        return False

    async def _take_up(self) -> None:
        """Goes on with the runs that have no end and that no living hub is looking after."""
        now = self._clock.now()
        for record in await self._store.runs.unfinished():
            is_ours = record.id in self._runs or record.id in self._beginning
            if is_ours or now - record.heartbeat_at < self._orphan_s:
                continue
            if self._orphan_s and not await self._claim(record, now):
                continue
            message = await self._store.messages.get(record.message_id)
            owner = await self._store.users.get(record.owner_id)
            groups = frozenset(await self._store.groups.of_user(owner.id))
            asked = None if owner.is_disabled else _unasked(record)
            principal = Principal(owner.id, owner.name, group_ids=groups)
            run = Run(record, message, principal, asked, self._tools)
            seq = 0
            while events := await self._store.run_events.after(record.id, seq, PAGE_EVENTS):
                run.log.append([piece_of(event) for event in events])
                seq = events[-1].seq
            run.stored_position = run.log.position
            self._runs[run.id] = run
            run.start()

    async def _claim(self, record: RunRecord, now: float) -> bool:
        """Whether this hub is the one that goes on with the run: of those that share a store and
        look at the same time one is, and a hub that was only slow keeps what it has."""
        as_read = {"heartbeat_at": record.heartbeat_at, "ended_at": None}
        return await self._store.runs.update_when(record.id, as_read, heartbeat_at=now) is not None


def _unasked(record: RunRecord) -> dict[str, Any] | None:
    """What a run is still to ask; None for one that has asked, whose agent may have the answer."""
    is_waiting = record.status is MessageStatus.WAITING and record.stored_seq == 0
    return record.asked if is_waiting else None


def _pieces_of(message: MessageRecord, run_id: str) -> list[Piece]:
    """What a run of long ago said: all of the message, or what it added to one it went on with.

    A run that another one went on from has nothing of its own left: the message holds its words.
    """
    if message.run_id != run_id:
        return []
    pieces = [Piece(PieceKind.TEXT, message.content[message.continued_chars :])]
    if not message.continued_chars:
        pieces.insert(0, Piece(PieceKind.REASONING, message.reasoning))
        pieces += (Piece(PieceKind.TOOL, tool=call) for call in message.tool_calls or ())
    return [piece for piece in pieces if piece.size]
