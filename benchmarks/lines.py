"""Figures of one way, each with the bar it is held to, as lines of a table."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One figure; `at_most` or `at_least` is what the project promises, if it promises anything."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is within its bar, or has none."""
        is_low = self.at_most is None or self.value <= self.at_most
        return is_low and (self.at_least is None or self.value >= self.at_least)

    def cells(self) -> tuple[str, str, str]:
        """Name, value and bar, as text."""
        name = f"{self.name}, {self.unit}" if self.unit else self.name
        value = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.1f}"
        if not self.unit and abs(self.value) < 10:  # a ratio
            value = f"{self.value:.2f}"
        verdict = "ok" if self.is_held else "MISSED"
        if self.at_most is not None:
            return name, value, f"≤ {self.at_most:g} {verdict}"
        if self.at_least is not None:
            return name, value, f"≥ {self.at_least:g} {verdict}"
        return name, value, ""


def as_table(lines: Iterable[Line]) -> str:
    """Markdown, aligned, so that it reads in a terminal too."""
    rows = [("", "", "bar"), *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]

    def drawn(row: tuple[str, str, str]) -> str:
        name, value, bar = row
        cells = (name.ljust(widths[0]), value.rjust(widths[1]), bar.rjust(widths[2]))
        return f"| {' | '.join(cells)} |"

    rule = f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 1)}:|{'-' * (widths[2] + 1)}:|"
    return "\n".join([drawn(rows[0]), rule, *(drawn(row) for row in rows[1:])])
