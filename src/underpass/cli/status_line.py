"""One line on standard error that says what is waited for, as long as it is waited for.

On a terminal it is written over and goes away again; in a file each new sentence is a line.
"""

from __future__ import annotations

import shutil
import sys

from underpass.cli.output import note, one_line

_DIM, _PLAIN, _ERASE = "\x1b[2m", "\x1b[0m", "\r\x1b[K"


class StatusLine:
    """What is going on right now."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._shown = ""
        self._is_there = False

    def show(self, text: str) -> None:
        """Says this from now on; nothing for an empty text."""
        if text == self._shown:
            return
        self._shown = text
        if not text:
            self.clear()
        elif self._is_live:
            self._is_there = True
            # Never wider than the terminal: what wraps cannot be written over.
            most = max(20, shutil.get_terminal_size().columns - 1)
            self._write(f"{_ERASE}{_DIM}{_cut(one_line(f'… {text}'), most)}{_PLAIN}")
        else:
            note(one_line(f"… {text}"))

    def clear(self) -> None:
        """Takes the line away, where it is on a terminal."""
        if self._is_there:
            self._is_there = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
