"""A run in the terminal: printed as it comes, stopped by Ctrl-C, followed over lost connections."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from underpass.cli.client import HubClient, HubError
from underpass.cli.interrupts import Interrupts
from underpass.cli.output import note
from underpass.cli.status_line import StatusLine
from underpass.core.errors import AppError
from underpass.core.sse import SseEvent
from underpass.core.times import in_words
from underpass.tunnel.dial_errors import DialError

LOST_FOR_S = 120.0
"""How long a run is looked for again after its connection was lost."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Printer:
    """Prints an answer's pieces. Words of a model may hold control characters: none gets out."""

    def __init__(self, *, shows_reasoning: bool, is_quiet: bool) -> None:
        self._shows_reasoning = shows_reasoning
        self._is_quiet = is_quiet
        self._has_colours = sys.stdout.isatty()
        self._is_thinking = False
        self._has_text = False
        self._line = StatusLine()

    def delta(self, data: dict[str, Any]) -> None:
        """A piece of the answer."""
        self._line.clear()
        if self._is_quiet:
            return
        thought = data.get("reasoning")
        if thought and self._shows_reasoning:
            if not self._is_thinking:
                self._is_thinking = True
                self._out(_DIM if self._has_colours else "")
            self._out(printable(thought))
        if data.get("text"):
            self._end_of_thought()
            self._has_text = True
            self._out(printable(data["text"]))

    def status(self, data: dict[str, Any]) -> None:
        """Where the run is: what it waits for is said in one line."""
        waiting = data.get("waiting") or {}
        reason = waiting.get("message") or data.get("reason")
        reason = reason or (data.get("storage") or {}).get("message") or ""
        if waiting.get("estimate_s"):
            reason = f"{reason} About {in_words(waiting['estimate_s'])}."
        self._line.show(str(reason))

    def lost(self) -> None:
        """The connection to the hub is away; the answer is not."""
        self._line.show(
            "The connection to the hub is lost; trying again. The answer goes on there."
        )

    def end(self, message: dict[str, Any]) -> None:
        """The last line: how it ended, where that is not plain, and the numbers."""
        self._line.clear()
        self._end_of_thought()
        if self._has_text:
            self._out("\n")
        for call in message.get("tool_calls") or ():
            function = call["function"]
            note(printable(f"[calls {function['name']} {function['arguments']}]"))
        error = message.get("error")
        if message["status"] == "stopped":
            note("[stopped]")
        elif error:
            note(
                f"underpass: {printable(' '.join(filter(None, (error['message'], error['hint']))))}"
            )
        elif message.get("finish_reason") == "length":
            note("[stopped at the length limit]")
        if sys.stdout.isatty() and not self._is_quiet:
            numbers = _numbers(message.get("timings") or {})
            if numbers:
                note(f"{_DIM}{numbers}{_PLAIN}")

    def _end_of_thought(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            self._out(f"{_PLAIN if self._has_colours else ''}\n\n")

    def _out(self, text: str) -> None:
        if not self._is_quiet:
            sys.stdout.write(text)
            sys.stdout.flush()


async def follow(
    client: HubClient, run_id: str, printer: Printer, interrupts: Interrupts
) -> dict[str, Any]:
    """Prints a run to its end; its message. Ctrl-C stops the run and keeps what came.

    A second Ctrl-C leaves at once. A lost connection is taken up where it broke.
    """
    stopping: list[asyncio.Task[Any]] = []
    watching = asyncio.ensure_future(_watch(client, run_id, printer))

    def on_interrupt() -> None:
        if stopping:
            watching.cancel()
        else:
            stopping.append(asyncio.ensure_future(client.post(f"/api/runs/{run_id}/stop")))

    try:
        with interrupts.handled_by(on_interrupt):
            return await watching
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        await asyncio.gather(*stopping, return_exceptions=True)


async def _watch(client: HubClient, run_id: str, printer: Printer) -> dict[str, Any]:
    position: str | None = None
    loop = asyncio.get_running_loop()
    lost_at: float | None = None
    pause_s = FIRST_PAUSE_S
    while True:
        error: AppError | None = None
        try:
            async for event in client.events(f"/api/runs/{run_id}/events", last_event_id=position):
                lost_at, pause_s = None, FIRST_PAUSE_S
                position = event.id or position
                message = _take(event, printer)
                if message is not None:
                    printer.end(message)
                    return message
        except (DialError, HubError) as caught:
            if isinstance(caught, HubError) and caught.status < 500:
                raise
            error = caught
        # The hub restarts, or the network is away: the answer is not lost, only the view of it.
        now = loop.time()
        lost_at = lost_at or now
        printer.lost()
        if now - lost_at > LOST_FOR_S:
            raise error or DialError("The hub ends the connection again and again.")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _take(event: SseEvent, printer: Printer) -> dict[str, Any] | None:
    """Prints an event; the message when it is the last one."""
    data = json.loads(event.data)
    if event.name == "delta":
        printer.delta(data)
    elif event.name == "status":
        printer.status(data)
    elif event.name == "end":
        message: dict[str, Any] = data["message"]
        return message
    return None


def printable(text: str) -> str:
    """Text that cannot steer the terminal: line ends and tabs stay, other controls go."""
    return "".join(c for c in text if c in "\n\t" or (c.isprintable() or ord(c) > 0x9F))


def _numbers(timings: dict[str, Any]) -> str:
    told = []
    if timings.get("tokens_per_s"):
        told.append(f"{timings['tokens_per_s']:g} tok/s")
    if timings.get("first_token_s") is not None:
        told.append(f"first token {timings['first_token_s']:g} s")
    return " · ".join(told)
