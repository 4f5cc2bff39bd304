"""docs/security.md: each promise names a test, and that test is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
# Said about the page itself, or a thing that is not promised.
FREE = ("What is trusted", "Not there yet")


def promises() -> list[str]:
    """Every line that says what somebody can or cannot do."""
    found, section = [], ""
    for line in PAGE.read_text().splitlines():
        section = line[3:] if line.startswith("## ") else section
        if line.startswith("- ") and section not in FREE and "in clear" not in line:
            found.append(line)
    return found


def test_every_promise_names_a_test_that_is_there() -> None:
    """A line without its test, or whose test was renamed, fails here."""
    assert len(promises()) > 30
    for line in promises():
        named = re.search(r"`(tests/[\w/]+\.py)::(\w+)`$", line)
        assert named is not None, f"no test: {line}"
        tree = ast.parse((ROOT / named[1]).read_text())
        functions = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert named[2] in functions, f"not there: {named[0]}"
