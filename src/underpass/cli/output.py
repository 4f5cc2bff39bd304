"""What commands print: results on standard output, everything said about them on standard error.

So `… --json | jq` and `KEY=$(underpass admin keys add alice)` get the result and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from underpass.core.errors import AppError

_GAP = "  "


def print_json(value: Any) -> None:
    """One JSON value, readable, with a line's end."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Aligned columns under their names, no lines; `empty` is said when there is no row.

    Plain text on purpose: it can be cut, grepped and pasted. None prints as `-`.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        note(empty)
        return
    header = [name.upper() for name in columns]
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(columns))]
    for row in [header, *cells]:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_GAP.join(padded).rstrip())


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One thing: a name and a value per line, aligned; what is None or empty is left out."""
    shown = [(name, _cell(value)) for name, value in fields if value not in (None, "", [], ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name.ljust(width)}{_GAP}{value}")


def note(text: str) -> None:
    """A calm line about what happens; not part of the result."""
    print(text, file=sys.stderr, flush=True)


def fail(error: AppError) -> None:
    """One line that says what went wrong and what to do."""
    note(f"underpass: {one_line(error.sentence())}")


def when(iso_time: str | None) -> str | None:
    """A time of the API as a person reads it in a table: `2026-11-23 22:43` (UTC)."""
    return iso_time and iso_time[:16].replace("T", " ")


def one_line(text: str) -> str:
    """Text of somewhere else, as one line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value) or "-"
    return one_line(str(value))
