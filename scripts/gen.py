#!/usr/bin/env python3
"""Writes what is made from the code: the reference pages and the web UI's types.

scripts/gen.py            writes them anew (`make fix` does)
scripts/gen.py --check    fails when one of them is not what it would write (`make check` does)
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from underpass.cli.main import SECTIONS, load
from underpass.config import reference
from underpass.core import errors, states
from underpass.hub.app import build_api

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
WEB_GEN = ROOT / "web" / "src" / "gen"
MADE = "Made from {source} by `scripts/gen.py`; edit the words there."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    wanted = {
        REFERENCE / "settings.md": reference.reference(),
        REFERENCE / "cli.md": cli_reference(),
        REFERENCE / "errors.md": errors_reference(),
        REFERENCE / "statuses.md": statuses_reference(),
        WEB_GEN / "openapi.json": openapi_document(),
    }
    stale = [path for path, text in wanted.items() if _read(path) != text]
    if is_check:
        stale += [] if _has_fresh_types() else [WEB_GEN / "schema.ts"]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make fix`", file=sys.stderr)
        sys.exit(1 if stale else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")
    if not _has_fresh_types():
        (WEB_GEN / "schema.ts").write_text(_types())


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


# -- the command line


def cli_reference() -> str:
    """docs/reference/cli.md: every command with its help, arguments and options."""
    lines = ["# Command line", "", MADE.format(source="`src/underpass/cli/`")]
    for title, group in SECTIONS:
        shown = [command for command in group if command.text or command.beside]
        if title and shown:
            lines += ["", f"## {title}"]
        for command in shown:
            lines += _command_page(load(command), f"underpass {command.name}")
    return "\n".join(lines) + "\n"


def _command_page(command: Any, name: str) -> Iterator[str]:
    """A command, and below it its subcommands."""
    yield from ("", f"### `{name}`", "")
    yield from _help_text(command.help or "")
    rows = [row for param in command.params if (row := _param_row(param))]
    if rows:
        yield from ("| argument or option | default | effect |", "|---|---|---|", *rows)
    for child in getattr(command, "commands", {}).values():
        if not child.hidden:
            yield from _command_page(child, f"{name} {child.name}")


def _help_text(text: str) -> Iterator[str]:
    """Sentences as they are; what is indented is an example and stands as code."""
    for paragraph in text.replace("\b", "").strip().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if lines and all(line.startswith("  ") for line in lines):
            yield from (f"    {line.strip()}" for line in lines)
        else:
            yield " ".join(line.strip() for line in lines)
        yield ""


def _param_row(param: Any) -> str:
    if getattr(param, "hidden", False) or param.name in ("help", "install_completion"):
        return ""
    names = ", ".join(f"`{opt}`" for opt in [*param.opts, *param.secondary_opts])
    if param.param_type_name == "argument":
        names = f"`{(param.metavar or param.name).upper()}`"
    default = param.default
    is_shown = isinstance(default, str | int | float) and not isinstance(default, bool)
    text = (getattr(param, "help", None) or "").replace("|", "\\|")
    return f"| {names} | {f'`{default}`' if is_shown else ''} | {text} |"


# -- errors


def errors_reference() -> str:
    """docs/reference/errors.md: every code that a program can meet."""
    lines = ["# Errors", "", MADE.format(source="`src/underpass/core/errors.py`"), ""]
    lines += ["| code | status | trying again helps | meaning |", "|---|---|---|---|"]
    for kind in sorted(set(_kinds(errors.AppError)), key=lambda k: (k.http_status, k.code)):
        meaning = " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())
        again = "yes" if kind.is_retryable else "no"
        lines.append(f"| `{kind.code}` | {kind.http_status} | {again} | {meaning} |")
    return "\n".join(lines) + "\n"


def _kinds(kind: type[errors.AppError]) -> Iterator[type[errors.AppError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            below = list(_kinds(child))
            if child.code not in {kind.code for kind in below}:  # else it is only their family
                yield child
            yield from below


# -- statuses


def statuses_reference() -> str:
    """docs/reference/statuses.md: which status may follow which, as diagrams."""
    drawn = (
        ("Session", states.mermaid(states.SESSION_MOVES, states.SessionStatus.QUEUED)),
        ("Tunnel", states.mermaid(states.TUNNEL_MOVES, states.TunnelStatus.CONNECTING)),
        ("Provider", states.mermaid(states.PROVIDER_MOVES, states.ProviderStatus.STOPPED)),
        ("Message and run", states.mermaid(states.MESSAGE_MOVES, states.MessageStatus.WAITING)),
    )
    lines = ["# Statuses", "", MADE.format(source="`src/underpass/core/states.py`")]
    for noun, diagram in drawn:
        lines += ["", f"## {noun}", "", "```mermaid", diagram, "```"]
    return "\n".join(lines) + "\n"


# -- the web UI's types


def openapi_document() -> str:
    """web/src/gen/openapi.json: every route and shape, for a reader; the types are made from it."""
    return json.dumps(build_api().openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _types() -> str:
    """schema.ts, from the document that stands in web/src/gen/: the shapes that agrees.ts holds ours
    against, and what they are made of. Routes, other shapes and FastAPI's titles (each field's name
    again) would be nine tenths of it, and nothing reads them."""
    tool = ROOT / "web" / "node_modules" / ".bin" / "openapi-typescript"
    document = json.loads((WEB_GEN / "openapi.json").read_text()) | {"paths": {}}
    shapes = document["components"]["schemas"]
    wanted = re.findall(r"Schemas\['(\w+)'\]", (WEB_GEN / "agrees.ts").read_text())
    document["components"] = {"schemas": _with_parts(shapes, wanted)}
    done = subprocess.run(
        [str(tool)],
        input=json.dumps(document).encode(),
        cwd=ROOT / "web",
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def _with_parts(shapes: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """The wanted shapes and all that they refer to, sorted by name, without titles."""
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _without_titles(shapes[name])
            wanted += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found[name]))
    return dict(sorted(found.items()))


def _without_titles(shape: Any) -> Any:
    if isinstance(shape, list):
        return [_without_titles(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    # A title is text; a field that is called `title` is a shape.
    return {
        name: _without_titles(one)
        for name, one in shape.items()
        if name != "title" or not isinstance(one, str)
    }


def _has_fresh_types() -> bool:
    is_installed = (ROOT / "web" / "node_modules").is_dir()
    return not is_installed or _read(WEB_GEN / "schema.ts") == _types()


if __name__ == "__main__":
    main()
