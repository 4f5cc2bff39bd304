"""Ctrl-C during a turn."""

import asyncio
import os
import signal

import pytest

from tests.rig.waiting import eventually_async
from underpass.cli.interrupts import Interrupts


def press() -> None:
    """Ctrl-C, as the terminal sends it."""
    os.kill(os.getpid(), signal.SIGINT)


async def test_one_that_comes_too_early_is_kept() -> None:
    """It is for the answer that comes a moment later."""
    pressed = []
    interrupts = Interrupts()
    with interrupts.caught():
        press()
        await eventually_async(lambda: interrupts._kept == 1)
        with interrupts.handled_by(lambda: pressed.append(1)):
            assert pressed == [1]
            press()
            await eventually_async(lambda: pressed == [1, 1])


async def test_a_second_one_ends_a_turn_that_has_no_answer() -> None:
    """A hub that does not answer cannot hold anybody."""

    async def turn() -> None:
        interrupts = Interrupts()
        with interrupts.caught():
            press()
            await eventually_async(lambda: interrupts._kept == 1)
            press()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.create_task(turn()), 10)


async def test_afterwards_ctrl_c_is_what_it_was() -> None:
    """At the prompt it leaves."""
    with Interrupts().caught():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
