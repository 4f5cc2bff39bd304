"""The one mover of session states: gathers facts, asks `decide`, does what it says, asks again.

Whoever learns something (an agent's attendant, a poll, a user) writes it down as a fact and wakes
the reconciler; nobody else changes a status. What has to ask a cluster runs in a task of its own, so
a silent scheduler delays nobody else's session and no user's click.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from underpass.clusters.base import Cluster, JobRef
from underpass.clusters.joined import OFFLINE
from underpass.core.errors import (
    AppError,
    LaunchError,
    LaunchRejected,
    SchedulerSilent,
    TunnelError,
)
from underpass.core.ids import hash_secret, new_secret
from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.core.times import in_words
from underpass.sessions import starting
from underpass.sessions.decide import decide
from underpass.sessions.facts import (
    Action,
    Adopt,
    AskAgent,
    CancelExtra,
    CancelJob,
    End,
    LinkState,
    MoveTo,
    Renew,
    Requeue,
    Show,
    Stop,
    Submit,
    Sweep,
    TakeOver,
    Warn,
    Wish,
)
from underpass.sessions.logs import Logs
from underpass.sessions.places import Places
from underpass.sessions.polls import SLOWEST_POLL_S, Polls
from underpass.sessions.renewals import OF_A_RENEWAL, Renewals
from underpass.sessions.room import Live, Room, log, touched
from underpass.sessions.sentences import end_sentence, end_status
from underpass.sessions.specs import habits_of, order_of
from underpass.sessions.tunnels import Tunnels
from underpass.store import SessionRecord
from underpass.tunnel.link import Link

_S = SessionStatus
# Gets None in the place of a cluster that is gone: what was asked of it counts as done.
Work = Callable[[Cluster | None], Awaitable[None]]

TOKEN_PREFIX = "ups_"
MAX_STEPS = 12
"""Actions in a row for one session; more means that two rules undo each other."""
_OFFLINE_PAUSE_S = 1.0
_LAST_WORDS_S = 5.0

# These ask the cluster: one at a time for each session, and none while it is held.
_ASKS_CLUSTER = (Submit, CancelJob, CancelExtra, Sweep)


class Reconciler:
    """Runs from `start` to `close`. Jobs live on when it stops."""

    def __init__(
        self, room: Room, places: Places, tunnels: Tunnels, logs: Logs, renewals: Renewals
    ) -> None:
        self._room = room
        self._renewals = renewals
        self._places = places
        self._tunnels = tunnels
        self._logs = logs
        self._woken: set[str] = set()
        self._is_awake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._polls = Polls(room, places, self.wake)

    def start(self) -> None:
        """Begins to look after all live sessions."""
        self._loop_task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stops looking; what was asked of a cluster may or may not happen."""
        tasks = [*self._tasks, *([self._loop_task] if self._loop_task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop_task = None
        await self._polls.close()

    def wake(self, session_id: str) -> None:
        """Something about the session is new."""
        self._woken.add(session_id)
        self._is_awake.set()

    async def reconcile(self, live: Live) -> None:
        """Does what is to be done for one session now."""
        async with live.lock:
            for _ in range(MAX_STEPS):
                now = self._room.clock.now()
                self._look_at_use(live, now)
                is_gone = self._places.cluster(live.record.cluster_id) is None
                facts = live.facts(is_cluster_gone=is_gone)
                action = decide(live.record, facts, now, self._room.settings.limits)
                if live.is_removed:
                    if live.is_swept or live.record.is_attached:
                        self._room.live.pop(live.record.id, None)
                    action = action if isinstance(action, Sweep) else None
                if action is None:
                    self._look_soon(live)
                    return
                if isinstance(action, _ASKS_CLUSTER) and (live.is_asking or now < live.held_until):
                    return
                if isinstance(action, End) and self._has_more_to_say(live):
                    if not live.is_asking:
                        self._ask(live, lambda cluster: self._fetch_last_words(live, cluster))
                    return
                log.debug("= %s %s %r", live.record.id, live.record.status, action)
                await self._do(live, action)
            log.error("session %s does not come to rest", live.record.id)

    def _look_soon(self, live: Live) -> None:
        """The agent's last word is one that its scheduler has to confirm: asked once, then again."""
        if live.said is not None and live.report_at <= live.said_at and not live.is_end_asked:
            live.is_end_asked = True
            self._polls.hurry(live.record.cluster_id)

    # --- the loop -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        time, tick_s = asyncio.get_running_loop().time, self._room.settings.tick_s
        next_tick = time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_tick):
                    await self._is_awake.wait()
            self._is_awake.clear()
            woken, self._woken = self._woken, set()
            await self._look_at(woken)
            if time() >= next_tick:
                next_tick = time() + tick_s
                await self.tick()

    async def tick(self) -> None:
        """Starts the polls that are due, and looks at every session for what only time brings."""
        self._polls.start_due()
        # One that is being worked on looks again by itself when that is done.
        idle = {
            one
            for one, live in self._room.live.items()
            if not live.is_at_rest and not live.lock.locked()
        }
        await self._look_at(idle)

    async def idle(self) -> None:
        """Until nothing that was asked of a cluster is under way."""
        while tasks := [*self._tasks, *self._polls.tasks]:
            await asyncio.wait(tasks)

    async def _look_at(self, session_ids: set[str]) -> None:
        for session_id in session_ids:
            live = self._room.live.get(session_id)
            if live is not None:
                await self._safely(live, self.reconcile(live))

    async def _safely(self, live: Live, work: Awaitable[None]) -> None:
        try:
            await work
        except AppError as error:
            # For instance a full disk: the next tick tries again.
            log.warning("session %s: %s", live.record.id, error.message)
        except Exception:  # noqa: BLE001 - one session's fault must not stop the others'
            log.exception("session %s could not be looked after", live.record.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what an action does ------------------------------------------------------------------------

    async def _do(self, live: Live, action: Action) -> None:
        match action:
            case Submit():
                live.is_submitting = live.is_asking = True
                self._spawn(self._submit(live))
            case Adopt(job_id):
                live.in_doubt_since = None
                await self._room.change(live, job_id=job_id)
            case MoveTo(status, text):
                await self._move(live, status, text)
            case Show(text, raw_state):
                changes = {} if raw_state is None else {"job_raw_state": raw_state}
                await self._room.change(live, status_reason=text, **changes)
            case Stop(reason):
                live.wish = Wish(reason, self._room.clock.now())
                if reason is EndReason.IDLE and live.link is not None:
                    # In the turn in which nothing was under way: nobody's request slips in and is cut.
                    live.link.drain("idle")
            case Warn(stops_at):
                await self._warn(live, stops_at)
            case AskAgent():
                self._ask_agent(live)
            case CancelJob(kill):
                self._ask(live, lambda cluster: self._cancel(live, cluster, kill))
            case CancelExtra(job_id):
                self._ask(live, lambda cluster: self._cancel_extra(live, cluster, job_id))
            case Sweep():
                self._ask(live, lambda cluster: self._sweep(live, cluster))
            case End():
                await self._end(live, action)
            case Renew():
                await self._renewals.renew(live, "Its time ends soon.")
            case TakeOver():
                await self._renewals.take_over(live)
            case Requeue():
                await self.requeue(live)

    async def _move(self, live: Live, status: SessionStatus, text: str) -> None:
        record, now = live.record, self._room.clock.now()
        changes: dict[str, Any] = {"status": status, "status_reason": text}
        if record.status in SESSION_ENDS:
            changes |= {"end_reason": None, "end_message": None, "ended_at": None}
        if status in (_S.STARTING, _S.RUNNING) and record.started_at is None:
            changes["started_at"] = now
            # An attached one runs as soon as it is there, and ends with its agent.
            if not record.is_attached:
                spec = record.spec | {"usual_start_s": await self._usual_start_s(record)}
                changes |= {"spec": spec} | self._time_limit(live, now, spec)
        if status is _S.RUNNING and record.running_at is None:
            changes["running_at"] = now
        if status is _S.STOPPING and live.wish is not None:
            # For the next hub, should this one not see the end.
            changes["spec"] = record.spec | {"ends_as": live.wish.reason}
        await self._room.change(live, **changes)
        since = in_words(now - (record.started_at or record.created_at))
        line = f"Running after {since}." if status is _S.RUNNING else text
        await self._room.note(record.id, str(status), line or f"Now {status}.")
        await self._tunnels.refresh(live)

    def _look_at_use(self, live: Live, now: float) -> None:
        if live.link is None or habits_of(live.record).idle_s is None:
            return
        live.use.look(live.link.use, is_wanted=self._room.is_wanted(live.record.id), now=now)

    async def _warn(self, live: Live, stops_at: float | None) -> None:
        live.idle_stops_at = stops_at
        if stops_at is None:
            return
        now = self._room.clock.now()
        unused, left = in_words(now - live.facts().used_at), in_words(stops_at - now)
        text = f"Nobody has used it for {unused}: it stops in {left}, unless somebody does."
        await self._room.note(live.record.id, "idle_warning", text)

    def _time_limit(self, live: Live, now: float, spec: dict[str, Any]) -> dict[str, Any]:
        time_s = spec.get("time_s")
        if not time_s or not self._places.watches_time(live.record.cluster_id):
            return {}
        return {"wall_time_ends_at": now + time_s, "spec": spec | {"watches_time": True}}

    async def _usual_start_s(self, record: SessionRecord) -> float | None:
        """How long starts like this one took; None for the first, or where it cannot be looked up."""
        store = self._room.store
        try:
            page = await store.sessions.list(record.owner_id, limit=starting.MAX_SESSIONS)
            found: list[float] = []
            for one in page.items:
                if starting.is_like(one, record):
                    found += reversed(starting.durations_s(await store.session_events.list(one.id)))
        except AppError:
            return None
        return starting.usual_s(found)

    def _ask_agent(self, live: Live) -> None:
        limits = self._room.settings.limits
        reason = live.wish.reason if live.wish else EndReason.USER
        message = {"type": "session.stop", "reason": reason, "grace_s": limits.stop_grace_s}
        if live.link is not None:
            with suppress(TunnelError):
                live.link.send_control(message)
        touched(live, asked_agent_at=self._room.clock.now())

    async def _end(self, live: Live, end: End) -> None:
        has_gone_on = bool(live.record.spec.get("handed_over"))
        if has_gone_on and end.reason is not EndReason.WALLTIME:
            # However its last job came to its end, nothing was lost by it.
            end = End(EndReason.USER)
        last_line = await self._logs.last_of_server(live.record.id)
        message = end_sentence(
            end.reason,
            is_attached=live.record.is_attached,
            exit_code=end.exit_code,
            said=end.message,
            last_line=last_line,
            wakes=habits_of(live.record).wakes,
            has_gone_on=has_gone_on,
        )
        if live.link_state is LinkState.UP and live.said is None:
            self._send_away(live)
        await self._room.change(
            live,
            status=end_status(end.reason, end.exit_code),
            status_reason=message,
            end_reason=end.reason,
            end_message=message,
            ended_at=self._room.clock.now(),
        )
        await self._room.note(live.record.id, "ended", message)
        await self._tunnels.link_gone(live)
        if live.record.spec.get("renews"):
            await self._renewals.failed(live)

    def _has_more_to_say(self, live: Live) -> bool:
        """Whether a session that ends has an agent that could never say why."""
        is_unheard = live.link_state is LinkState.NEVER and live.record.job_id is not None
        return is_unheard and not live.has_last_words

    async def _fetch_last_words(self, live: Live, cluster: Cluster | None) -> None:
        """Its own log on the cluster tells, if the cluster answers in time."""
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                for line in await cluster.logs(_job(live), 50) if cluster is not None else ():
                    self._logs.say(live.record.id, line)
        except (LaunchError, TimeoutError):
            return
        finally:
            live.has_last_words = True

    def _send_away(self, live: Live) -> None:
        """The session is over and its agent is still there: it must not come back."""
        link = live.link
        if isinstance(link, Link):
            self._spawn(link.close("The session is over.", code="stopped"))

    async def requeue(self, live: Live) -> None:
        """A new launch of the same session: same row, same tunnels, same providers."""
        launch, is_woken = int(live.record.spec.get("launch", 1)) + 1, live.is_woken
        spec = live.record.spec | {"launch": launch, "woken": is_woken}
        for name in ("watches_time", "ends_as", *OF_A_RENEWAL):
            spec.pop(name, None)
        await self._room.change(
            live,
            status=_S.QUEUED,
            status_reason="Waiting to be given to its cluster.",
            spec=spec,
            job_id=None,
            job_raw_state=None,
            end_reason=None,
            end_message=None,
            ended_at=None,
            started_at=None,
            running_at=None,
            wall_time_ends_at=None,
        )
        # Only now: until the new tag was written, a poll could still bring news of the old job.
        live.forget_launch()
        live.link, live.link_state = None, LinkState.NEVER
        live.link_since = self._room.clock.now()
        text = "A message woke it." if is_woken else "It was started again."
        await self._room.note(live.record.id, "restarted", text)
        await self._tunnels.connecting(live)

    # --- asking the cluster ---------------------------------------------------------------------------

    async def _submit(self, live: Live) -> None:
        try:
            job_id = await self._submit_job(live)
        except SchedulerSilent as error:
            await self._not_answered(live, error)
        except AppError as error:
            live.rejected = error.sentence()
        except Exception as error:  # noqa: BLE001 - an adapter's bug ends this session, not the hub
            log.exception("submitting %s failed", live.record.id)
            live.rejected = f"It could not be started ({type(error).__name__})."
        else:
            await self._submitted(live, job_id)
        finally:
            live.is_submitting = live.is_asking = False
            self._polls.hurry(live.record.cluster_id)
            self.wake(live.record.id)

    async def _submitted(self, live: Live, job_id: str) -> None:
        live.missing_since = None
        # Until it is written down, the job is one that must be looked for and not made again.
        live.in_doubt_since = self._room.clock.now()
        try:
            async with live.lock:
                await self._room.change(live, job_id=job_id, status_reason="Submitted.")
                live.in_doubt_since = None
        except AppError as error:
            log.warning("the job of %s is not stored: %s", live.record.id, error.message)

    async def _submit_job(self, live: Live) -> str:
        cluster = self._places.cluster(live.record.cluster_id)
        if cluster is None:
            raise LaunchRejected("Its cluster is gone.", hint="Start it on another one.")
        token = new_secret(TOKEN_PREFIX)
        order = order_of(live.record, live.tag, token, self._room.settings.limits.stop_grace_s)
        async with live.lock:
            # Said before it is done: after a crash in between, the job is looked for by its tag.
            spec = live.record.spec | {"submitted": live.record.spec.get("launch", 1)}
            await self._room.change(live, token_hash=hash_secret(token), spec=spec)
        place = self._room.cluster_names.get(live.record.cluster_id or "", ("its cluster", ""))[0]
        await self._room.note(live.record.id, "submitted", f"Given to {place}.")
        return await cluster.submit(order)

    async def _not_answered(self, live: Live, error: SchedulerSilent) -> None:
        now = self._room.clock.now()
        if error.code == OFFLINE:
            live.held_until = now + _OFFLINE_PAUSE_S
            async with live.lock:
                await self._room.change(live, status_reason=error.sentence())
            return
        live.in_doubt_since, live.missing_since = now, None

    def _ask(self, live: Live, work: Work) -> None:
        """Asks the cluster in a task; one that does not answer is left alone for a while."""
        live.is_asking = True
        self._spawn(self._asked(live, work))

    async def _asked(self, live: Live, work: Work) -> None:
        cluster = self._places.cluster(live.record.cluster_id)
        try:
            await work(cluster)
        except AppError as error:
            pause_s = 5.0 if cluster is None else cluster.poll_interval_s
            live.held_until = self._room.clock.now() + pause_s
            log.debug("session %s: %s", live.record.id, error.message)
        except Exception:  # noqa: BLE001 - as above
            live.held_until = self._room.clock.now() + SLOWEST_POLL_S
            log.exception("asking the cluster of %s failed", live.record.id)
        finally:
            live.is_asking = False
            self._polls.hurry(live.record.cluster_id)
            self.wake(live.record.id)

    async def _cancel(self, live: Live, cluster: Cluster | None, kill: bool) -> None:
        if cluster is not None:
            await cluster.cancel(_job(live), kill=kill)
        now = self._room.clock.now()
        if kill:
            touched(live, killed_at=now)
        else:
            touched(live, asked_job_at=now)

    async def _cancel_extra(self, live: Live, cluster: Cluster | None, job_id: str) -> None:
        if cluster is not None:
            await cluster.cancel(JobRef(live.tag, job_id), kill=True)
        live.cancelled_extras.add(job_id)
        live.extras = tuple(one for one in live.extras if one != job_id)

    async def _sweep(self, live: Live, cluster: Cluster | None) -> None:
        # By the tag alone: whatever carries it, whichever id it has.
        if cluster is not None:
            await cluster.cancel(JobRef(live.tag), kill=True)
        live.is_swept = True


def _job(live: Live) -> JobRef:
    return JobRef(live.tag, live.record.job_id)
