"""JSON of the peer's, read with suspicion: every failure is a `BadFrame`."""

from __future__ import annotations

import json
from typing import Any

from underpass.core.errors import BadFrame
from underpass.tunnel.protocol.limits import MAX_OFFSET


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_number)


def dump(value: Any) -> bytes:
    """Compact ASCII JSON. Raises ValueError or TypeError for what JSON has no word for."""
    return _ENCODER.encode(value).encode("ascii")


def load_object(text: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `text`; `what` names it in the error. Raises BadFrame."""
    try:
        value = _DECODER.decode(text.decode("utf-8"))
        if b"\\ud" in text.lower():
            value = json.loads(_without_lone_surrogates(value))
    except (ValueError, RecursionError):
        # Nesting beyond Python's stack and numbers beyond its digits arrive here as well.
        raise BadFrame(f"{what} is not JSON.") from None
    if not isinstance(value, dict):
        raise BadFrame(f"{what} is not a JSON object.")
    return value


def _without_lone_surrogates(value: Any) -> str:
    """`value` as JSON that can be written as UTF-8: halves of a character become U+FFFD.

    Models do name such things, and neither a database nor an answer of the API can carry them.
    """
    words = json.dumps(value, ensure_ascii=False)
    return words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text(fields: dict[str, Any], name: str, most: int, default: str | None = None) -> str:
    """The string `fields[name]`, at most `most` characters. Raises BadFrame."""
    value = fields.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise BadFrame(f"{name!r} is not a text of at most {most} characters.")
    return value


def whole(fields: dict[str, Any], name: str, most: int = MAX_OFFSET) -> int:
    """The integer `fields[name]` in 0..`most`. Raises BadFrame."""
    return whole_number(fields.get(name), name, most)


def whole_number(value: object, name: str, most: int = MAX_OFFSET) -> int:
    """`value` if it is an integer in 0..`most`. Raises BadFrame."""
    # `bool` is an int to isinstance, and `true` is no offset.
    if type(value) is not int or not 0 <= value <= most:
        raise BadFrame(f"{name!r} is not a whole number from 0 to {most}.")
    return value


def seconds(fields: dict[str, Any], name: str, most: float = 86_400.0) -> float:
    """The number `fields[name]` in 0..`most`. Raises BadFrame."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadFrame(f"{name!r} is not a number of seconds from 0 to {most}.")
    return float(value)


def items(fields: dict[str, Any], name: str, most: int) -> list[Any]:
    """The list `fields[name]` of at most `most` items. Raises BadFrame."""
    value = fields.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise BadFrame(f"{name!r} is not a list of at most {most} items.")
    return value
