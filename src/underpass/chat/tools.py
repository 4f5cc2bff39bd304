"""Tool-call deltas made regular: each gets an index, whatever the server left out. Pure."""

from __future__ import annotations

import json
from typing import Any


class ToolCallIndexer:
    """Finds out which call a delta belongs to when its server does not say."""

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._last = -1
        self._last_has_name = False

    def take(self, raw: object) -> list[dict[str, Any]]:
        """The deltas of one event's `tool_calls` (or its one old `function_call`), regular."""
        items = raw if isinstance(raw, list) else [raw]
        return [self._regular(item) for item in items if isinstance(item, dict)]

    def _regular(self, item: dict[str, Any]) -> dict[str, Any]:
        function = item.get("function")
        if not isinstance(function, dict):
            function = item  # the old `function_call` has name and arguments themselves
        name, arguments = function.get("name"), function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        call_id = item.get("id")
        call_id = call_id if isinstance(call_id, str) and call_id else None
        index = self._index(item.get("index"), call_id, has_name=bool(name))
        delta: dict[str, Any] = {"index": index, "type": "function", "function": {}}
        if call_id:
            delta["id"] = call_id
        if isinstance(name, str) and name:
            delta["function"]["name"] = name
        if arguments:
            delta["function"]["arguments"] = arguments
        return delta

    def _index(self, given: object, call_id: str | None, *, has_name: bool) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            index = given
        elif call_id is not None and call_id in self._by_id:
            index = self._by_id[call_id]
        elif self._last < 0 or call_id is not None or (has_name and self._last_has_name):
            index = max([self._last, *self._by_id.values()]) + 1
        else:
            index = self._last
        if call_id is not None:
            self._by_id.setdefault(call_id, index)
        self._last_has_name = has_name or (index == self._last and self._last_has_name)
        self._last = index
        return index
