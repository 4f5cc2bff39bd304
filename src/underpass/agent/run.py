"""The agent's life: start the command, hold the link, serve, notice the end, say it, leave.

Whatever ends it first decides: a signal, the hub, the command's own end, a refusal. Then no new
work is taken, running answers get a moment, the command is asked to end and killed after its
grace, the hub hears the reason, and the exit code tells the caller.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from underpass import __version__
from underpass.agent import ending
from underpass.agent.command import Command, CommandPlan, program_of
from underpass.agent.ending import End
from underpass.agent.gauges import Gauges
from underpass.agent.gpus import Gpus
from underpass.agent.hold import Holder
from underpass.agent.host import host_name, user_name, working_folder
from underpass.agent.loglines import LogLines
from underpass.agent.meter import Meter
from underpass.agent.ownership import Owners
from underpass.agent.pbs import PbsJob
from underpass.agent.progress import Progress
from underpass.agent.report import EndNews, LogNews, Note, Report
from underpass.agent.serve import Offer
from underpass.agent.shortage import Kind, Shortage
from underpass.agent.slurm import SlurmJob
from underpass.agent.tunnels import COMMAND_REF, Tunnels
from underpass.agent.waiting import until
from underpass.core.clock import Clock, SystemClock
from underpass.core.errors import AppError, LinkRefused, TunnelError
from underpass.core.times import in_words
from underpass.tunnel.dial import Way
from underpass.tunnel.ways import Ways

# Answers that run when the agent is asked to stop get this long before their connections close.
LAST_ANSWERS_S = 3.0
WALL_TIME_EVERY_S = 600.0
JOB_SIGNAL_S = 0.5
_PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one agent has to do."""

    token: str
    """The session token (`ups_…`)."""
    offers: tuple[Offer, ...] = ()
    command: CommandPlan | None = None
    """Its tunnel is offered once its target is known, with the next three."""
    command_openai: bool = True
    command_serves: str | None = None
    command_tunnel: str | None = None
    upstream_key: str | None = field(default=None, repr=False)
    allow_hub_targets: bool = False
    trusted_uids: tuple[int, ...] = ()
    session_id: str | None = None
    scheduler: str | None = None
    end_file: str | None = None


class Agent:
    """One run of the agent."""

    def __init__(
        self,
        plan: Plan,
        way: Way | Ways,
        *,
        environ: Mapping[str, str],
        report: Report,
        clock: Clock | None = None,
    ) -> None:
        """`environ` is what the command inherits, and where Slurm's variables are read."""
        self._plan = plan
        self._environ = environ
        self._report = report
        self._clock = clock or SystemClock()
        self.meter = Meter()
        self._job = SlurmJob.from_environ(environ) or PbsJob.from_environ(environ)
        self.wall_time_ends_at: float | None = self._job.ends_at if self._job else None
        self._gpus = Gpus(environ)
        self._gpu_names: list[str] = []
        self._progress = Progress()
        self._shortage = Shortage()
        self._end: asyncio.Future[End] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._command: Command | None = None
        self._is_draining = False
        self._is_hurried = False
        self._logs = LogLines(self._say, self._clock)
        self._tunnels = Tunnels(
            owners=Owners(also=plan.trusted_uids),
            key=plan.upstream_key,
            meter=self.meter,
            say=self._say_if_possible,
            report=report,
            allow_hub_targets=plan.allow_hub_targets,
            on_refused=lambda error: self._stop(End(None, error.message, 1, hint=error.hint)),
            hub_url=str(way.address),
        )
        self._holder = Holder(
            way,
            plan.token,
            software=f"underpass/{__version__}",
            on_stream=self._tunnels.on_stream,
            on_control=self._on_control,
            on_fresh=self._introduce,
            report=report,
            clock=self._clock,
        )

    async def run(self) -> int:
        """Runs until the end; returns the exit code. Raises LaunchRejected and other AppErrors
        when the command cannot be started."""
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        self._catch_signals(loop)
        try:
            self._gpu_names = await self._gpus.names()
            self._tunnels.offer(self._plan.offers)
            await self._start_command()
            self._spawn(self._hold())
            self._spawn(self._logs.run())
            self._spawn(self._watch_wall_time())
            self._spawn(self._drain_in_time())
            self._spawn(
                Gauges(self._gpus, self._tunnels.counters, self.meter, self._say_if_up).run()
            )
            end = await self._end
            return await self._leave(end)
        finally:
            await self._clean_up(loop)

    # --- beginning ---------------------------------------------------------------------------

    async def _start_command(self) -> None:
        plan = self._plan.command
        if plan is None:
            return
        environ = dict(self._environ)
        if self._plan.session_id is not None:
            environ["UNDERPASS_SESSION"] = self._plan.session_id
        # The key acts for the user at the hub: it is none of the server's business.
        environ.pop("UNDERPASS_KEY", None)
        self._command = Command(plan, environ, self._on_line)
        target = await self._command.start()
        mine = self._plan
        serves = mine.command_serves
        offer = Offer(COMMAND_REF, target, mine.command_openai, mine.command_tunnel, serves)
        self._tunnels.offer([offer])
        self._command.on_moved = self._tunnels.move
        self._command.on_part = self._on_part
        self._spawn(self._watch_command(self._command, program_of(plan.argv)))

    def _introduce(self) -> None:
        """The hub knows nothing of this agent: say who it is and what it offers."""
        job = self._job
        kind = self._plan.scheduler or (job.kind if job else None)
        left_s = self._left_s()
        self._say_if_possible(
            {
                "type": "agent.hello",
                "version": __version__,
                "host": host_name(),
                "user": user_name(),
                "pid": os.getpid(),
                "cwd": working_folder(),
                "scheduler": {"kind": kind, "job_id": job.job_id if job else None}
                if kind
                else None,
                "wall_time_left_s": None if left_s is None else round(left_s),
                "gpus": self._gpu_names,
                "via": self._holder.ways.via,
            }
        )
        if self._progress.step is not None:
            self._say_if_possible(self._progress.step.as_message())
        self._tunnels.announce()

    # --- what runs beside --------------------------------------------------------------------

    async def _hold(self) -> None:
        try:
            await self._holder.run()
        except LinkRefused as error:
            self._stop(ending.by_refusal(error))

    async def _watch_command(self, command: Command, program: str) -> None:
        kills_before = ending.memory_kills()
        try:
            code = await command.wait()
        except AppError as error:  # a restart on another port that failed
            self._stop(End(None, error.message, 1, hint=error.hint))
            return
        was_out_of_memory = ending.memory_kills() > kills_before
        if self._is_in_job and self._end is not None:
            # A scheduler ends all of a job at once: its signal to us may be the news behind this one.
            await asyncio.wait({self._end}, timeout=JOB_SIGNAL_S)
        short_of = Kind.HOST if was_out_of_memory and code == -signal.SIGKILL else None
        if code != 0 and short_of is None:
            short_of = self._shortage.last
        self._stop(ending.by_command(program, code, short_of=short_of))

    async def _watch_wall_time(self) -> None:
        """Tells the hub how long is left, whenever Slurm's answer changes by a minute or more."""
        if self._job is None:
            return
        told: float | None = None
        while True:
            ends_at = await self._job.end_of_wall_time(self._clock.now())
            self.wall_time_ends_at = ends_at
            if ends_at is not None and (told is None or abs(ends_at - told) > 60):
                told = ends_at
                self._say_if_possible(
                    {"type": "session.wall_time", "left_s": round(self._left_s() or 0)}
                )
            await asyncio.sleep(WALL_TIME_EVERY_S)

    async def _drain_in_time(self) -> None:
        """For a scheduler that says nothing ahead of a job's end."""
        wait_s = None if self._job is None else self._job.drain_in_s(self._clock.now())
        if wait_s is not None:
            await asyncio.sleep(wait_s)
            await self._drain()

    def _left_s(self) -> float | None:
        if self.wall_time_ends_at is None:
            return None
        return max(0.0, self.wall_time_ends_at - self._clock.now())

    def _on_control(self, message: dict[str, Any]) -> None:
        if self._tunnels.on_control(message):
            return
        if message.get("type") == "session.stop":
            self._stop(ending.by_hub(str(message.get("reason"))))

    def _on_line(self, source: str, text: str) -> None:
        self._logs.add(source, text)
        self._report(LogNews(source, text))
        self._on_part(text)

    def _on_part(self, text: str) -> None:
        """A line, or what stands on one for a moment: a bar that is drawn over itself."""
        self._shortage.feed(text)
        step = self._progress.feed(text)
        if step is not None:
            self._say_if_possible(step.as_message())

    # --- signals -----------------------------------------------------------------------------

    def _catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (*_STOPPING, *_PASSED_ON):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if number in _STOPPING:
            self._stop(ending.by_signal(number, in_job=self._is_in_job, left_s=self._left_s()))
        elif number is signal.SIGUSR1 and self._is_in_job:
            # `--signal=B:USR1@300`: the limit is near. Not passed on: it ends most servers.
            self._spawn(self._drain())
        elif self._command is not None:
            self._command.pass_on(number)
        elif number is signal.SIGHUP:
            self._stop(ending.by_signal(number, in_job=False, left_s=None))

    @property
    def _is_in_job(self) -> bool:
        return self._job is not None

    async def _drain(self) -> None:
        """No new work; what runs is finished; then the session ends before its limit does."""
        if self._is_draining:
            return
        self._is_draining = True
        if self._job is not None:
            self.wall_time_ends_at = await self._job.end_of_wall_time(self._clock.now())
        left_s = self._left_s() or 0.0
        self._say_if_possible({"type": "session.wall_time", "left_s": round(left_s)})
        self._holder.link.drain("walltime", left_s)
        self._report(
            Note(f"The job ends in {in_words(left_s)}: no new requests, running answers finish.")
        )
        await until(lambda: not self.meter.streams)
        end = ending.by_signal(signal.SIGTERM, in_job=True, left_s=0.0)
        self._stop(end)

    # --- the end -----------------------------------------------------------------------------

    def _stop(self, end: End) -> None:
        """The first reason counts; a second signal ends the waiting for running answers."""
        assert self._end is not None
        if not self._end.done():
            self._end.set_result(end)
        elif end.reason is not None:
            self._is_hurried = True

    async def _leave(self, end: End) -> int:
        if end.reason is not None and end.command_exit_code is None:
            await self._let_answers_finish()
        code = end.command_exit_code
        if self._command is not None and code is None:
            code = await self._command.stop(end.signal)
        self._logs.flush()
        if end.reason is not None:
            words = f"{end.message} {end.hint}" if end.hint else end.message
            last_words = {
                "type": "session.ended",
                "reason": str(end.reason),
                "exit_code": code,
                "message": words,
            }
            ending.write_down(self._plan.end_file, last_words)
            await self._holder.close(last_words, end.message)
        self._report(EndNews(str(end.reason or "refused"), end.message, end.exit_code, end.hint))
        return end.exit_code

    async def _let_answers_finish(self) -> None:
        if self._holder.link.is_closed:
            return
        self._holder.link.drain("stopping", LAST_ANSWERS_S)
        try:
            async with asyncio.timeout(LAST_ANSWERS_S):
                await until(lambda: not self.meter.streams or self._is_hurried)
        except TimeoutError:
            return  # they had their moment

    async def _clean_up(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (*_STOPPING, *_PASSED_ON):
            loop.remove_signal_handler(number)
        await self._tunnels.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._command is not None:
            await self._command.stop(signal.SIGKILL)
            self._command.close()

    # --- helpers -----------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A task that lives as long as the agent; its failure ends the agent."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            assert self._end is not None
            if not self._end.done():
                self._end.set_exception(error)

    def _say(self, message: dict[str, Any]) -> None:
        self._holder.say(message)

    def _say_if_possible(self, message: dict[str, Any]) -> None:
        """For news that is said again when it matters; a link without room gets a fresh start."""
        try:
            self._holder.say(message)
        except TunnelError as error:
            self._report(Note(f"The hub cannot be told just now: {error.message}"))

    def _say_if_up(self, message: dict[str, Any]) -> None:
        """For what is old news a moment later: it must not pile up while the link is down."""
        if self._holder.link.is_up:
            self._say_if_possible(message)
