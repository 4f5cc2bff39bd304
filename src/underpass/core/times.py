"""Times as the API writes them and as a person says them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

LATEST_S = 253_402_300_799.0
"""The last second of the year 9999, after which ISO 8601 and Python's datetime have no word."""


def iso(time_s: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC with milliseconds (`2026-11-23T22:43:42.000Z`).

    Total: a time before 1970 or after the year 9999 is said as the nearest that there is, and what
    is no number as None, so that one odd value can never keep a whole list from being shown.
    """
    if time_s is None or math.isnan(time_s):
        return None
    time_s = min(max(time_s, 0.0), LATEST_S)
    text = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def in_words(seconds: float) -> str:
    """A span as a person says it: `9 s`, `4 min`, `3 h 12 min`, `2 d 5 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
