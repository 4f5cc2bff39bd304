"""What every run works with: the store, the door, the clock, and whom to ask about providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from underpass.chat.asking import Ask
from underpass.chat.writer import Writer
from underpass.core.clock import Clock
from underpass.core.errors import AppError
from underpass.core.principal import Principal
from underpass.core.states import MessageStatus
from underpass.registry.pick import Pick

if TYPE_CHECKING:
    from underpass.chat.run import Run


class Answers(Protocol):
    """Where it is kept that a run waits, has begun, or has ended."""

    async def note(
        self,
        run_id: str,
        message_id: str,
        message_changes: Mapping[str, Any],
        run_changes: Mapping[str, Any],
    ) -> None:
        """Keeps where the run is. Raises StorageError."""

    async def end(
        self,
        run_id: str,
        message_id: str,
        message_changes: Mapping[str, Any],
        run_changes: Mapping[str, Any],
    ) -> None:
        """Keeps the whole answer. Raises StorageError."""


class Keeper(Protocol):
    """The store, or the memory that temporary chats live in."""

    @property
    def answers(self) -> Answers: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run works with; the engine makes one for all."""

    store: Keeper
    writer: Writer
    ask: Ask
    clock: Clock
    pick: Callable[[Principal, str, dict[str, Any] | None], Pick]
    """Given what was waited for until now; raises ModelNotFound, ModelAmbiguous, TunnelStopped,
    ModelLoading."""
    waiting: Callable[[Principal, str, AppError], Awaitable[dict[str, Any]]]
    """What stands in the way of the model of that name; raises what makes waiting useless."""
    fill: Callable[[str, dict[str, Any], bool], Awaitable[dict[str, Any]]]
    """The body with the owner's files in the place of their placeholders, pictures or not."""
    why_gone: Callable[[Principal, str], Awaitable[str]]
    """One sentence on why the provider of that id went away, or ""."""
    patience: Callable[[str | None, MessageStatus], Iterator[bool]]
    """Whether it is still worth to wait for an agent that may have kept an answer."""
    changed: Callable[[Run], None]
    """Called when a run's status changes."""
