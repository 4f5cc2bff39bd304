"""What is put is got, in order, by one reader that may wait."""

import asyncio
import sys

import pytest

from tests.rig.waiting import eventually_async
from underpass.hub.mailbox import Mailbox


async def test_in_order_whether_or_not_somebody_waits() -> None:
    """Put before and after the reader came."""
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.put(2)
    assert [await box.get(), await box.get()] == [1, 2]
    reader = asyncio.ensure_future(box.get())
    await asyncio.sleep(0)
    box.put(3)
    box.put(4)
    assert await reader == 3
    assert (len(box), await box.get(), len(box)) == (1, 4, 0)


async def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    """Also when the thing came in the very turn of the cancel."""
    box: Mailbox[str] = Mailbox()
    reader = asyncio.ensure_future(box.get())
    await asyncio.sleep(0)
    box.put("kept")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    box.put("next")
    assert [await box.get(), await box.get()] == ["kept", "next"]


async def test_an_empty_one_is_small() -> None:
    """That is what it is for: less than a tenth of an asyncio.Queue, waited at or not."""
    box: Mailbox[str] = Mailbox()
    reader = asyncio.ensure_future(box.get())

    async def waits() -> bool:
        return box._reader is not None

    await eventually_async(waits, 5)
    assert sys.getsizeof(box) + sys.getsizeof(box._items) + sys.getsizeof(box._reader) < 300
    box.put("")
    await reader
