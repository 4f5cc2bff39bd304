"""The net below the logs: secrets are cut, errors are places."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from underpass.hub import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON lines; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.set_up(level="info", as_json=True, stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(out: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_what_looks_like_a_secret_is_cut(out: io.StringIO) -> None:
    """In our own lines and in a library's, wherever it stands."""
    secret = "up_" + "a" * 43
    structlog.get_logger("x").info("said", text=f"Bearer {secret}", path="/setup?token=" + "b" * 43)
    logging.getLogger("library").warning("got %s", "ups_" + "c" * 43)
    text = out.getvalue()
    assert "up_…" in json.loads(text.splitlines()[0])["text"]
    assert not [letter for letter in "abc" if letter * 20 in text]


def test_an_error_is_logged_by_type_and_place(out: io.StringIO) -> None:
    """Its message may quote what it choked on."""
    try:
        raise ValueError("the user's words")
    except ValueError as error:
        structlog.get_logger("x").error("broken", exc_info=error)
        logging.getLogger("library").exception("failed")
    first, second = _lines(out)
    assert (first["error"], second["error"]) == ("ValueError", "ValueError")
    assert "test_logs.py" in first["at"]
    assert "words" not in out.getvalue()


def test_libraries_speak_through_the_same_door(out: io.StringIO) -> None:
    """One format for all; their chatter below a warning is left out."""
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.error").warning("trouble")
    structlog.get_logger("x").debug("too much detail")
    (line,) = _lines(out)
    assert (line["event"], line["level"]) == ("trouble", "warning")


def test_people_get_readable_lines() -> None:
    """On a terminal there is no JSON."""
    stream = io.StringIO()
    logs.set_up(level="info", as_json=False, stream=stream)
    structlog.get_logger("x").info("hub stops", request_id="req_1")
    structlog.reset_defaults()
    assert "hub stops" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_a_line_is_one_write(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """One system call for each, and no other process's words in the middle of it."""
    written: list[str] = []
    write = out.write

    def note(text: str) -> int:
        written.append(text)
        return write(text)

    monkeypatch.setattr(out, "write", note)
    logs.set_up(level="info", as_json=True, stream=out)
    structlog.get_logger("x").info("said")
    assert [text[-1:] for text in written] == ["\n"]
