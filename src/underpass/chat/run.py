"""One generation at work: asks, feeds its log, and ends in exactly one way.

Its task belongs to the hub. Watching or not watching it changes nothing; `stop` ends it within
moments: the upstream connection is closed in the same turn of the event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any

from underpass.chat.asking import Answer, drain
from underpass.chat.assemble import Assembler
from underpass.chat.continuing import as_continuation
from underpass.chat.equipment import Tools
from underpass.chat.log import RunLog
from underpass.chat.outcome import (
    Ending,
    HubRestarted,
    Stopwatch,
    ending_of,
    ending_of_error,
    ending_of_refusal,
    is_place_gone,
    timings,
    whole,
)
from underpass.chat.pieces import AnswerError, Piece, PieceKind, beyond
from underpass.chat.places import takes_images
from underpass.chat.shapes import message_out, provider_out
from underpass.core.errors import (
    AppError,
    ModelLoading,
    ProviderError,
    StorageError,
    TunnelStopped,
    UpstreamUnreachable,
)
from underpass.core.principal import Principal
from underpass.core.states import MESSAGE_MOVES, MessageStatus, move
from underpass.gateway.call import MAX_ERROR_BYTES, read_up_to
from underpass.registry.pick import Pick
from underpass.store import MessageRecord, RunRecord

MAX_ANSWER_CHARS = 8 * 1024 * 1024
WAIT_POLL_S = 0.25
ASKED_IN_VAIN_S = 1.0
"""How long a server is left alone that was asked and said that it is loading."""
STORE_RETRY_S = 2.0
LOG = logging.getLogger(__name__)


class Run:
    """One run that has not ended, or ended a moment ago."""

    def __init__(
        self,
        record: RunRecord,
        message: MessageRecord,
        principal: Principal,
        body: dict[str, Any] | None,
        tools: Tools,
    ) -> None:
        """`body`: what to ask; None to go on with an answer that an earlier hub asked for."""
        self.record = record
        self.log = RunLog(record.status.value)
        if message.waiting:
            self.log.set_status(record.status.value, waiting=message.waiting)
        self.stored_position = 0
        self.upstream_offset = 0
        self.ended_at: float | None = None
        """Monotonic; None while it goes on."""
        self.ended = asyncio.Event()
        self.is_stored = False
        """Whether the whole answer is in its message."""
        self._message = message
        self._principal = principal
        self._body = body
        self._tools = tools
        self._assembler = Assembler(message.content[: message.continued_chars])
        self._watch = Stopwatch(tools.clock.monotonic())
        self._answer: Answer | None = None
        self._adopted: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._assembled = 0
        self._moved = asyncio.Event()
        self._is_stopping = False
        self._has_begun = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Run({self.id} {self.record.status} position={self.log.position})"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def waits_for_adoption(self) -> bool:
        """Whether an agent may bring the rest of its answer."""
        return self._body is None and not self._adopted.done()

    @property
    def waits_for(self) -> str | None:
        """The id of the session that it waits for."""
        waiting = self._message.waiting if self.ended_at is None else None
        return None if waiting is None else waiting["session_id"]

    @property
    def can_move(self) -> bool:
        """Whether it is still to ask, and so can ask somebody else."""
        return self._body is not None and self._answer is None and not self._is_stopping

    # --- from outside ------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the task that does the work."""
        self._tools.writer.add(self)
        self._task = asyncio.create_task(self._work(), name=f"run-{self.id}")

    def adopt(self, answer: Answer) -> None:
        """Hands over the answer that the run goes on with, from its first byte."""
        if not self._adopted.done():
            self._adopted.set_result(answer)

    async def move(self, model: str, waiting: dict[str, Any] | None) -> None:
        """Lets a run that waits ask another model; `waiting`: what that one waits for."""
        self.record = replace(self.record, model=model)
        waiting = waiting or self._message.waiting
        self._message = replace(self._message, model=model, waiting=waiting)
        self._moved.set()
        self._tell()
        self._tools.changed(self)
        await self._note(MessageStatus.WAITING)

    def stop(self) -> None:
        """Ends the run and keeps what it said; a run that has ended stays as it is."""
        if self._is_stopping or self.ended_at is not None or self._task is None:
            return
        self._is_stopping = True
        if self._answer is not None:
            self._answer.cancel("stopped")
        # A task that is cancelled ahead of its first step never gets to give the run its end.
        if self._has_begun:
            self._task.cancel()

    async def wait(self) -> None:
        """Returns when the run has ended and is stored, or its hub is closing."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def leave(self) -> None:
        """The hub stops: ends the task without an end for the run, which is taken up later."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await self.wait()

    def message(self) -> MessageRecord:
        """The answer as it is now."""
        if self.ended_at is not None:
            return self._message
        return replace(
            self._message, status=self.record.status, **whole(self._message, self.log.read())
        )

    # --- storage (called by the writer) ------------------------------------------------------

    def storage_failed(self, error: AppError) -> None:
        """What was said cannot be stored for now: the run goes on and says so."""
        told = {"code": StorageError.code, "message": error.message, "hint": error.hint}
        self._tell(storage=told)

    def storage_works(self) -> None:
        """What was said is stored."""
        if "storage" in self.log.status:
            self._tell()

    # --- the work ----------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            await self._work_to_the_end()
        finally:
            self.ended.set()

    async def _work_to_the_end(self) -> None:
        self._has_begun = True
        try:
            ending = Ending(MessageStatus.STOPPED) if self._is_stopping else await self._outcome()
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            ending = Ending(MessageStatus.STOPPED)
        self._end(ending)
        answer, self._answer = self._answer, None
        if answer is not None and ending.status is not MessageStatus.COMPLETE:
            answer.cancel(ending.status.value)
        await self._store_end()
        if answer is not None:
            if ending.status is MessageStatus.COMPLETE:
                await drain(answer)
            answer.release()

    async def _outcome(self) -> Ending:
        try:
            return await self._generate()
        except AppError as error:
            ending = ending_of_error(error, has_content=self.log.position > 0)
            return await self._with_reason(ending) if is_place_gone(ending) else ending
        # Whatever it is, the answer must get its end.
        except Exception as error:  # noqa: BLE001
            # The type only: the text of an error could repeat what somebody wrote.
            LOG.error("run %s failed: %s", self.id, type(error).__name__)
            mistake = AnswerError("internal", "The hub made a mistake.", "Try again.")
            return Ending(MessageStatus.FAILED, mistake)

    async def _generate(self) -> Ending:
        if self._body is None:
            answer = self._answer = await self._wait_for_adoption()
        else:
            answer = self._answer = await self._ask_when_ready(self._body)
        if answer.status >= 400:
            return ending_of_refusal(answer.status, await read_up_to(answer.read, MAX_ERROR_BYTES))
        while chunk := await answer.read():
            self._take(self._assembler.feed(chunk))
            self.upstream_offset += len(chunk)
            if self._assembler.is_done or self._assembler.error is not None:
                break
            if self.log.position > MAX_ANSWER_CHARS:
                raise ProviderError(
                    "The answer is longer than the hub keeps.",
                    code="answer_too_large",
                    hint="Set max_tokens in the chat's settings.",
                )
        self._take(self._assembler.finish())
        return ending_of(self._assembler, has_content=self.log.position > 0)

    async def _wait_for_adoption(self) -> Answer:
        """The answer that an agent kept while the hub was away; raises HubRestarted."""
        status = self.record.status.value
        self.log.set_status(status, reason="The hub was restarted; waiting for the session.")
        patience = self._tools.patience(self._message.provider_id, self.record.status)
        while not self._adopted.done() and next(patience):
            await asyncio.wait([self._adopted], timeout=WAIT_POLL_S)
        if not self._adopted.done():
            raise HubRestarted(
                "The hub was restarted while this answer came; it holds what came until then.",
                hint="Ask again to get a whole answer.",
            )
        self.log.set_status(status)
        return self._adopted.result()

    async def _ask_when_ready(self, asked: dict[str, Any]) -> Answer:
        """Asks, once the provider can answer; raises what makes waiting useless."""
        while True:
            model, pause_s = self.record.model, WAIT_POLL_S
            try:
                picked = self._tools.pick(self._principal, model, self._message.waiting)
                await self._begin(picked)
                self._watch = Stopwatch(self._tools.clock.monotonic())
                body = await self._encoded(asked, picked)
                pause_s = ASKED_IN_VAIN_S
                return await self._tools.ask(self._principal, body, self.record.request_id)
            except (ModelLoading, TunnelStopped, UpstreamUnreachable) as error:
                self._moved.clear()
                told = await self._tools.waiting(self._principal, model, error)
                if model == self.record.model:
                    await self._wait_on(told, min(pause_s, error.retry_after_s or pause_s))

    async def _wait_on(self, told: dict[str, Any], pause_s: float) -> None:
        """Says what the run waits for, and waits a moment, or until it is moved."""
        before = self._message.waiting
        self._message = replace(self._message, waiting=told)
        self._set_status(MessageStatus.WAITING)
        if before is None or told["code"] != before["code"]:
            await self._note(MessageStatus.WAITING)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._moved.wait()

    async def _encoded(self, asked: dict[str, Any], picked: Pick) -> bytes:
        """The body as it goes out; how to ask for more of an answer depends on the server."""
        asked = {**asked, "model": self.record.model}
        if self._message.continued_chars:
            asked = as_continuation(asked, picked.provider.server_kind)
        asked = await self._tools.fill(self.record.owner_id, asked, takes_images(picked))
        return json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")

    async def _begin(self, picked: Pick) -> None:
        has_waited = self._message.waiting is not None
        self._message = replace(
            self._message,
            provider_id=picked.provider.id,
            provider=provider_out(picked.provider),
            waiting=None,
        )
        if has_waited:
            # Ahead of the asking: a hub that is killed from now on must not ask a second time.
            await self._note(MessageStatus.STREAMING)
        self._set_status(MessageStatus.STREAMING)

    async def _note(self, status: MessageStatus) -> None:
        """Stores where the run is, so that the next hub knows; a store that cannot write is told
        of by the writer, and the run goes on."""
        message = self._message
        changes = {
            "status": status,
            "waiting": message.waiting,
            "model": message.model,
            "provider_id": message.provider_id,
            "provider": message.provider,
        }
        asked = self._body if status is MessageStatus.WAITING else None
        kept = {"status": status, "model": self.record.model, "asked": asked}
        try:
            await self._tools.store.answers.note(self.id, message.id, changes, kept)
        except AppError as error:
            LOG.warning("where run %s is cannot be stored: %s", self.id, error.code)

    def _take(self, pieces: list[Piece]) -> None:
        start = self._assembled
        self._assembled += sum(piece.size for piece in pieces)
        # An adopted answer comes from its beginning: what the log has already is left out.
        pieces = beyond(pieces, start, self.log.position)
        if not pieces:
            return
        if self._body is not None:
            has_text = any(piece.kind is not PieceKind.REASONING for piece in pieces)
            self._watch.note(self._tools.clock.monotonic(), has_text=has_text)
        self.log.append(pieces)
        self._tools.writer.note(self)

    async def _with_reason(self, ending: Ending) -> Ending:
        """The ending with the reason that the session gave for its own end, where it gave one."""
        if ending.error is None or self._message.provider_id is None:
            return ending
        why = await self._tools.why_gone(self._principal, self._message.provider_id)
        if not why or why in ending.error.message:
            return ending
        error = replace(ending.error, message=f"{ending.error.message} {why}")
        return Ending(ending.status, error)

    # --- the end -----------------------------------------------------------------------------

    def _end(self, ending: Ending) -> None:
        self._take(self._assembler.finish())
        pieces = self.log.read()
        error = ending.error.as_json() if ending.error is not None else None
        self._message = replace(
            self._message,
            status=move(MESSAGE_MOVES, self.record.status, ending.status),
            error=error,
            usage=self._assembler.usage,
            timings=timings(
                self._watch,
                self._assembler,
                has_reasoning=any(piece.kind is PieceKind.REASONING for piece in pieces),
            ),
            finish_reason=self._assembler.finish_reason,
            waiting=None,
            **whole(self._message, pieces),
        )
        self.record = replace(
            self.record, status=ending.status, error=error, ended_at=self._tools.clock.now()
        )
        self.ended_at = self._tools.clock.monotonic()
        self.log.finish(message_out(self._message))
        self.ended.set()
        self._tools.changed(self)

    async def _store_end(self) -> None:
        """Stores the whole answer; tries for as long as the store cannot write."""
        message, run = self._message, self.record
        changes = {
            name: getattr(message, name)
            for name in (
                *("status", "content", "reasoning", "tool_calls", "error", "usage", "timings"),
                *("finish_reason", "provider_id", "provider", "waiting", "model"),
            )
        }
        ended = {
            "status": run.status,
            "error": run.error,
            "ended_at": run.ended_at,
            "asked": None,
        }
        while True:
            try:
                await self._tools.store.answers.end(run.id, message.id, changes, ended)
            except AppError as error:
                LOG.warning("run %s is not stored yet: %s", self.id, error.code)
                await asyncio.sleep(STORE_RETRY_S)
            else:
                break
        self.is_stored = True
        self._tools.writer.remove(self)

    def _set_status(self, status: MessageStatus) -> None:
        is_new = status is not self.record.status
        self.record = replace(self.record, status=move(MESSAGE_MOVES, self.record.status, status))
        self._tell()
        if is_new:
            self._tools.changed(self)

    def _tell(self, **more: Any) -> None:
        """Where the run is, for those who watch it."""
        waiting = self._message.waiting
        reason = waiting["message"] if waiting else None
        self.log.set_status(self.record.status.value, waiting=waiting, reason=reason, **more)
