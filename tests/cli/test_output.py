"""What commands print."""

import json

import pytest

from underpass.cli import output
from underpass.core.errors import Conflict


def test_results_and_remarks_go_different_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a result can be piped on."""
    output.print_json({"name": "Zoë"})
    output.note("Wrote it.")
    said = capsys.readouterr()
    assert json.loads(said.out) == {"name": "Zoë"}
    assert said.err == "Wrote it.\n"


def test_a_table_is_aligned_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing, truth, lists and control characters have one way to be shown."""
    rows = [("box", True, None, ["a", "b"]), ("a-long-name", False, "x\x1b[31m\n", [])]
    output.print_table(("name", "up", "host", "tags"), rows, empty="None.")
    assert capsys.readouterr().out == (
        "NAME         UP   HOST    TAGS\n"
        "box          yes  -       a, b\n"
        "a-long-name  no   x [31m  -\n"
    )


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error: there is no result."""
    output.print_table(("name",), [], empty="No keys yet.")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "No keys yet.\n")


def test_one_thing_shows_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    """A field without a value is left out; no and 0 are values."""
    output.print_fields([("name", "box"), ("host", None), ("streams", 0), ("openai", False)])
    assert capsys.readouterr().out == "name     box\nstreams  0\nopenai   no\n"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do, whatever is in it."""
    output.fail(Conflict("It is\ntaken.", hint="Choose another."))
    assert capsys.readouterr().err == "underpass: It is taken. Choose another.\n"


def test_times_are_short_in_tables() -> None:
    """To the minute; no time stays none."""
    assert output.when("2026-11-23T22:43:42.000Z") == "2026-11-23 22:43"
    assert output.when(None) is None
