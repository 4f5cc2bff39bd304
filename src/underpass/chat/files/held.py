"""Files of temporary chats: in this process's memory alone, and gone after an hour without use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from underpass.core.clock import Clock
from underpass.core.errors import TooMany
from underpass.store import FileRecord

HELD_S = 3600.0
MAX_OWNED_BYTES = 64 << 20
MAX_BYTES = 256 << 20


@dataclass
class HeldFile:
    """A file with all that there is of it."""

    record: FileRecord
    content: bytes
    text: str
    used_at: float
    """Monotonic."""


class Held:
    """The temporary files of all users."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, HeldFile] = {}

    def add(self, record: FileRecord, content: bytes, text: str) -> None:
        """Holds a file. Raises TooMany when there is no more room for it."""
        self.tidy()
        mine = sum(one.record.bytes for one in self._owned(record.owner_id))
        every = sum(one.record.bytes for one in self._files.values())
        if mine + record.bytes > MAX_OWNED_BYTES or every + record.bytes > MAX_BYTES:
            raise TooMany(
                "There is no more room for files of temporary chats.",
                hint="Send it in a chat that is kept, or try again later.",
                retry_after_s=60,
            )
        self._files[record.id] = HeldFile(record, content, text, self._clock.monotonic())

    def find(self, file_id: str) -> HeldFile | None:
        """The file, or None; being looked at is being used."""
        found = self._files.get(file_id)
        if found is not None:
            found.used_at = self._clock.monotonic()
        return found

    def of_owner(self, owner_id: str, file_ids: Sequence[str]) -> dict[str, FileRecord]:
        """Those of the files that are held and belong to this user, by id."""
        found = [one for one in map(self.find, file_ids) if one is not None]
        return {one.record.id: one.record for one in found if one.record.owner_id == owner_id}

    def remove(self, file_id: str) -> None:
        """Forgets a file."""
        self._files.pop(file_id, None)

    def tidy(self) -> None:
        """Forgets what was not used for an hour."""
        before = self._clock.monotonic() - HELD_S
        for file_id, held in list(self._files.items()):
            if held.used_at < before:
                self.remove(file_id)

    def _owned(self, owner_id: str) -> list[HeldFile]:
        return [one for one in self._files.values() if one.record.owner_id == owner_id]
