"""Usage, written down: the gateway counts in memory, this adds what is new to the day's sums."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import Conflict, StorageError
from underpass.gateway.usage import UsageBook
from underpass.store import Store, UsageRecord

_log = structlog.get_logger("underpass.usage")

_SUMS = (
    *("requests", "errors", "cancelled", "bytes_in", "bytes_out"),
    *("tokens_in", "tokens_out", "first_bytes", "first_byte_s", "answer_s"),
)
_NOTHING = (0.0,) * len(_SUMS)

_Key = tuple[str, str, str, str, str]
_Counts = tuple[float, ...]


class UsageWriter:
    """Moves counts from the gateway's book into the store."""

    def __init__(self, store: Store, clock: Clock, book: UsageBook) -> None:
        self._store = store
        self._clock = clock
        self._book = book
        self._written: dict[_Key, _Counts] = {}
        # One flush at a time: one that fails puts back what the next one starts from.
        self._flushing = asyncio.Lock()

    def today(self) -> str:
        """The day in UTC, as the store knows days."""
        return datetime.fromtimestamp(self._clock.now(), UTC).date().isoformat()

    async def tokens_today(self, kind: str, subject_id: str) -> int:
        """How many tokens a `key` or a `user` has used today, as far as is known."""
        await self.flush()
        if kind == "key":
            return await self._store.usage.tokens(self.today(), key_id=subject_id)
        return await self._store.usage.tokens(self.today(), user_id=subject_id)

    async def flush(self) -> None:
        """Add what was counted since the last call. What cannot be stored now is kept for later."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        day = self.today()
        now: dict[_Key, _Counts] = {
            one.key: tuple(getattr(one, name) for name in _SUMS) for one in self._book.all()
        }
        new = [
            (key, _record(day, key, more))
            for key, counts in now.items()
            if any(more := self._more(key, counts))
        ]
        before, self._written = self._written, now
        for key, record in new:
            try:
                await self._store.usage.add_all([record])
            except Conflict:
                continue  # the user was deleted meanwhile, and the sums with them
            except StorageError as error:
                self._written[key] = before.get(key, _NOTHING)
                _log.warning("usage not stored", reason=error.message)

    def _more(self, key: _Key, counts: _Counts) -> _Counts:
        old = self._written.get(key, _NOTHING)
        if any(new < was for new, was in zip(counts, old, strict=True)):
            old = _NOTHING  # the book dropped this one and began it anew
        return tuple(new - was for new, was in zip(counts, old, strict=True))


def _record(day: str, key: _Key, more: _Counts) -> UsageRecord:
    counted = dict(zip(_SUMS, more, strict=True))
    counted["failures"] = counted.pop("errors")
    user_id, provider_id, key_id, model, session_id = key
    whole = {name: int(value) for name, value in counted.items() if not name.endswith("_s")}
    return UsageRecord(
        day=day,
        user_id=user_id,
        provider_id=provider_id,
        key_id=key_id,
        model=model,
        session_id=session_id,
        first_byte_s=counted["first_byte_s"],
        answer_s=counted["answer_s"],
        **whole,
    )
