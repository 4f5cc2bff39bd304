"""What is known about a session, what its user wishes, and what can be done: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from underpass.clusters.base import JobReport
from underpass.core.states import EndReason, SessionStatus


class LinkState(StrEnum):
    """How the session's agent is connected."""

    NEVER = "never"
    """Not yet (also: not since this hub started)."""
    UP = "up"
    DOWN = "down"
    """The connection was lost and is within its grace."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class AgentEnd:
    """The agent's last word: why it ends."""

    reason: EndReason
    exit_code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants the session to end, and what was done about it so far (unix seconds)."""

    reason: EndReason
    at: float
    asked_agent_at: float | None = None
    asked_job_at: float | None = None
    killed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited for what, in seconds."""

    agent_grace_s: float = 60.0
    """An attached session whose agent is away for longer ends as `agent_lost`."""
    attach_wait_s: float = 900.0
    """An attached session whose agent never dialled in ends after this."""
    job_lost_s: float = 60.0
    """A job that its scheduler answers not to know, for this long, is gone."""
    submit_doubt_s: float = 20.0
    """After a submit without an answer: how long the tag must stay unknown before the next try."""
    end_doubt_s: float = 40.0
    """An agent that was ended from outside guesses why: so long is its scheduler's word waited for."""
    settle_s: float = 2.0
    """How long the agent's own word is waited for when its job has ended."""
    stop_grace_s: float = 10.0
    """What the model server gets to finish."""
    stop_slack_s: float = 5.0
    """What is added at each step before the next, harder one."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a decision looks at besides the session's record and the time."""

    link: LinkState = LinkState.NEVER
    link_since: float = 0.0
    """When the link came into that state."""
    said: AgentEnd | None = None
    said_at: float = 0.0
    is_answering: bool = False
    """Whether a tunnel of the session gave a real answer."""
    progress: str = ""
    """What the agent says about the server, one sentence."""
    report: JobReport | None = None
    """The last that the scheduler said about the session's job."""
    report_at: float = 0.0
    """When it said that."""
    ended_at: float | None = None
    """When the job was first reported as ended."""
    missing_since: float | None = None
    """Since when the scheduler answers and does not know the job; None while it does not answer."""
    silent_since: float | None = None
    is_cluster_gone: bool = False
    """Whether its cluster was removed: nobody can be asked about the job any more."""
    extras: tuple[str, ...] = ()
    """Ids of further live jobs with the session's tag."""
    is_submitting: bool = False
    in_doubt_since: float | None = None
    """A submit got no answer at this time."""
    rejected: str | None = None
    """The words with which the cluster refused the job."""
    wish: Wish | None = None
    is_swept: bool = False
    """Whether what an ended job may have left behind was ended too."""
    wants_restart: bool = False
    ends_itself_at: float | None = None
    """When the session's time is up, where no scheduler watches that."""
    used_at: float = 0.0
    """When somebody last used the session, or kept it."""
    is_carrying: bool = False
    """Whether a request or a connection passes through its link."""
    idle_stops_at: float | None = None
    """It was said that it stops then, unless somebody uses it."""


# --- what can be done --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Give the job to the cluster."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """This is the session's job (its submit's answer was lost, or it was requeued)."""

    job_id: str


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Another status, with a sentence."""

    status: SessionStatus
    text: str


@dataclass(frozen=True, slots=True)
class Show:
    """The same status, with other words."""

    text: str
    raw_state: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Its end is due: from now on there is a wish."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Warn:
    """Say that it stops then because nobody uses it; None: it does not, after all."""

    stops_at: float | None


@dataclass(frozen=True, slots=True)
class AskAgent:
    """Ask the agent to finish and go."""


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Ask the cluster to end the job, or with `kill` make it."""

    kill: bool = False


@dataclass(frozen=True, slots=True)
class CancelExtra:
    """End a job that should not be there."""

    job_id: str


@dataclass(frozen=True, slots=True)
class End:
    """The session is over."""

    reason: EndReason
    exit_code: int | None = None
    message: str = ""
    """What the agent or the cluster said about it, if anything."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """End what the ended job may have left behind."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask for a successor: its time ends soon."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """It answers: it takes over from the session that it renews."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Begin anew, with the same row, tunnels and providers."""


Action = (
    Submit
    | Adopt
    | MoveTo
    | Show
    | Stop
    | Warn
    | AskAgent
    | CancelJob
    | CancelExtra
    | End
    | Sweep
    | Renew
    | TakeOver
    | Requeue
)
