"""Finds the part `model` of a multipart/form-data body in bytes that come in pieces.

A file part may be many megabytes and may come before the model; it is only searched for the
boundary, never kept. What is unusual enough that two parsers could read it differently is
refused, because a key that is limited to one model must not reach another.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from underpass.core.errors import InvalidRequest
from underpass.gateway.scan import MAX_MODEL_BYTES, missing_model, model_error

_MAX_HEADERS_BYTES = 16 * 1024
_MAX_BOUNDARY_CHARS = 200
_MAX_PADDING_BYTES = 256

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^;\s"]+))', re.IGNORECASE)
_NAME = re.compile(r';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)
_FILE_NAME = re.compile(r";\s*filename\*?=", re.IGNORECASE)
_ENCODED_NAME = re.compile(r";\s*name\*", re.IGNORECASE)

State = Callable[[], bool]
"""Takes what it can from the buffer; False when it needs more bytes first."""


class MultipartScanner:
    """A Scanner for `multipart/form-data`. A state is a method; see `_state`.

    The buffer begins at offset `_base` of the body and holds only what is not decided yet.
    """

    def __init__(self, content_type: str) -> None:
        found = _BOUNDARY.search(content_type)
        boundary = (found[1] or found[2]) if found else ""
        if not 0 < len(boundary) <= _MAX_BOUNDARY_CHARS:
            raise InvalidRequest(
                "The content type multipart/form-data has no boundary.",
                hint="Let the HTTP client write this header itself.",
            )
        self.model: str | None = None
        self.span: tuple[int, int] | None = None
        self.is_stream = False
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        # The first boundary has no line break before it: one is put there, and not counted.
        self._buffer = b"\r\n"
        self._base = -2
        self._state: State = self._in_content
        self._part = ""
        self._value = bytearray()
        self._value_start = 0

    def feed(self, data: bytes) -> None:
        """Looks at the next bytes. Raises InvalidRequest."""
        self._buffer += data
        while self._state():
            pass

    def finish(self) -> None:
        """Says that this was all. Raises InvalidRequest."""
        if self._state != self._after_all:
            raise _malformed("it ends before its last boundary")
        if self.model is None:
            raise missing_model()

    @staticmethod
    def encode(model: str) -> bytes:
        """What stands in the span for `model`."""
        return model.encode("utf-8")

    # --- states ------------------------------------------------------------------------------

    def _in_content(self) -> bool:
        at = self._buffer.find(self._delimiter)
        is_whole = at >= 0
        if not is_whole:  # the end of the buffer may be the beginning of a delimiter
            at = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if self._part and len(self._value) <= MAX_MODEL_BYTES:
            self._value += self._buffer[:at]
        self._drop(at)
        if is_whole:
            self._end_part()
            self._drop(len(self._delimiter))
            self._state = self._after_delimiter
        return is_whole

    def _after_delimiter(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._state = self._after_all
            return True
        at = self._buffer.find(b"\r\n")
        padding = self._buffer if at < 0 else self._buffer[:at]
        if padding.strip(b" \t\r") or len(padding) > _MAX_PADDING_BYTES:
            raise _malformed("something stands after a boundary")
        if at >= 0:
            self._drop(at)
            self._state = self._in_headers
        return at >= 0

    def _in_headers(self) -> bool:
        at = self._buffer.find(b"\r\n\r\n")
        if max(at, len(self._buffer) if at < 0 else 0) > _MAX_HEADERS_BYTES:
            raise _malformed("the headers of a part are too long")
        if at < 0:
            return False
        self._part = _part_name(self._buffer[:at].decode("latin-1"))
        self._drop(at + 4)
        self._value.clear()
        self._value_start = self._base
        # An empty part's delimiter would begin with the line break that ended the headers.
        self._state = self._in_content
        return True

    def _after_all(self) -> bool:
        self._drop(len(self._buffer))
        return False

    # --- parts -------------------------------------------------------------------------------

    def _end_part(self) -> None:
        if self._part == "stream":
            self.is_stream = bytes(self._value).strip().lower() in (b"true", b"1")
        elif self._part == "model":
            if self.model is not None:
                raise model_error("The body names its model twice.")
            if len(self._value) > MAX_MODEL_BYTES:
                raise model_error("The model's name is too long.")
            try:
                self.model = self._value.decode("utf-8")
            except UnicodeDecodeError:
                raise model_error("The model's name is not UTF-8.") from None
            if not self.model:
                raise model_error("The model's name is empty.")
            self.span = (self._value_start, self._base)
        self._part = ""

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._base += count


def _part_name(headers: str) -> str:
    """`model` or `stream` if the part is called so, else an empty text. Raises InvalidRequest."""
    found = ""
    for line in headers.split("\r\n"):
        if line[:1] in (" ", "\t"):
            raise _malformed("a header goes on in a second line")
        name, _, value = line.partition(":")
        if name.strip().lower() != "content-disposition":
            continue
        match = _NAME.search(value)
        if found or _ENCODED_NAME.search(value):
            raise _malformed("the name of a part can be read in two ways")
        found = ((match[1] or match[2]) if match else "") or "-"
        if found == "model" and _FILE_NAME.search(value):
            raise model_error("The model must be text, not a file.")
    return found if found in ("model", "stream") else ""


def _malformed(what: str) -> InvalidRequest:
    return InvalidRequest(f"The multipart body is malformed: {what}.", code="invalid_multipart")
