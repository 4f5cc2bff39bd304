"""Logs: one line per event, for people or as JSON, and never a secret or a word of content.

Nothing here could tell content from other text, so the rule is kept where lines are written: they
carry ids, counts, codes and our own sentences. What this file adds is the net below: anything that
looks like one of our secrets is cut, and an unexpected error is logged by its type and place,
never by its message, which may quote what it choked on.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

_SECRET = re.compile(r"\b(up|ups|upb|upc|upd)_[A-Za-z0-9_-]{16,}|(?<=token=)[A-Za-z0-9_-]{16,}")
_NOISY = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "aiosqlite", "alembic")


def set_up(*, level: str, as_json: bool, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers through one renderer to `stream`."""
    out = stream or sys.stderr
    render: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        place_of_error,
        cut_secrets,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(out),  # a line is one write
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[_drop_arguments, *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _NOISY:
        # Their own handlers go; what they say below a warning is about single connections.
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.addFilter(_is_worth_a_line)
        logger.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def cut_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Whatever looks like a secret of ours loses all but its kind."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRET.sub(lambda found: f"{found.group(1) or 'token'}_…", value)
    return event


def place_of_error(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """`exc_info` becomes `error` (the type) and `at` (where), without the message."""
    found = event.pop("exc_info", None)
    if not found:
        return event
    error = found if isinstance(found, BaseException) else _error_in(found)
    if error is not None:
        event["error"] = type(error).__qualname__
        event["at"] = " < ".join(reversed(list(_frames(error.__traceback__))[-6:]))
    return event


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """All but what uvicorn calls an error whenever a WebSocket is refused by an HTTP answer."""
    return record.msg != "ASGI callable returned without completing handshake."


def _error_in(found: Any) -> BaseException | None:
    if isinstance(found, tuple):
        return found[1] if isinstance(found[1], BaseException) else None
    return sys.exc_info()[1]


def _frames(trace: TracebackType | None) -> Iterable[str]:
    for frame in traceback.extract_tb(trace):
        yield f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"


def _drop_arguments(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A library's line keeps its words and its error; extras that it attached are not ours to log."""
    record = event.get("_record")
    if record is not None and record.exc_info:
        event["exc_info"] = record.exc_info
        record.exc_info = None
        record.exc_text = None
    return event
