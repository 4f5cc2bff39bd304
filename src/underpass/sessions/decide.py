"""What happens next to a session. Pure: the record, the facts and the time in, one action out.

The reconciler does the action, gathers the facts again and asks again, until nothing is left to
do. So each rule needs to see one step only, and doing one twice does no harm.

The agent is believed before the scheduler, and silence of either is "unknown": only a scheduler
that answers and does not know the job, for a while, makes it a lost one.
"""

from __future__ import annotations

from dataclasses import replace

from underpass.clusters.base import JobPhase
from underpass.core.states import SESSION_ENDS, EndReason, SessionStatus
from underpass.core.times import in_words
from underpass.sessions import idle
from underpass.sessions.facts import (
    Action,
    Adopt,
    AskAgent,
    CancelExtra,
    CancelJob,
    End,
    Facts,
    Limits,
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
from underpass.sessions.specs import habits_of
from underpass.store import SessionRecord

_S = SessionStatus

HANDED_OVER = "A new job has taken over; running requests finish here."
UNUSED = "Nobody has used it for a while, so it stops soon, unless somebody uses it or keeps it."


LEAST_AHEAD_S, MOST_AHEAD_S = 600.0, 3600.0


def ahead_s(total_s: float) -> float:
    """How long before its end a session's successor is asked for: a quarter of its time, from ten
    minutes to an hour, and never more than half of it."""
    return min(max(LEAST_AHEAD_S, min(MOST_AHEAD_S, total_s / 4)), total_s / 2)


def decide(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    """The next thing to do, or None for as long as nothing changes."""
    if session.status in SESSION_ENDS:
        return _after_the_end(session, facts, now, limits)
    if facts.extras:
        return CancelExtra(facts.extras[0])
    if session.status is _S.STOPPING:
        return _stopping(session, facts, now, limits)
    if facts.said is not None:
        if not _is_guess(session, facts):
            return End(facts.said.reason, facts.said.exit_code, facts.said.message)
        if facts.report is None or facts.report_at <= facts.said_at or _is_running(facts):
            is_late = now - facts.said_at >= limits.end_doubt_s
            return End(facts.said.reason, facts.said.exit_code) if is_late else None
        # Requeued or ended: the scheduler, which ended it, knows which, and why.
        facts = replace(facts, said=None)
    if facts.wish is not None:
        if not session.is_attached and not _may_have_job(session, facts):
            return End(_before_it_began(session, facts.wish))
        return MoveTo(_S.STOPPING, "Stopping.")
    if session.spec.get("handed_over"):
        return _handed_over(session, facts, now, limits)
    if session.is_attached:
        return _attached(session, facts, now, limits)
    if "direct" in session.spec and facts.link is not LinkState.UP:
        return _direct(session, facts, now, limits)
    if session.status is _S.QUEUED:
        return _queued(session, facts, now, limits)
    return _under_way(session, facts, now, limits)


# --- sessions that an agent opened by itself ---------------------------------------------------


def _attached(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    if facts.link is LinkState.UP:
        if session.status is not _S.RUNNING:
            return MoveTo(_S.RUNNING, "")
        return _show(session, "")
    away_s = now - facts.link_since
    if session.status is _S.QUEUED:
        return End(EndReason.AGENT_LOST) if away_s > limits.attach_wait_s else None
    # A closed link had its grace; a newer agent that takes over comes at once.
    patience_s = limits.settle_s if facts.link is LinkState.CLOSED else limits.agent_grace_s
    if away_s > patience_s:
        return End(EndReason.AGENT_LOST)
    return _show(session, "The agent's connection was lost; it is dialling again.")


# --- sessions whose job their user submitted ----------------------------------------------------


def _direct(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    """Its agent is not there, and nobody else can be asked about its job."""
    if facts.rejected is not None:
        return End(EndReason.REJECTED, message=facts.rejected)
    if session.status is _S.QUEUED:
        host = session.spec["direct"]["host"]
        if session.job_id is None:
            return _show(session, f"It is being submitted on {host}.")
        return _show(
            session, f"Job {session.job_id} waits on {host}; its agent tells when it runs."
        )
    if now - facts.link_since > limits.agent_grace_s:
        return End(EndReason.AGENT_LOST)
    return _show(session, "The agent's connection was lost; it is dialling again.")


# --- sessions that the hub launched ------------------------------------------------------------


def _queued(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    if facts.link is LinkState.UP:
        return MoveTo(_S.STARTING, "The job runs; the model server is starting.")
    if facts.is_submitting:
        return None
    if facts.rejected is not None:
        return End(EndReason.REJECTED, message=facts.rejected)
    report = facts.report
    if session.job_id is None:
        if report is not None:
            return Adopt(report.job_id)
        return _submit(session, facts, now, limits)
    if report is None:
        return _missing(session, facts, now, limits)
    if report.phase is JobPhase.ENDED:
        return _ended_by_job(facts, now, limits)
    if report.phase is JobPhase.RUNNING:
        return MoveTo(_S.STARTING, "The job runs; its agent is dialling in.")
    waiting_for = f"Waiting in the queue: {report.text}" if report.text else "Waiting in the queue."
    return _show(session, waiting_for, report.raw_state)


def _submit(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    if facts.in_doubt_since is None or facts.is_cluster_gone:
        return Submit()
    # A scheduler that answers again and does not know the tag may still be catching up.
    unknown_since = facts.missing_since
    if unknown_since is not None and now - unknown_since >= limits.submit_doubt_s:
        return Submit()
    return _show(session, "The cluster did not answer; looking whether it took the job.")


def _under_way(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    if facts.ends_itself_at is not None and now >= facts.ends_itself_at:
        return Stop(EndReason.WALLTIME)
    report = facts.report
    if report is not None and report.phase is JobPhase.ENDED:
        return _ended_by_job(facts, now, limits)
    if report is None and facts.link is not LinkState.UP:
        lost = _missing(session, facts, now, limits)
        if lost is not None:
            return lost
    if facts.link is not LinkState.UP:
        # Said before the agent went away, "pending" is older news than the agent was.
        is_news = facts.report_at > facts.link_since
        if report is not None and report.phase is JobPhase.PENDING and is_news:
            return MoveTo(_S.QUEUED, "The cluster put the job back into its queue.")
        return _show(session, _away(facts, now))
    if session.status is _S.STARTING:
        if facts.is_answering:
            return MoveTo(_S.RUNNING, "")
        return _show(session, facts.progress)
    if session.spec.get("renews") and facts.is_answering:
        return TakeOver()
    if _is_to_be_renewed(session, facts, now):
        return Renew()
    unused = _unused(session, facts, now)
    if unused is not None:
        return unused
    if facts.idle_stops_at is not None:
        return _show(session, UNUSED)
    return _show(session, "" if facts.is_answering else facts.progress)


def _is_to_be_renewed(session: SessionRecord, facts: Facts, now: float) -> bool:
    """Once for each job, if its user chose so, and not for one that nobody uses."""
    spec, ends_at = session.spec, session.wall_time_ends_at
    if not habits_of(session).renews or "renewed_by" in spec or "renews" in spec or ends_at is None:
        return False
    is_wanted = facts.idle_stops_at is None and not facts.is_cluster_gone
    began_at = session.started_at or session.created_at
    return is_wanted and now >= ends_at - ahead_s(ends_at - began_at)


def _handed_over(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    """A successor has its tunnels: what still passes here is finished, and then it ends."""
    if facts.ends_itself_at is not None and now >= facts.ends_itself_at:
        return Stop(EndReason.WALLTIME)
    if facts.report is not None and facts.report.phase is JobPhase.ENDED:
        return _ended_by_job(facts, now, limits)
    # After a restart of the hub its agent may still bring answers.
    is_coming = facts.link in (LinkState.NEVER, LinkState.DOWN)
    if facts.is_carrying or (is_coming and now - facts.link_since < limits.agent_grace_s):
        return _show(session, HANDED_OVER)
    return Stop(EndReason.USER)


def _unused(session: SessionRecord, facts: Facts, now: float) -> Action | None:
    """What comes of it that nobody uses a session that runs and whose agent is there."""
    idle_s = habits_of(session).idle_s
    if idle_s is None:
        return None
    found = idle.judge(facts.used_at, idle_s, facts.idle_stops_at, now)
    if found.is_over:
        return Stop(EndReason.IDLE)
    return Warn(found.stops_at) if found.stops_at != facts.idle_stops_at else None


def _is_guess(session: SessionRecord, facts: Facts) -> bool:
    """Whether the agent was ended by its scheduler, which alone knows why.

    A cancelled job, a preempted one and one whose node is taken away get the same signal.
    """
    said = facts.said is not None and facts.said.reason is EndReason.CANCELLED
    return said and session.job_id is not None and not facts.is_cluster_gone


def _is_running(facts: Facts) -> bool:
    return facts.report is not None and facts.report.phase is JobPhase.RUNNING


def _ended_by_job(facts: Facts, now: float, limits: Limits) -> Action | None:
    """The job is over; the agent's own word is better than the exit code, so it is waited for."""
    assert facts.report is not None
    since = facts.ended_at if facts.ended_at is not None else now
    if facts.link is LinkState.UP and now - since < limits.settle_s:
        return None
    reason = facts.report.end_reason or EndReason.AGENT_LOST
    return End(reason, facts.report.exit_code, facts.report.text)


def _missing(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    if facts.is_cluster_gone:
        return End(EndReason.AGENT_LOST, message="Its cluster was removed.")
    if facts.missing_since is not None and now - facts.missing_since >= limits.job_lost_s:
        return End(EndReason.AGENT_LOST, message="Its cluster no longer knows its job.")
    if facts.silent_since is not None and session.status is _S.QUEUED:
        return _show(session, "The cluster does not answer just now; the job is not lost by that.")
    return None


def _away(facts: Facts, now: float) -> str:
    if facts.link is LinkState.NEVER:
        return "The job runs; its agent is dialling in."
    minutes = int(now - facts.link_since) // 60
    if not minutes:
        return "The agent's connection was lost; it is dialling again."
    return f"The agent has not been heard of for {in_words(minutes * 60)}; it may come back."


# --- the end -----------------------------------------------------------------------------------


def _stopping(session: SessionRecord, facts: Facts, now: float, limits: Limits) -> Action | None:
    wish = facts.wish or Wish(EndReason.USER, now)
    if _is_over(session, facts):
        code = None if facts.said is None else facts.said.exit_code
        return End(wish.reason, code, _left_in_its_queue(session, facts))
    if facts.is_submitting:
        return None
    patience_s = limits.stop_grace_s + limits.stop_slack_s
    if facts.link is LinkState.UP and wish.asked_agent_at is None:
        return AskAgent()
    if session.is_attached:
        if facts.link is not LinkState.UP or now - (wish.asked_agent_at or now) > patience_s:
            return End(wish.reason)
        return None
    if wish.asked_job_at is None:
        if facts.link is not LinkState.UP or now - (wish.asked_agent_at or now) > patience_s:
            return CancelJob()
        return None
    if wish.killed_at is None and now - wish.asked_job_at > patience_s:
        return CancelJob(kill=True)
    if facts.silent_since is not None:
        return _show(session, "The cluster does not answer; the job is ended as soon as it does.")
    return None


def _left_in_its_queue(session: SessionRecord, facts: Facts) -> str:
    """What its user has to know of a job that nobody here can cancel."""
    if "direct" not in session.spec or facts.link is not LinkState.NEVER or not session.job_id:
        return ""
    host = session.spec["direct"]["host"]
    return f"You stopped it. Job {session.job_id} on {host} ends by itself if it starts; cancel it there."


def _is_over(session: SessionRecord, facts: Facts) -> bool:
    if facts.said is not None:
        return True
    if session.is_attached:
        return facts.link is LinkState.CLOSED
    if facts.is_cluster_gone and facts.link is not LinkState.UP:
        return True
    if not _may_have_job(session, facts):
        return True
    if facts.report is not None:
        return facts.report.phase is JobPhase.ENDED
    # Not known to a scheduler that answers: gone, unless a lost submit may still turn up.
    is_doubtful = session.job_id is None and facts.wish is not None and not facts.wish.killed_at
    return facts.missing_since is not None and not is_doubtful


def _after_the_end(
    session: SessionRecord, facts: Facts, now: float, limits: Limits
) -> Action | None:
    if facts.link is LinkState.UP and session.end_reason in revivable(session):
        # It was not lost after all, or its scheduler put its job back into the queue.
        return MoveTo(_S.RUNNING, "")
    if session.is_attached:
        return None
    if not facts.is_swept:
        is_gone = facts.report is None or facts.report.phase is JobPhase.ENDED
        if is_gone or now - (session.ended_at or now) > limits.stop_grace_s:
            return Sweep()
        return None
    return Requeue() if facts.wants_restart else None


def revivable(session: SessionRecord) -> tuple[EndReason, ...]:
    """Ends that an agent which comes back undoes: nobody who knew better has told them."""
    if "direct" in session.spec:
        return EndReason.AGENT_LOST, EndReason.CANCELLED
    return (EndReason.AGENT_LOST,)


def _may_have_job(session: SessionRecord, facts: Facts) -> bool:
    return (
        session.job_id is not None
        or facts.is_submitting
        or facts.in_doubt_since is not None
        or facts.report is not None
        or facts.link is LinkState.UP
    )


def _before_it_began(session: SessionRecord, wish: Wish) -> EndReason:
    if "direct" in session.spec:
        return wish.reason  # its job may be in a queue all the same, and must not come back
    return EndReason.CANCELLED if wish.reason is EndReason.USER else wish.reason


def _show(session: SessionRecord, text: str, raw_state: str | None = None) -> Show | None:
    """New words, if they are new."""
    if session.status_reason == text and raw_state in (None, session.job_raw_state):
        return None
    return Show(text, raw_state)
