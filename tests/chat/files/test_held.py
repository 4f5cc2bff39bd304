"""Files of temporary chats: bounded, and gone after a while."""

import pytest

from tests.fakes.registry import ANN, BOB
from underpass.chat.files import held as held_module
from underpass.chat.files.held import HELD_S, Held
from underpass.core.clock import FakeClock
from underpass.core.errors import TooMany
from underpass.store import FileKind, FileRecord


def record(file_id: str, owner_id: str, size: int = 1) -> FileRecord:
    """A text file."""
    return FileRecord(
        id=file_id,
        owner_id=owner_id,
        name="a.txt",
        kind=FileKind.TEXT,
        media_type="text/plain",
        bytes=size,
        created_at=0.0,
    )


def test_an_hour_without_use() -> None:
    """Being looked at is being used."""
    clock = FakeClock()
    held = Held(clock)
    held.add(record("fil_1", ANN.user_id), b"a", "a")
    held.add(record("fil_2", ANN.user_id), b"b", "b")
    clock.advance(HELD_S - 1)
    found = held.find("fil_1")
    assert found is not None
    assert (found.content, found.text) == (b"a", "a")
    clock.advance(2)
    held.tidy()
    assert list(held.of_owner(ANN.user_id, ["fil_1", "fil_2"])) == ["fil_1"]
    assert held.of_owner(BOB.user_id, ["fil_1"]) == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each user and for all; the next one is told, and a removed one makes room."""
    monkeypatch.setattr(held_module, "MAX_OWNED_BYTES", 10)
    monkeypatch.setattr(held_module, "MAX_BYTES", 15)
    held = Held(FakeClock())
    held.add(record("fil_1", ANN.user_id, 10), b"", "")
    with pytest.raises(TooMany):
        held.add(record("fil_2", ANN.user_id, 1), b"", "")
    with pytest.raises(TooMany):
        held.add(record("fil_3", BOB.user_id, 6), b"", "")
    held.add(record("fil_3", BOB.user_id, 5), b"", "")
    held.remove("fil_1")
    held.add(record("fil_2", ANN.user_id, 1), b"", "")
