"""The audit trail's door."""

from typing import Any

import pytest
import structlog

from tests.hub.conftest import RunningHub
from underpass.core.errors import StorageError


async def test_an_entry_is_cut_to_size(hub: RunningHub) -> None:
    """What strangers typed as a name cannot fill the disk."""
    await hub.services.trail.note("sign_in.failed", actor_id=None, subject="x" * 9999, why="test")
    (entry,) = (await hub.services.store.audit.list()).items
    assert (len(entry.subject), entry.detail) == (200, {"why": "test"})


async def test_a_full_disk_undoes_nothing(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The act is done; the log says that its entry is missing."""

    async def full(_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(hub.services.store.audit, "add", full)
    with structlog.testing.capture_logs() as lines:
        await hub.services.trail.note("key.create", actor_id=None)
    assert lines[0]["action"] == "key.create"
