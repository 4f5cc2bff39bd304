"""Takes a Markdown export apart at its marks. Pure; in time that grows with the file alone."""

from __future__ import annotations

from collections.abc import Iterator

from underpass.chat.exports import MARK

_END = " -->"
_DETAILS = ("<details><summary>Reasoning</summary>\n\n", "\n\n</details>")
_FENCE = ("```json\n", "\n```")


def sections(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind, what its mark says, its text) of each mark; the text as it was exported."""
    text = text.removeprefix("\ufeff")
    if "\r\n" in text and text.partition("\n")[0].endswith("\r"):
        # Written by an editor that ends lines its own way.
        text = text.replace("\r\n", "\n")
    kind, about = "", ""
    lines: list[str] = []
    for line in text.split("\n"):
        mark = _mark(line)
        if mark is None:
            lines.append(line)
            continue
        if kind:
            yield kind, about, _body(kind, lines)
        (kind, about), lines = mark, []
    if kind:
        # The last blank line is the file's own, if no editor has taken it away.
        yield kind, about, _body(kind, lines[:-1] if lines[-1:] == [""] else lines)


def _mark(line: str) -> tuple[str, str] | None:
    if not line.startswith(MARK) or not line.endswith(_END):
        return None
    kind, _, about = line[len(MARK) : -len(_END)].partition(" ")
    return kind, about


def _body(kind: str, lines: list[str]) -> str:
    """What stands between two marks, without what the export put around it."""
    if kind == "chat":
        return ""
    lines = lines[2:] if kind == "message" else lines[1:]
    lines = [
        line[1:] if line.lstrip("\\").startswith(MARK) and line[0] == "\\" else line
        for line in lines
    ]
    body = "\n".join(lines)
    body = body.removesuffix("\n")
    start, end = {"reasoning": _DETAILS, "tool_calls": _FENCE}.get(kind, ("", ""))
    return body.removeprefix(start).removesuffix(end)
