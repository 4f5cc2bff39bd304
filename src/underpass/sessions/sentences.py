"""What is said to people about an end: what happened, and what to do next. Pure."""

from __future__ import annotations

from underpass.core.states import EndReason, SessionStatus

_R = EndReason

_RESTART = "Restart it to use it again."

_LAUNCHED = {
    _R.USER: ("You stopped it.", _RESTART),
    _R.WALLTIME: ("Its time was up.", "Start it again, with more time if it needs more."),
    _R.IDLE: ("Nobody used it, so it was stopped.", _RESTART),
    _R.CANCELLED: ("It was cancelled.", "Restart it when you need it."),
    _R.PREEMPTED: ("The cluster needed its machine for others.", "Restart it to queue again."),
    _R.OUT_OF_MEMORY: (
        "It ran out of memory.",
        "Ask for more memory or GPUs, or for a smaller context, and start it again.",
    ),
    _R.NODE_FAILURE: ("Its machine failed.", "Restart it; it will run on another one."),
    _R.SERVER_EXITED: (
        "The model server ended.",
        "Mend what its log says and restart it.",
    ),
    _R.AGENT_LOST: ("Its agent ended or did not come back.", "Look at its log and restart it."),
    _R.REJECTED: ("The cluster refused it.", "Change that and start it again."),
}

_ATTACHED = {
    _R.USER: ("You stopped it.", "Run `underpass tunnel` there again to bring it back."),
    _R.SERVER_EXITED: (
        "The model server ended.",
        "Start it and `underpass tunnel` there again.",
    ),
    _R.AGENT_LOST: (
        "Its agent did not come back.",
        "Run `underpass tunnel` there again; the provider comes back under its name.",
    ),
    _R.WALLTIME: ("The time of its job was up.", "Run `underpass tunnel` in a new job."),
}

_STOPPED = frozenset({_R.USER, _R.WALLTIME, _R.IDLE, _R.CANCELLED})


def end_status(reason: EndReason, exit_code: int | None) -> SessionStatus:
    """`stopped` for an end that was meant, `failed` for one that was not."""
    is_meant = reason in _STOPPED or (reason is _R.SERVER_EXITED and exit_code == 0)
    return SessionStatus.STOPPED if is_meant else SessionStatus.FAILED


def end_sentence(
    reason: EndReason,
    *,
    is_attached: bool,
    exit_code: int | None = None,
    said: str = "",
    last_line: str = "",
    wakes: bool = False,
    has_gone_on: bool = False,
) -> str:
    """One short paragraph: what happened, in the words of who knew it, and what to do next.

    `said` is what the agent or the cluster said; `last_line` the last that the server wrote;
    `wakes`: a message starts it again after it stopped for being unused; `has_gone_on`: a new job
    has taken over.
    """
    if has_gone_on:
        return "A new job has taken over. Its log stays here until you remove it."
    table = _LAUNCHED | (_ATTACHED if is_attached else {})
    what, next_step = table[reason]
    if reason is _R.IDLE and wakes:
        next_step = "The next message starts it again."
    if reason is _R.SERVER_EXITED and exit_code is not None:
        what = f"The model server ended with exit code {exit_code}."
    elif reason is _R.AGENT_LOST and exit_code is not None:
        what = f"Its agent ended without a word (exit code {exit_code})."
    if said:
        what = _sentence(said) if reason is not _R.REJECTED else f"{what} {_sentence(said)}"
    if last_line and reason in (_R.SERVER_EXITED, _R.AGENT_LOST, _R.OUT_OF_MEMORY):
        what = f"{what} It last wrote: “{_shortened(last_line)}”."
    # An agent tells the next step in its terminal too, and then it is in what it said.
    return what if what.endswith(next_step) else f"{what} {next_step}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _shortened(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 200 else f"{line[:199]}…"
