"""The manual as passages: one for each heading of each page."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of the manual: the page's title, its own heading, its text as Markdown."""

    page: str
    heading: str
    text: str

    @property
    def name(self) -> str:
        """How an answer names it: `Sessions: Start a session`."""
        return self.page if self.heading == self.page else f"{self.page}: {self.heading}"


def read_manual() -> list[Passage]:
    """All passages of the manual that is part of this package, in the order of its pages."""
    folder = files("underpass").joinpath("manual")
    pages = sorted((page for page in folder.iterdir() if page.name.endswith(".md")), key=_order)
    return [passage for page in pages for passage in cut(page.read_text(encoding="utf-8"))]


def cut(markdown: str) -> list[Passage]:
    """The passages of one page. Text wraps by hand in the source, not in an answer."""
    title, heading = "", ""
    lines: list[str] = []
    found: list[Passage] = []

    def close() -> None:
        text = _unwrap(lines)
        if text:
            found.append(Passage(title, heading, text))
        lines.clear()

    for line in markdown.splitlines():
        if line.startswith("#"):
            close()
            heading = line.lstrip("#").strip()
            if line.startswith("# "):
                title = heading
        else:
            lines.append(line)
    close()
    return found


_FIRST = ("what-it-is.md", "first-steps.md", "sessions.md", "tunnels.md", "providers.md")


def _order(page: object) -> tuple[int, str]:
    name: str = getattr(page, "name", "")
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _unwrap(lines: list[str]) -> str:
    """Joins the lines of a paragraph; a list item and a blank line begin a new one."""
    joined: list[str] = []
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("- ") or not joined or not joined[-1]:
            joined.append(stripped)
        else:
            joined[-1] += f" {stripped}"
    return "\n".join(joined).strip()
