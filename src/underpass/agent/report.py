"""What the agent tells whoever started it: news as small values, shown by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from underpass.agent.readiness import Readiness


@dataclass(frozen=True, slots=True)
class LinkNews:
    """The connection to the hub: `connecting`, `running` or `reconnecting`."""

    status: str
    detail: str = ""
    """While it is not running: one sentence on why."""
    retry_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TunnelNews:
    """The hub accepted a tunnel."""

    name: str
    target: str
    openai: bool
    chat_url: str


@dataclass(frozen=True, slots=True)
class ServerNews:
    """What is known about the model server changed."""

    target: str
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class LogNews:
    """One line that the wrapped command wrote."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence for the user, with what to do where there is something to do."""

    text: str
    hint: str | None = None
    code: str = "note"


@dataclass(frozen=True, slots=True)
class EndNews:
    """The agent ends."""

    reason: str
    message: str
    exit_code: int
    hint: str | None = None


News = LinkNews | TunnelNews | ServerNews | LogNews | Note | EndNews
Report = Callable[[News], None]
