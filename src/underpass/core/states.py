"""Statuses, and which may follow which: one table per noun (SPEC §2).

A move that is not in its table raises. Asking for the status that a thing already has is no
move and is allowed, so that reporting the same news twice does no harm. The docs' diagrams are
drawn from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from underpass.core.errors import IllegalMove


class SessionStatus(StrEnum):
    """Where a session is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a session ended."""

    USER = "user"
    WALLTIME = "walltime"
    IDLE = "idle"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILURE = "node_failure"
    SERVER_EXITED = "server_exited"
    AGENT_LOST = "agent_lost"
    REJECTED = "rejected"


class TunnelStatus(StrEnum):
    """Whether a tunnel carries anything right now."""

    CONNECTING = "connecting"
    RUNNING = "running"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"


class ProviderStatus(StrEnum):
    """Whether a provider can answer right now."""

    STOPPED = "stopped"
    """Its tunnel is not running."""
    STARTING = "starting"
    """The tunnel is up, nothing listens yet."""
    LOADING = "loading"
    """The server listens, its models are not ready."""
    RUNNING = "running"
    UNREACHABLE = "unreachable"
    """It was running and fails now."""


class MessageStatus(StrEnum):
    """What a chat message's content is."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    WAITING = "waiting"


Status = TypeVar("Status", bound=StrEnum)
Table = Mapping[Status, frozenset[Status]]

_S = SessionStatus
SESSION_MOVES: Table[SessionStatus] = {
    _S.QUEUED: frozenset({_S.STARTING, _S.RUNNING, _S.STOPPING, _S.STOPPED, _S.FAILED}),
    _S.STARTING: frozenset({_S.QUEUED, _S.RUNNING, _S.STOPPING, _S.STOPPED, _S.FAILED}),
    # Back to the queue: a scheduler requeues a job whose node failed or that was preempted.
    _S.RUNNING: frozenset({_S.QUEUED, _S.STARTING, _S.STOPPING, _S.STOPPED, _S.FAILED}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.FAILED}),
    # A restart keeps the session's row, so an end is not for ever.
    _S.STOPPED: frozenset({_S.QUEUED, _S.RUNNING}),
    _S.FAILED: frozenset({_S.QUEUED, _S.RUNNING}),
}

_T = TunnelStatus
TUNNEL_MOVES: Table[TunnelStatus] = {
    _T.CONNECTING: frozenset({_T.RUNNING, _T.STOPPED}),
    _T.RUNNING: frozenset({_T.RECONNECTING, _T.STOPPED}),
    _T.RECONNECTING: frozenset({_T.RUNNING, _T.STOPPED}),
    _T.STOPPED: frozenset({_T.CONNECTING, _T.RUNNING}),
}

_P = ProviderStatus
PROVIDER_MOVES: Table[ProviderStatus] = {
    _P.STOPPED: frozenset({_P.STARTING, _P.LOADING, _P.RUNNING}),
    _P.STARTING: frozenset({_P.LOADING, _P.RUNNING, _P.STOPPED}),
    # A server that is replaced while it loads stops listening for a moment.
    _P.LOADING: frozenset({_P.STARTING, _P.RUNNING, _P.STOPPED}),
    _P.RUNNING: frozenset({_P.LOADING, _P.UNREACHABLE, _P.STOPPED}),
    _P.UNREACHABLE: frozenset({_P.LOADING, _P.RUNNING, _P.STOPPED}),
}

_M = MessageStatus
MESSAGE_MOVES: Table[MessageStatus] = {
    _M.WAITING: frozenset({_M.STREAMING, _M.COMPLETE, _M.STOPPED, _M.INTERRUPTED, _M.FAILED}),
    # Back to waiting: it was asked, and the server was gone before it said a word.
    _M.STREAMING: frozenset({_M.WAITING, _M.COMPLETE, _M.STOPPED, _M.INTERRUPTED, _M.FAILED}),
    # "Continue" takes an answer up again where it ended.
    _M.STOPPED: frozenset({_M.STREAMING, _M.WAITING}),
    _M.INTERRUPTED: frozenset({_M.STREAMING, _M.WAITING}),
    _M.FAILED: frozenset({_M.STREAMING, _M.WAITING}),
    _M.COMPLETE: frozenset({_M.STREAMING, _M.WAITING}),
}

SESSION_ENDS = frozenset({_S.STOPPED, _S.FAILED})
UNFINISHED = frozenset({_M.STREAMING, _M.WAITING})
"""Of a message: its run has not ended."""


def move(table: Table[Status], old: Status, new: Status) -> Status:
    """`new`, if the table lets `old` become `new`; raises IllegalMove otherwise."""
    if new is old or new in table[old]:
        return new
    raise IllegalMove(f"A {type(old).__name__} cannot go from '{old}' to '{new}'.")


def mermaid(table: Table[Status], first: Status) -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {old} --> {new}" for old in table for new in sorted(table[old])]
    return "\n".join(lines)
