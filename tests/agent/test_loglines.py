"""Log lines on their way to the hub."""

import asyncio
from typing import Any

from tests.rig.waiting import eventually_async
from underpass.agent.loglines import MAX_LINES_KEPT, MAX_TEXT_CHARS, LogLines
from underpass.core.clock import FakeClock
from underpass.core.errors import TunnelError


class Hub:
    """Takes messages, or has no room."""

    def __init__(self) -> None:
        self.is_full = False
        self.messages: list[dict[str, Any]] = []

    def say(self, message: dict[str, Any]) -> None:
        if self.is_full:
            raise TunnelError("full", code="control_full")
        self.messages.append(message)

    def texts(self) -> list[str]:
        return [line["text"] for message in self.messages for line in message["lines"]]


async def test_lines_are_joined() -> None:
    """Many lines, few messages, in order."""
    hub, clock = Hub(), FakeClock(5.0)
    lines = LogLines(hub.say, clock)
    task = asyncio.create_task(lines.run())
    for number in range(500):
        lines.add("stdout", str(number))
    await eventually_async(lambda: len(hub.texts()) == 500, 5, "500 lines")
    assert hub.texts() == [str(number) for number in range(500)]
    assert len(hub.messages) == 3
    assert hub.messages[0]["lines"][0] == {"t": 5.0, "source": "stdout", "text": "0"}
    task.cancel()


def test_the_newest_are_kept_while_there_is_no_room() -> None:
    """Memory is bounded, and what was left out is said."""
    hub = Hub()
    lines = LogLines(hub.say, FakeClock())
    hub.is_full = True
    for number in range(MAX_LINES_KEPT + 10):
        lines.add("stderr", str(number))
    assert not lines.flush()
    hub.is_full = False
    assert lines.flush()
    texts = hub.texts()
    assert any("10 lines left out" in text for text in texts)
    assert texts[-1] == str(MAX_LINES_KEPT + 9)
    assert len(texts) == MAX_LINES_KEPT + 1


def test_a_long_line_is_cut() -> None:
    """One line cannot fill a message."""
    hub = Hub()
    lines = LogLines(hub.say, FakeClock())
    lines.add("stdout", "x" * 100_000)
    assert lines.flush()
    assert len(hub.texts()[0]) == MAX_TEXT_CHARS
