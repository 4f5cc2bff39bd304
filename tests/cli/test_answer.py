"""A run in the terminal: what is printed, and how a lost connection is taken up."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from underpass.cli import answer as answer_module
from underpass.cli.answer import Printer, follow, printable
from underpass.cli.client import HubClient, HubError
from underpass.cli.interrupts import Interrupts
from underpass.core.sse import SseEvent
from underpass.tunnel.dial_errors import DialError

MESSAGE = (
    '{"message": {"status": "complete", "content": "ab", "error": null, "finish_reason": "stop"}}'
)


class FakeHub:
    """Gives each watcher the next script: events, then perhaps an error."""

    def __init__(self, *scripts: list[SseEvent | Exception]) -> None:
        self.scripts = list(scripts)
        self.asked: list[str | None] = []

    async def events(self, path: str, *, last_event_id: str | None) -> AsyncIterator[SseEvent]:
        """The next script."""
        self.asked.append(last_event_id)
        for item in self.scripts.pop(0):
            if isinstance(item, Exception):
                raise item
            yield item


def delta(position: int, text: str) -> SseEvent:
    """A piece of text."""
    return SseEvent("delta", f'{{"text": "{text}"}}', str(position))


def quiet() -> Printer:
    """A printer for tests of the following alone."""
    return Printer(shows_reasoning=False, is_quiet=False)


async def test_a_lost_connection_is_taken_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the position of the last event, over errors and over a stream that ends early."""
    monkeypatch.setattr(answer_module, "FIRST_PAUSE_S", 0.001)
    hub = FakeHub(
        [SseEvent("status", '{"status": "streaming"}', "0"), delta(1, "a"), DialError("lost")],
        [HubError(503, "stopping")],
        [SseEvent("status", '{"status": "streaming"}', "1")],
        [delta(2, "b"), SseEvent("end", MESSAGE, "2")],
    )
    message = await follow(cast("HubClient", hub), "run_1", quiet(), Interrupts())
    assert message["content"] == "ab"
    assert hub.asked == [None, "1", "1", "1"]
    said = capsys.readouterr()
    assert said.out == "ab\n"
    assert said.err.count("The connection to the hub is lost") == 2


async def test_a_run_that_is_gone_is_an_error() -> None:
    """404 and the like are not waited for."""
    with pytest.raises(HubError):
        await follow(
            cast("HubClient", FakeHub([HubError(404, "no run")])), "run_1", quiet(), Interrupts()
        )


async def test_a_hub_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while."""
    monkeypatch.setattr(answer_module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(answer_module, "LOST_FOR_S", 0.0)
    hub = FakeHub([DialError("lost")], [DialError("lost")], [DialError("lost")])
    with pytest.raises(DialError, match="lost"):
        await follow(cast("HubClient", hub), "run_1", quiet(), Interrupts())


def test_reasoning_stands_before_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Shown where it is wanted, with a gap; otherwise left out."""
    for shows, out in ((True, "hm\n\nYes\n"), (False, "Yes\n")):
        printer = Printer(shows_reasoning=shows, is_quiet=False)
        printer.delta({"reasoning": "hm"})
        printer.delta({"text": "Yes"})
        printer.end({"status": "complete"})
        assert capsys.readouterr().out == out


def test_what_is_said_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Stopped, failed, cut at the limit, tool calls: on standard error."""
    call = {"function": {"name": "f", "arguments": "{}"}}
    error = {"code": "c", "message": "It broke.", "hint": "Mend it."}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"status": "stopped"}, "[stopped]\n"),
        ({"status": "failed", "error": error}, "underpass: It broke. Mend it.\n"),
        ({"status": "complete", "finish_reason": "length"}, "[stopped at the length limit]\n"),
        ({"status": "complete", "tool_calls": [call]}, "[calls f {}]\n"),
    ]
    for message, line in cases:
        quiet().end(message)
        assert capsys.readouterr().err == line


def test_what_is_waited_for_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason that stays the same is not repeated; what a model waits for is said with its time."""
    printer = quiet()
    for reason in ("loading", "loading", "loading 63 %", ""):
        printer.status({"status": "waiting", "reason": reason})
    waiting = {"code": "session_queued", "message": "The session is queued.", "estimate_s": 240}
    printer.status({"status": "waiting", "reason": "x", "waiting": waiting})
    assert capsys.readouterr().err == (
        "… loading\n… loading 63 %\n… The session is queued. About 4 min.\n"
    )


def test_a_model_cannot_steer_the_terminal() -> None:
    """Escape sequences lose their teeth; text of any language stays."""
    assert printable("a\x1b[2J\x07\r\nb\tü 😀 \u05d0") == "a[2J\nb\tü 😀 \u05d0"
