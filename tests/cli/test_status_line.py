"""The line that says what is waited for."""

import io

import pytest

from underpass.cli.status_line import StatusLine


class Screen(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written over, cut to the width, without controls, and gone in the end."""
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "30")
    line = StatusLine()
    line.show("loading\x1b[2J\nweights")
    line.show("loading\x1b[2J\nweights")
    line.show("x" * 100)
    line.clear()
    line.clear()
    first, second, gone = screen.getvalue().split("\r\x1b[K")[1:]
    assert first == "\x1b[2m… loading [2J weights\x1b[0m"
    assert second == f"\x1b[2m… {'x' * 26}…\x1b[0m"
    assert gone == ""


def test_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each new sentence, and nothing to take away."""
    line = StatusLine()
    for text in ("a", "a", "b", ""):
        line.show(text)
    line.clear()
    assert capsys.readouterr().err == "… a\n… b\n"
