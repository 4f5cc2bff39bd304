"""Remembers which provider holds a response (`/v1/responses`), for the user who asked for it.

Model servers keep responses in their own memory and give out ids; a later GET or cancel names
only the id. The map is bounded and in memory: after a restart of the hub, `?model=` says where.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

MAX_USERS = 10_000
SNIFF_BYTES = 64 * 1024
"""The id stands near the beginning of an answer, streamed or not; further than this we do not look."""

_OWN_ID = re.compile(rb'"id"\s*:\s*"(resp[_-][A-Za-z0-9_.-]{1,250})"')
_ANY_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9_.-]{1,256})"')


@dataclass(frozen=True, slots=True)
class Holder:
    """Where a response is."""

    provider_id: str
    upstream_model: str


class ResponseHolders:
    """user → response id → Holder: the newest `per_user` of each user."""

    def __init__(self, per_user: int, max_users: int = MAX_USERS) -> None:
        self._per_user = per_user
        self._max_users = max_users
        self._by_user: OrderedDict[str, OrderedDict[str, Holder]] = OrderedDict()

    def remember(self, user_id: str, response_id: str, holder: Holder) -> None:
        """Notes that the user's response is there; drops the oldest over the bounds."""
        held = self._by_user.setdefault(user_id, OrderedDict())
        self._by_user.move_to_end(user_id)
        held[response_id] = holder
        held.move_to_end(response_id)
        if len(held) > self._per_user:
            held.popitem(last=False)
        if len(self._by_user) > self._max_users:
            self._by_user.popitem(last=False)

    def find(self, user_id: str, response_id: str) -> Holder | None:
        """Where the user's response is; another user's is not found."""
        held = self._by_user.get(user_id)
        return held.get(response_id) if held else None


class IdSniffer:
    """Looks for the id at the beginning of an answer that passes by, without parsing it."""

    def __init__(self) -> None:
        self._seen = b""
        self.is_done = False

    def feed(self, data: bytes) -> str | None:
        """The id, as soon as it is there. Call it until `is_done`."""
        self._seen += data[: SNIFF_BYTES - len(self._seen)]
        found = _OWN_ID.search(self._seen)
        if found is None and len(self._seen) >= SNIFF_BYTES:
            found = _ANY_ID.search(self._seen)
            self.is_done = True
        if found:
            self.is_done = True
            return found[1].decode("ascii")
        return None

    def finish(self) -> str | None:
        """The answer has ended: the first id of any form, if none was found before."""
        found = None if self.is_done else _ANY_ID.search(self._seen)
        self.is_done = True
        return found[1].decode("ascii") if found else None
