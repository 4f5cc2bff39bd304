"""What waits for its model: in memory, then in a file that nobody can find."""

import os
from pathlib import Path

import pytest

from underpass.core.errors import StorageError
from underpass.gateway.spool import Spool


async def content(spool: Spool) -> bytes:
    """Everything in it, in order."""
    return b"".join([piece async for piece in spool.read()])


async def test_little_stays_in_memory(tmp_path: Path) -> None:
    """No file is made for what fits."""
    spool = Spool(100, str(tmp_path))
    await spool.add(b"a" * 60)
    await spool.add(b"b" * 40)
    assert not spool.is_on_disk
    assert spool.in_memory() == await content(spool) == b"a" * 60 + b"b" * 40
    spool.close()


async def test_much_goes_to_a_file_without_a_name(tmp_path: Path) -> None:
    """The order is kept over file and memory, and the folder shows nothing at any time."""
    spool = Spool(100, str(tmp_path))
    parts = [bytes([number]) * 30 for number in range(50)]
    for part in parts:
        await spool.add(part)
    assert spool.is_on_disk
    assert spool.size == 1500
    assert os.listdir(tmp_path) == []
    assert await content(spool) == b"".join(parts)
    spool.close()
    assert os.listdir(tmp_path) == []


async def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """503 storage_unavailable, and what to do: nothing is half kept."""
    spool = Spool(10, str(tmp_path / "missing"))
    with pytest.raises(StorageError):
        await spool.add(b"x" * 11)
    spool.close()
