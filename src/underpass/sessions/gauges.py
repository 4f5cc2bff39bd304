"""How busy a session was: a series of points for charts, bounded, in memory alone. Pure.

An agent says every few seconds what its server has counted and how its GPUs do; rates are made here, of
two counts. Whatever an agent says, a point is a few numbers.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

from underpass.core.times import iso

MAX_POINTS = 240
"""An hour of points every 15 s. A session's take about 10 KB."""
MAX_GPUS, MAX_NAME_CHARS = 64, 100
_MOST = 1e15

COLUMNS = (
    "tokens_per_s",
    "prompt_tokens_per_s",
    "running",
    "waiting",
    "cache_percent",
    "gpu_percent",
    "gpu_memory_percent",
)


class Gauges:
    """One session's."""

    def __init__(self) -> None:
        self.gpus: list[dict[str, Any]] = []
        """The GPUs as they were last said to be."""
        self._at = array("d")
        # Made with the first point: an idle session, of which there may be thousands, has none.
        self._columns: dict[str, array[float]] = {}
        self._last: tuple[float, dict[str, float | None]] | None = None

    def add(self, said: Mapping[str, Any], now: float) -> None:
        """Takes `session.gauges`."""
        listed = said.get("gpus")
        gpus = [_gpu(one) for one in listed[:MAX_GPUS]] if isinstance(listed, list) else []
        self.gpus = [one for one in gpus if one is not None]
        server = said.get("server")
        server = server if isinstance(server, Mapping) else {}
        counts = {
            "tokens_per_s": _number(server.get("generated_tokens", said.get("events"))),
            "prompt_tokens_per_s": _number(server.get("prompt_tokens")),
        }
        point: dict[str, float | None] = self._rates(counts, now)
        for name in ("running", "waiting", "cache_percent"):
            point[name] = _number(server.get(name))
        point["gpu_percent"] = _mean([one["percent"] for one in self.gpus])
        point["gpu_memory_percent"] = _share(self.gpus)
        self._append(now, point)

    def points(self) -> list[dict[str, Any]]:
        """Oldest first: `t` and a number or None for each of COLUMNS."""
        return [
            {"t": iso(at)} | {name: _rounded(self._columns[name][i]) for name in COLUMNS}
            for i, at in enumerate(self._at)
        ]

    def latest(self, name: str) -> float | None:
        """The newest point's number of that name."""
        return _rounded(self._columns[name][-1]) if self._at else None

    # --- inside ------------------------------------------------------------------------------------

    def _rates(self, counts: dict[str, float | None], now: float) -> dict[str, float | None]:
        before, self._last = self._last, (now, counts)
        rates: dict[str, float | None] = dict.fromkeys(counts)
        if before is None or now <= before[0]:
            return rates
        for name, count in counts.items():
            old = before[1].get(name)
            # A server that was started again counts from nothing.
            if count is not None and old is not None and count >= old:
                rates[name] = (count - old) / (now - before[0])
        return rates

    def _append(self, now: float, point: Mapping[str, float | None]) -> None:
        if not self._columns:
            self._columns = {name: array("f") for name in COLUMNS}
        for column in (self._at, *self._columns.values()):
            if len(column) >= MAX_POINTS:
                del column[0]
        self._at.append(now)
        for name, column in self._columns.items():
            value = point.get(name)
            column.append(math.nan if value is None else value)


def _gpu(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, Mapping):
        return None
    percent = _number(said.get("percent"))
    return {
        "name": str(said.get("name") or "")[:MAX_NAME_CHARS],
        "percent": None if percent is None else min(percent, 100.0),
        "memory_used_bytes": _whole(said.get("memory_used_bytes")),
        "memory_total_bytes": _whole(said.get("memory_total_bytes")),
    }


def _number(said: Any) -> float | None:
    is_number = type(said) in (int, float) and 0 <= said <= _MOST  # NaN is not, either
    return float(said) if is_number else None


def _whole(said: Any) -> int | None:
    number = _number(said)
    return None if number is None else int(number)


def _mean(found: list[float | None]) -> float | None:
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def _share(gpus: list[dict[str, Any]]) -> float | None:
    """How full the memory of all of them together is."""
    known = [g for g in gpus if g["memory_used_bytes"] is not None and g["memory_total_bytes"]]
    total = sum(g["memory_total_bytes"] for g in known)
    return 100 * sum(g["memory_used_bytes"] for g in known) / total if total else None


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)
