"""The garbage collector at the start of a process that runs for long."""

import gc


def rest() -> None:
    """No collection from now on: what a program loads at its start stays, and looking through it
    again and again is a sixth of the time that a hub needs to be ready."""
    gc.disable()


def settle() -> None:
    """Collections begin, and leave out all that is there by now. Without that every full one would
    go through the whole program, and hold the event loop up meanwhile."""
    gc.freeze()
    gc.enable()
