"""docs/promises.md: every sentence names tests, and every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "promises.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
SECTIONS = {
    *{"Statuses", "Sessions in time", "Privacy", "HTTP", "What bad input gets"},
    *{f"Promise {number}" for number in (1, 2, 3, 5, 6, 7)},
}


def rows() -> list[tuple[str, str, str]]:
    """(section, sentence, tests) of each row of the page's tables."""
    found = []
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:].partition(":")[0]
        elif line.startswith("| ") and not line.startswith("| sentence "):
            sentence, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append((section, sentence, tests))
    return found


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests of one file below tests/; none if it is not there."""
    path = ROOT / "tests" / file
    if not path.exists():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


def test_every_room_of_promises_is_there() -> None:
    """A section that is lost with an edit is missed."""
    assert {section for section, _, _ in rows()} == SECTIONS


@pytest.mark.parametrize(("sentence", "tests"), [row[1:] for row in rows()])
def test_every_sentence_has_tests_that_exist(sentence: str, tests: str) -> None:
    """A promise without a test is a wish; a test that was renamed is found here."""
    named = NAMED.findall(tests)
    assert named, f"no test for: {sentence}"
    assert not NAMED.sub("", tests).strip(), f"not a test: {tests}"
    assert len(named) == len(set(named))
    assert not [f"{file}::{name}" for file, name in named if name not in names_in(file)]


def test_no_sentence_stands_twice() -> None:
    """Two rows for one sentence would drift apart."""
    plain = [(section, sentence) for section, sentence, _ in rows()]
    assert len(plain) == len(set(plain))
