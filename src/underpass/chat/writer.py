"""Puts what all runs say into the store: one transaction for all of them, twice a second.

A run whose text piles up (16 KiB) is written at once. While the store cannot write, the runs go
on, say so to their watchers, and what they said stays in memory until it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from underpass.chat.log import RunLog
from underpass.chat.pieces import Piece, PieceKind
from underpass.core.clock import Clock
from underpass.core.errors import AppError
from underpass.store import RunBatch, RunEventRecord, Store

INTERVAL_S = 0.5
HEARTBEAT_S = 10.0
MAX_UNSTORED = 16 * 1024
RETRY_S = 2.0
LOG = logging.getLogger(__name__)


class Writable(Protocol):
    """What the writer needs of a run."""

    @property
    def id(self) -> str: ...
    @property
    def log(self) -> RunLog: ...
    @property
    def upstream_offset(self) -> int: ...

    stored_position: int

    def storage_failed(self, error: AppError) -> None:
        """What was said cannot be stored for now."""

    def storage_works(self) -> None:
        """What was said until now is stored."""


class Writer(Protocol):
    """What a run tells of itself: `RunWriter`, or nobody for what is stored nowhere."""

    def add(self, run: Writable) -> None:
        """It has begun."""

    def remove(self, run: Writable) -> None:
        """It has ended."""

    def note(self, run: Writable) -> None:
        """It said something."""


class NoWriter:
    """For the runs of temporary chats: keeps their logs short, and stores nothing."""

    def add(self, run: Writable) -> None:
        """Nothing to do."""

    def remove(self, run: Writable) -> None:
        """Nothing to do."""

    def note(self, run: Writable) -> None:
        """Joins the pieces of the log now and then."""
        if run.log.position - run.stored_position >= MAX_UNSTORED:
            run.stored_position = run.log.position
            run.log.compact(run.stored_position)


class RunWriter:
    """Collects from the runs that `note` themselves; owns one task."""

    def __init__(self, store: Store, clock: Clock, *, interval_s: float = INTERVAL_S) -> None:
        self._store = store
        self._clock = clock
        self._interval_s = interval_s
        self._runs: dict[str, Writable] = {}
        self._dirty: dict[str, Writable] = {}
        self._is_pending = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._heartbeat_at = 0.0
        self.transactions = 0
        """How many there were: never one per token."""

    def start(self) -> None:
        """Starts the task."""
        self._heartbeat_at = self._clock.monotonic()
        self._task = asyncio.create_task(self._work(), name="chat-writer")

    async def close(self) -> None:
        """Stops the task, after one last try to store what is in memory."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush()

    def add(self, run: Writable) -> None:
        """A run that has begun: it gets heartbeats until it is removed."""
        self._runs[run.id] = run

    def remove(self, run: Writable) -> None:
        """A run that has ended: its message holds what it said."""
        self._runs.pop(run.id, None)
        self._dirty.pop(run.id, None)

    def note(self, run: Writable) -> None:
        """The run said something. Cheap: it is called for every chunk."""
        if run.id not in self._dirty:
            self._dirty[run.id] = run
            self._is_pending.set()
        if run.log.position - run.stored_position >= MAX_UNSTORED:
            self._is_urgent.set()

    async def flush(self) -> bool:
        """Stores what is new, in one transaction; whether that worked."""
        dirty, self._dirty = self._dirty, {}
        self._is_urgent.clear()
        runs = dict(dirty)
        now = self._clock.monotonic()
        if now - self._heartbeat_at >= HEARTBEAT_S:
            self._heartbeat_at = now
            runs = dict(self._runs) | runs
        if not runs:
            return True
        batches = [_batch(run) for run in runs.values()]
        try:
            self.transactions += 1
            await self._store.answers.append(batches, at=self._clock.now())
        except AppError as error:
            for run in runs.values():
                run.storage_failed(error)
            self._put_back(dirty)
            return False
        except BaseException:
            self._put_back(dirty)
            raise
        for batch in batches:
            run = runs[batch.run_id]
            run.stored_position = batch.stored_seq
            run.log.compact(batch.stored_seq)
            run.storage_works()
        return True

    async def _work(self) -> None:
        while True:
            await _wait(self._is_pending, HEARTBEAT_S)
            self._is_pending.clear()
            await _wait(self._is_urgent, self._interval_s)
            if not await self._flush_safely():
                await asyncio.sleep(RETRY_S)

    async def _flush_safely(self) -> bool:
        try:
            return await self.flush()
        except Exception as error:  # noqa: BLE001 - a bug over one run must not end the storing
            # The type only: the text of an error could repeat what somebody wrote.
            LOG.error("runs could not be stored: %s", type(error).__name__)
            return False

    def _put_back(self, dirty: dict[str, Writable]) -> None:
        alive = {run_id: run for run_id, run in dirty.items() if run_id in self._runs}
        self._dirty = alive | self._dirty
        if self._dirty:
            self._is_pending.set()


def piece_of(event: RunEventRecord) -> Piece:
    """The piece that a stored event holds."""
    kind = PieceKind(event.kind)
    if kind is PieceKind.TOOL:
        return Piece(kind, tool=event.data)
    return Piece(kind, str(event.data.get("text", "")))


def _batch(run: Writable) -> RunBatch:
    position = run.stored_position
    events = []
    for piece in run.log.read(position):
        position += piece.size
        data: dict[str, Any] = piece.tool if piece.tool is not None else {"text": piece.text}
        events.append(RunEventRecord(run.id, position, piece.kind.value, data))
    return RunBatch(run.id, tuple(events), run.stored_position, position, run.upstream_offset)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        pass
