"""Names of sessions, tunnels and providers.

A name stands in model ids (`PROVIDER/MODEL`, `OWNER:PROVIDER/MODEL`), URLs and on the command
line, so it may hold neither `/` nor `:` nor blanks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from underpass.core.errors import InvalidRequest

MAX_NAME_CHARS = 63
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")


def is_valid_name(name: str) -> bool:
    """Whether `name` may name a session, tunnel or provider."""
    return _NAME.fullmatch(name) is not None


def checked_name(name: str) -> str:
    """`name`, if it is one; raises InvalidRequest (`name_invalid`) with a name that would do."""
    if is_valid_name(name):
        return name
    raise InvalidRequest(
        f"'{name[:80]}' cannot be a name: use 1 to {MAX_NAME_CHARS} of a-z, 0-9, '.', '_', '-', "
        "beginning with a letter or digit.",
        code="name_invalid",
        hint=f"'{suggest_name(name)}' would do.",
    )


def suggest_name(text: str, taken: Iterable[str] = ()) -> str:
    """A valid name made from any text (a host name, a model) that is not among `taken`."""
    lowered = _NOT_IN_NAMES.sub("-", text.lower()).lstrip("._-").rstrip("-")
    base = lowered[:MAX_NAME_CHARS] or "session"
    used = set(taken)
    name, number = base, 1
    while name in used:
        number += 1
        suffix = f"-{number}"
        name = base[: MAX_NAME_CHARS - len(suffix)] + suffix
    return name


def close_matches(wanted: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names of `known` that look most like `wanted`, best first."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(wanted.lower(), list(by_lower), n=limit, cutoff=0.5)
    return [by_lower[name] for name in found]
