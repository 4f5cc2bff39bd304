"""The engine: starts runs, finds them for those who watch, and takes up what a killed hub left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

from underpass.chat.asking import Ask
from underpass.chat.log import LogEvent, RunLog
from underpass.chat.pieces import AnswerError, Piece, PieceKind, tool_calls_of
from underpass.chat.run import Run, Tools
from underpass.chat.shapes import message_out, run_out
from underpass.chat.writer import RunWriter, piece_of
from underpass.core.clock import Clock
from underpass.core.errors import AppError, NotFound
from underpass.core.principal import Principal
from underpass.core.states import MessageStatus, ProviderStatus
from underpass.gateway.models import require_allowed
from underpass.registry.feed import Feed
from underpass.registry.live import Registry
from underpass.registry.pick import Pick, pick
from underpass.store import MessageRecord, RunRecord, Store

LINGER_S = 60.0
"""How long an ended run stays in memory, for watchers that come back for its last words."""
WHY_GONE_S = 1.0
PAGE_EVENTS = 1_000
LOG = logging.getLogger(__name__)

RESTARTED = AnswerError(
    "hub_restarted",
    "The hub was restarted while this answer came; this is what came until then.",
    "Ask again to get a whole answer.",
)


class Runs:
    """All runs of this hub process."""

    def __init__(
        self, store: Store, registry: Registry, feed: Feed, ask: Ask, *, clock: Clock
    ) -> None:
        self._store = store
        self._registry = registry
        self._feed = feed
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._unrecovered: dict[str, RunRecord] = {}
        self.writer = RunWriter(store, clock)
        self._tools = Tools(
            store=store,
            writer=self.writer,
            ask=ask,
            clock=clock,
            pick=self.pick,
            why_gone=self._why_gone,
            changed=self._publish,
        )

    def __repr__(self) -> str:
        return f"Runs(active={len(self.active())}, held={len(self._runs)})"

    # --- life --------------------------------------------------------------------------------

    async def load(self) -> None:
        """Takes up the runs that have no end, and starts to store."""
        try:
            self._unrecovered = {run.id: run for run in await self._store.runs.unfinished()}
            await self._recover()
        except AppError as error:
            LOG.warning("runs of an earlier hub are not taken up yet: %s", error.code)
        self.writer.start()

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
        await self._recover()

    # --- runs --------------------------------------------------------------------------------

    def pick(self, caller: Principal, model: str) -> Pick:
        """What `model` means for the caller; raises as `registry.pick` does, and NotAllowed."""
        providers = self._registry.providers_visible_to(caller)
        picked = pick(model, providers, caller_name=caller.user_name)
        require_allowed(caller, picked.provider, picked.upstream_model)
        return picked

    def start(
        self, caller: Principal, record: RunRecord, message: MessageRecord, body: dict[str, Any]
    ) -> Run:
        """Starts a run that is in the store already."""
        run = Run(record, message, caller, body, self._tools)
        self._runs[run.id] = run
        run.start()
        self._publish(run)
        return run

    def active(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self._runs.values() if run.ended_at is None]

    async def get(self, caller: Principal, run_id: str) -> RunRecord:
        """The run as it is now; NotFound for anybody but its owner."""
        run = self._runs.get(run_id)
        record = run.record if run is not None else await self._store.runs.find(run_id)
        if record is None or record.owner_id != caller.user_id:
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

    def stop_chat(self, chat_id: str) -> None:
        """Stops what runs in a chat: it was deleted."""
        for run in self.active():
            if run.record.chat_id == chat_id:
                run.stop()

    async def watch(self, caller: Principal, run_id: str, after: int) -> AsyncIterator[LogEvent]:
        """What the run says after a position, live, until its end; raises NotFound at once."""
        record = await self.get(caller, run_id)
        run = self._runs.get(run_id)
        return (run.log if run is not None else await self._stored_log(record)).watch(after)

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
        message = await self._store.messages.get(record.message_id)
        log = RunLog(record.status.value)
        log.append(_pieces_of(message))
        log.finish(message_out(message))
        return log

    def _publish(self, run: Run) -> None:
        out = run_out(run.record)
        item = {name: out[name] for name in ("id", "chat_id", "message_id", "status", "error")}
        self._feed.publish(run.record.owner_id, "run", "upsert", item)

    async def _why_gone(self, caller: Principal, provider_id: str) -> str:
        """The provider's own word on why it is stopped, which comes a moment after the break."""
        deadline = self._clock.monotonic() + WHY_GONE_S
        while self._clock.monotonic() < deadline:
            try:
                provider = self._registry.provider(provider_id, caller)
            except NotFound:
                return ""
            if provider.status is ProviderStatus.STOPPED:
                return provider.status_reason
            await asyncio.sleep(0.05)
        return ""

    async def _recover(self) -> None:
        """Gives the runs of an earlier hub their end, with all of their text that was stored."""
        for run in list(self._unrecovered.values()):
            pieces: list[Piece] = []
            seq = 0
            while events := await self._store.run_events.after(run.id, seq, PAGE_EVENTS):
                pieces += map(piece_of, events)
                seq = events[-1].seq
            error = RESTARTED.as_json()
            status = MessageStatus.INTERRUPTED
            changes = {
                "status": status,
                "error": error,
                "content": _joined(pieces, PieceKind.TEXT),
                "reasoning": _joined(pieces, PieceKind.REASONING),
                "tool_calls": tool_calls_of(pieces) or None,
            }
            ended = {"status": status, "error": error, "ended_at": self._clock.now()}
            await self._store.answers.end(run.id, run.message_id, changes, ended)
            del self._unrecovered[run.id]


def _joined(pieces: Iterable[Piece], kind: PieceKind) -> str:
    return "".join(piece.text for piece in pieces if piece.kind is kind)


def _pieces_of(message: MessageRecord) -> list[Piece]:
    pieces = [
        Piece(PieceKind.REASONING, message.reasoning),
        Piece(PieceKind.TEXT, message.content),
    ]
    pieces += (Piece(PieceKind.TOOL, tool=call) for call in message.tool_calls or ())
    return [piece for piece in pieces if piece.size]
