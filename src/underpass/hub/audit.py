"""The audit trail's one door: who did what, from where."""

from __future__ import annotations

from typing import Any

import structlog

from underpass.core.clock import Clock
from underpass.core.errors import StorageError
from underpass.core.ids import new_id
from underpass.store import AuditRecord, Store

_log = structlog.get_logger("underpass.audit")


class Trail:
    """Writes entries. Never secrets, never what users or models wrote."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def note(
        self,
        action: str,
        *,
        actor_id: str | None,
        subject: str = "",
        address: str = "",
        **detail: Any,
    ) -> None:
        """Write one entry. The act is done already, so a full disk only makes a log line."""
        entry = AuditRecord(
            id=new_id("aud"),
            at=self._clock.now(),
            action=action,
            actor_id=actor_id,
            subject=subject[:200],
            address=address[:64],
            detail=detail,
        )
        try:
            await self._store.audit.add(entry)
        except StorageError as error:
            _log.warning("audit entry not stored", action=action, reason=error.message)
