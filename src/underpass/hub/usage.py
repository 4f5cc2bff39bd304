"""Usage, written down: the gateway counts in memory, this adds what is new to the day's sums."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, StorageError
from underpass.gateway.usage import UsageBook
from underpass.store import Store, UsageRecord

_log = structlog.get_logger("underpass.usage")

_Counts = tuple[int, int, int, int, int]


class UsageWriter:
    """Moves counts from the gateway's book into the store."""

    def __init__(self, store: Store, clock: Clock, book: UsageBook) -> None:
        self._store = store
        self._clock = clock
        self._book = book
        self._written: dict[tuple[str, str], _Counts] = {}

    async def flush(self) -> None:
        """Add what was counted since the last call. What cannot be stored now is kept for later."""
        day = datetime.fromtimestamp(self._clock.now(), UTC).date().isoformat()
        now: dict[tuple[str, str], _Counts] = {
            (one.user_id, one.provider_id): (
                one.requests,
                one.errors,
                one.cancelled,
                one.bytes_in,
                one.bytes_out,
            )
            for one in self._book.all()
        }
        new = [
            UsageRecord(
                day=day,
                user_id=user_id,
                provider_id=provider_id,
                requests=more[0],
                failures=more[1],
                cancelled=more[2],
                bytes_in=more[3],
                bytes_out=more[4],
            )
            for (user_id, provider_id), counts in now.items()
            if any(more := self._more((user_id, provider_id), counts))
        ]
        # Set before the wait, so that two flushes at once never add the same counts twice.
        before, self._written = self._written, now
        for record in new:
            try:
                await self._store.usage.add_all([record])
            except Conflict:
                continue  # the user was deleted meanwhile, and the sums with them
            except StorageError as error:
                key = (record.user_id, record.provider_id)
                self._written[key] = before.get(key, (0, 0, 0, 0, 0))
                _log.warning("usage not stored", reason=error.message)

    def _more(self, key: tuple[str, str], counts: _Counts) -> _Counts:
        old = self._written.get(key, (0, 0, 0, 0, 0))
        if any(new < was for new, was in zip(counts, old, strict=True)):
            old = (0, 0, 0, 0, 0)  # the book dropped this pair and began it anew
        a, b, c, d, e = (new - was for new, was in zip(counts, old, strict=True))
        return a, b, c, d, e
