"""Finds the top-level `model` of a JSON object in bytes that come in pieces, without parsing it all.

The scanner knows the grammar of the outermost object exactly and of what is inside only strings
and brackets, which is enough to be right about where a member begins and ends. What is inside is
skipped by regular expressions, at the speed of C. It judges no more than it must: whether the
rest is good JSON is the model server's word.

A second top-level `model` is refused: parsers differ in which of two counts, so a key that is
limited to one model could reach another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from underpass.core.errors import InvalidRequest
from underpass.gateway.scan import MAX_MODEL_BYTES, missing_model, model_error

_BOM = b"\xef\xbb\xbf"
_BLANKS = re.compile(rb"[ \t\r\n]*+")
# Up to the closing quote, or to a backslash at the very end, or to the end.
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Whole strings and anything that is not a bracket, up to a bracket or a string that goes on.
_INSIDE = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_SCALAR = re.compile(rb"[^,}\]\s]*+")

_QUOTE, _BACKSLASH, _COLON, _COMMA, _SPACE = b'"\\:, '
_OPENERS = b"{["
_OBJECT, _OBJECT_END = b"{}"

MAX_BRACKETS = 4_000_000
"""Brackets are what costs time here (a third of a microsecond each); prose has next to none."""

_MAX_KEY_BYTES = 64  # "model" with every letter as \uXXXX has 30
_MAX_SCALAR_BYTES = 64

Step = Callable[[bytes, int], int]
"""A state: looks at data from a position on and says how far it came."""


class JsonScanner:
    """A Scanner for `application/json`. A state is a method; see `_step`."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.span: tuple[int, int] | None = None
        self.is_stream = False
        self._base = 0
        self._bom_seen = 0
        self._step: Step = self._before_object
        self._after_string: Callable[[int], Step] = self._end_key
        self._text = bytearray()
        self._max_text = 0
        self._is_escaped = False
        self._key = ""
        self._value_start = 0
        self._depth = 0
        self._brackets = 0

    def feed(self, data: bytes) -> None:
        """Looks at the next bytes. Raises InvalidRequest."""
        position, end = 0, len(data)
        while position < end:
            position = self._step(data, position)
        self._base += end

    def finish(self) -> None:
        """Says that this was all. Raises InvalidRequest."""
        if self._step != self._after_object:
            raise _malformed("it ends too early", self._base)
        if self.model is None:
            raise missing_model()

    @staticmethod
    def encode(model: str) -> bytes:
        """What stands in the span for `model`."""
        return json.dumps(model, ensure_ascii=False).encode("utf-8")

    # --- the outermost object ----------------------------------------------------------------

    def _before_object(self, data: bytes, at: int) -> int:
        seen = self._base + at
        if seen < len(_BOM) and seen == self._bom_seen and data[at] == _BOM[seen]:
            self._bom_seen += 1
            return at + 1
        at = _skip_blanks(data, at)
        if at < len(data):
            if data[at] != _OBJECT:
                raise _malformed("it must be an object", self._base + at)
            self._step = self._first_key
            at += 1
        return at

    def _first_key(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at < len(data):
            self._step = self._next_key
            if data[at] == _OBJECT_END:
                self._step = self._after_object
                at += 1
        return at

    def _next_key(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at < len(data):
            if data[at] != _QUOTE:
                raise _malformed("a name in double quotes is missing", self._base + at)
            self._begin_string(_MAX_KEY_BYTES, self._end_key)
            at += 1
        return at

    def _end_key(self, end: int) -> Step:
        # A key that is longer than was kept is none of ours.
        self._key = "" if len(self._text) > _MAX_KEY_BYTES else self._decoded(end)
        return self._before_colon

    def _before_colon(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at < len(data):
            if data[at] != _COLON:
                raise _malformed("a ':' is missing", self._base + at)
            self._step = self._before_value
            at += 1
        return at

    def _before_value(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at == len(data):
            return at
        first = data[at]
        self._value_start = self._base + at
        if self._key.lower() == "model":
            if self._key != "model":
                # Ollama's parser does not mind the case, so this could name a second model.
                raise model_error("The member 'model' must be written in lower case.")
            if self.model is not None:
                raise model_error("The body names its model twice.")
            if first != _QUOTE:
                raise model_error("The model must be a string.")
            self._begin_string(MAX_MODEL_BYTES, self._end_model)
            return at + 1
        if self._key == "stream":
            self.is_stream = False  # of several the last counts, as in every parser we know
        if first == _QUOTE:
            self._begin_string(0, self._end_value)
            return at + 1
        if first in _OPENERS:
            self._depth = 0
            self._step = self._inside
            return at
        self._text.clear()
        self._step = self._scalar
        return at

    def _end_model(self, end: int) -> Step:
        if len(self._text) > MAX_MODEL_BYTES:
            raise model_error("The model's name is too long.")
        model = self._decoded(end)
        if not model:
            raise model_error("The model's name is empty.")
        self.model = model
        self.span = (self._value_start, end)
        return self._after_value

    def _end_value(self, end: int) -> Step:
        return self._after_value

    def _scalar(self, data: bytes, at: int) -> int:
        end = _end_of(_SCALAR, data, at)
        room = _MAX_SCALAR_BYTES - len(self._text)
        self._text += data[at : min(end, at + room)]
        if end < len(data):
            if not self._text:
                raise _malformed("a value is missing", self._base + end)
            if self._key == "stream":
                self.is_stream = self._text == b"true"
            self._step = self._after_value
        return end

    def _after_value(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at < len(data):
            if data[at] == _COMMA:
                self._step = self._next_key
            elif data[at] == _OBJECT_END:
                self._step = self._after_object
            else:
                raise _malformed("a ',' or '}' is missing", self._base + at)
            at += 1
        return at

    def _after_object(self, data: bytes, at: int) -> int:
        at = _skip_blanks(data, at)
        if at < len(data):
            raise _malformed("something stands after its end", self._base + at)
        return at

    # --- strings, and what is inside of values ------------------------------------------------

    def _begin_string(self, max_text: int, after: Callable[[int], Step]) -> None:
        self._text.clear()
        self._max_text = max_text
        self._after_string = after
        self._step = self._in_string

    def _in_string(self, data: bytes, at: int) -> int:
        start = at
        if self._is_escaped:
            self._is_escaped = False
            at += 1
        at = _end_of_text(data, at)
        is_ended = at < len(data) and data[at] == _QUOTE
        if at < len(data) and not is_ended:  # a backslash, and its letter is in the next piece
            self._is_escaped = True
            at += 1
        room = self._max_text + 1 - len(self._text)
        if self._max_text and room > 0:
            self._text += data[start : min(at, start + room)]
        if is_ended:
            at += 1
            self._step = self._after_string(self._base + at)
        return at

    def _inside(self, data: bytes, at: int) -> int:
        if self._brackets > MAX_BRACKETS:
            raise _malformed("it has too many brackets", self._base + at)
        end = len(data)
        while True:
            at = _end_of(_INSIDE, data, at)
            if at == end:
                return at
            found = data[at]
            at += 1
            if found == _QUOTE:
                self._begin_string(0, self._back_inside)
                return at
            self._brackets += 1
            self._depth += 1 if found in _OPENERS else -1
            if self._depth == 0:
                self._step = self._after_value
                return at

    def _back_inside(self, end: int) -> Step:
        return self._inside

    def _decoded(self, end: int) -> str:
        raw = bytes(self._text)
        try:
            text = raw.decode("utf-8")
            return str(json.loads(f'"{text}"')) if _BACKSLASH in raw else text
        except ValueError:
            raise _malformed("a string is malformed", end) from None


def _skip_blanks(data: bytes, at: int) -> int:
    if at < len(data) and data[at] > _SPACE:
        return at  # programs write hardly any, and a pattern costs five times as much
    return _end_of(_BLANKS, data, at)


def _end_of_text(data: bytes, at: int) -> int:
    """Where a string's closing quote is, or a backslash at the very end, or the end."""
    quote = data.find(b'"', at)
    end = len(data) if quote < 0 else quote
    # An image is megabytes without a backslash: two searches are ten times as quick as the pattern.
    return end if data.find(b"\\", at, end) < 0 else _end_of(_STRING, data, at)


def _end_of(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


def _malformed(what: str, offset: int) -> InvalidRequest:
    return InvalidRequest(
        f"The body is not valid JSON: {what} (at byte {offset}).", code="invalid_json"
    )
